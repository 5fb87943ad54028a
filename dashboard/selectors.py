"""What pages show of databases: orders, events and audit entries."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import F, Q, Value
from django.db.models.functions import Concat
from msgspec import structs

from bazaar.client.answers import Refused
from bazaar.core.failures import Failure, Unreachable
from bazaar.core.types import STOCK_NAME_CHARS_MAX, OrderNo
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.stored_rows import StoredRow
from bazaar.protocol.traces import TradeTrace
from dashboard import wiring
from dashboard.models import AuditEntry, EventRecord

EVENTS_SHOWN_MAX = 200
ORDERS_SHOWN_MAX = 100
"""Orders on one page."""
DIGEST_CHARS = 12
TIME_MS_MAX = 4_102_444_800_000
"""The year 2100."""
NAMES_LOOKED_AT, NAMES_SUGGESTED = 200, 20
"""Of stocks, for one text that is being typed."""
T = TypeVar("T")
OrdersClient = CatalogClient | ReplicaClient


def list_events(*, text: str = "") -> Sequence[Mapping[str, Any]]:
    """Return the newest events, those with a text in them if one is given."""
    events = EventRecord.objects.order_by("-at", "-id")
    if text:
        columns = ("text", "phrase", "source", "sentence")
        wanted = [Q(**{f"{column}__icontains": text}) for column in columns]
        events = events.filter(reduce(or_, wanted))
    shown = events.values("at", "source", "phrase", "text", "sentence", "id")[:EVENTS_SHOWN_MAX]
    return [_show_event("event", one) for one in shown]


def list_audit_entries(*, text: str = "") -> Sequence[Mapping[str, Any]]:
    """Return the newest audit entries in the shape of events, as `list_events`."""
    entries = AuditEntry.objects.order_by("-at", "-id")
    if text:
        entries = entries.filter(target__icontains=text) | entries.filter(action__icontains=text)
    shown = entries.values(
        "at",
        "id",
        source=F("username"),
        phrase=F("action"),
        text=Concat("target", Value(": "), "result"),
        sentence=Concat(
            *("username", Value(", "), "action", Value(": "), "target", Value(". "), "result")
        ),
    )
    return [_show_event("audit", one) for one in shown[:EVENTS_SHOWN_MAX]]


def _show_event(kind: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event with the id of its element in a page."""
    return {**event, "id": f"{kind}-{event['id']}"}


def suggest_names(*, text: str) -> list[str]:
    """
    Return names of stocks with a text in them, those that begin with it first.

    None for an empty text, or while the catalog does not answer.
    """
    wanted = clean_text(text)
    try:
        found = wiring.catalog().search(wanted, None, NAMES_LOOKED_AT) if wanted else None
    except Failure:
        return []
    names = [stock.name for stock in found.stocks] if found else []
    return sorted(names, key=lambda name: not _begins(name, wanted))[:NAMES_SUGGESTED]


def clean_text(text: str) -> str:
    """Return what is searched for when this was typed: no longer than a name."""
    return text.replace("\0", "").strip()[:STOCK_NAME_CHARS_MAX]


def _begins(name: str, text: str) -> bool:
    return name.casefold().startswith(text.casefold())


def list_order_copies(order_no: int) -> list[dict[str, Any]]:
    """Return an order as the ledger and every replica have it, or why not."""
    clients: dict[str, OrdersClient] = {"ledger": wiring.catalog(), **wiring.replicas()}
    return [_get_copy(name, client, order_no) for name, client in clients.items()]


def list_orders(*, before: int, last: int) -> dict[str, Any]:
    """
    Return a page of the orders right before one, the newest first.

    before: 0 for the newest of all. last: the newest order. Raises Unreachable (indefinite).
    """
    end = min(before, last + 1) if before else last + 1
    first = max(end - ORDERS_SHOWN_MAX, min(last, 1))
    after = OrderNo(max(first, 1) - 1)
    name, body = _ask_any(lambda client: client.rows(after, ORDERS_SHOWN_MAX))
    return _page(name, [row for row in body.rows if row.order_no < end][::-1], first)


def search_orders(*, text: str, before: int) -> dict[str, Any]:
    """
    Return a page of orders before one with a text in key or stock, newest first.

    before: 0 for the newest of all. Raises Unreachable (indefinite).
    """
    name, body = _ask_any(lambda client: client.find(text, OrderNo(before), ORDERS_SHOWN_MAX))
    return _page(name, body.rows, body.first)


def get_trace(*, text: str, order_no: int) -> TradeTrace:
    """
    Return the trace of a trade, as a front end tells it.

    text: its key, unless there is an order_no. Raises ClientError: nobody remembers it, or no front
    end answers, or the text is no key.
    """
    try:
        wanted = order_no or UUID(text)
    except ValueError as error:
        raise Refused("Enter the number of an order, or its key, a UUID.") from error
    return wiring.public_client().trace(wanted)


def _page(source: str, rows: Iterable[StoredRow], first: int) -> dict[str, Any]:
    """Return a page of orders; first: the oldest one that was looked at."""
    page = {"source": source, "rows": [_show(row) for row in rows], "first": first}
    return {**page, "next": first if first > 1 else None}


def _show(row: StoredRow) -> dict[str, Any]:
    digest = row.digest[:DIGEST_CHARS]
    return {**structs.asdict(row), "digest": digest, "decided_at": _read_time(row.decided_ms)}


def _read_time(decided_ms: int | None) -> datetime | None:
    """Return a time in ms as a date; None, too, for a number that a damaged row may have."""
    if decided_ms is None or not 0 < decided_ms < TIME_MS_MAX:
        return None
    return datetime.fromtimestamp(decided_ms / 1000, UTC)


def _ask_any(question: Callable[[OrdersClient], T]) -> tuple[str, T]:
    """Ask the ledger, or the first replica that answers: logs are its prefixes (I8)."""
    fault: Failure = Unreachable("No database was asked.")
    clients: list[tuple[str, OrdersClient]] = [("the ledger", wiring.catalog())]
    for name, client in [*clients, *wiring.replicas().items()]:
        try:
            return name, question(client)
        except Failure as failure:
            fault = failure
    raise fault


def _get_copy(name: str, client: OrdersClient, order_no: int) -> dict[str, Any]:
    row, reason = None, ""
    try:
        rows = client.rows(OrderNo(order_no - 1), 1).rows
    except Failure as failure:
        reason = failure.message
    else:
        row = next((_show(row) for row in rows if row.order_no == order_no), None)
        reason = "" if row else "not there"
    return {"name": name, "reason": reason, "row": row}
