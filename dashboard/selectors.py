"""What pages show of databases: orders, events and audit entries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bazaar.core.failures import Failure, Unreachable
from bazaar.core.types import OrderNo
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.stored_rows import StoredRow
from dashboard import wiring
from dashboard.models import AuditEntry, EventRecord

EVENTS_SHOWN_MAX = 200
ORDERS_SHOWN_MAX = 100
"""Orders on one page."""
T = TypeVar("T")
OrdersClient = CatalogClient | ReplicaClient


@dataclass(frozen=True, slots=True)
class OrderCopy:
    """One order in one database, or why it is not shown."""

    name: str
    row: StoredRow | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrdersPage:
    """A page of orders."""

    source: str
    """The database that it is from."""
    rows: Sequence[StoredRow]
    first: int
    """The oldest order that was looked at: older ones are on the next page."""


def list_events(*, text: str = "") -> Sequence[EventRecord]:
    """Return the newest events, those with a text in them if one is given."""
    events = EventRecord.objects.order_by("-at", "-id")
    if text:
        events = events.filter(text__icontains=text) | events.filter(phrase__icontains=text)
    return list(events[:EVENTS_SHOWN_MAX])


def list_audit_entries(*, text: str = "") -> Sequence[AuditEntry]:
    """Return the newest audit entries, those with a text in them if one is given."""
    entries = AuditEntry.objects.order_by("-at", "-id")
    if text:
        entries = entries.filter(target__icontains=text) | entries.filter(action__icontains=text)
    return list(entries[:EVENTS_SHOWN_MAX])


def list_order_copies(order_no: int) -> list[OrderCopy]:
    """Return an order as the ledger and every replica have it."""
    clients: dict[str, OrdersClient] = {"ledger": wiring.catalog(), **wiring.replicas()}
    return [_get_copy(name, client, order_no) for name, client in clients.items()]


def list_orders(*, before: int, last: int) -> OrdersPage:
    """
    Return the orders right before one, the newest first.

    before: 0 for the newest of all. last: the newest order. Raises Unreachable (indefinite).
    """
    end = min(before, last + 1) if before else last + 1
    first = max(end - ORDERS_SHOWN_MAX, min(last, 1))
    after = OrderNo(max(first, 1) - 1)
    name, body = _ask_any(lambda client: client.rows(after, ORDERS_SHOWN_MAX))
    return OrdersPage(name, [row for row in body.rows if row.order_no < end][::-1], first)


def search_orders(*, text: str, before: int) -> OrdersPage:
    """
    Return orders before one with a text in key or stock, the newest first.

    before: 0 for the newest of all. Raises Unreachable (indefinite).
    """
    name, body = _ask_any(lambda client: client.find(text, OrderNo(before), ORDERS_SHOWN_MAX))
    return OrdersPage(name, body.rows, body.first)


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


def _get_copy(name: str, client: OrdersClient, order_no: int) -> OrderCopy:
    try:
        rows = client.rows(OrderNo(order_no - 1), 1).rows
    except Failure as failure:
        return OrderCopy(name, None, failure.message)
    if not rows or rows[0].order_no != order_no:
        return OrderCopy(name, None, "not there")
    return OrderCopy(name, rows[0])
