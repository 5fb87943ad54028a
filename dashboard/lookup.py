"""Orders as they are stored, in the ledger and in every replica's log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bazaar.core.failures import Failure, Unreachable
from bazaar.core.types import OrderNo
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.rows import Row
from dashboard import wiring

FOUND_MAX = 100
"""Orders on one page."""
T = TypeVar("T")
Reader = CatalogClient | ReplicaClient


@dataclass(frozen=True, slots=True)
class Copy:
    """One order in one database, or why it is not shown."""

    name: str
    row: Row | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of orders."""

    source: str
    """Whose database it is from."""
    rows: Sequence[Row]
    first: int
    """The oldest order that was looked at: those before it are on the next page."""


def list_copies(order_no: int) -> list[Copy]:
    """Return an order as the ledger and every replica have it."""
    clients: dict[str, Reader] = {
        "ledger": wiring.catalog(),
        **wiring.replicas(),
    }
    return [_copy(name, client, order_no) for name, client in clients.items()]


def list_rows(before: int, last: int) -> Found:
    """
    Return the orders right before one, the newest first.

    before: 0 for the newest of all. last: the newest order. Raises Unreachable (indefinite).
    """
    end = min(before, last + 1) if before else last + 1
    first = max(end - FOUND_MAX, min(last, 1))
    name, told = _ask(lambda client: client.rows(OrderNo(max(first, 1) - 1), FOUND_MAX))
    return Found(name, [row for row in told.rows if row.order_no < end][::-1], first)


def search(text: str, before: int) -> Found:
    """
    Return the newest orders before one whose key or stock holds a text, the newest first.

    before: 0 for the newest of all. Raises Unreachable (indefinite).
    """
    name, told = _ask(lambda client: client.find(text, OrderNo(before), FOUND_MAX))
    return Found(name, told.rows, told.first)


def _ask(question: Callable[[Reader], T]) -> tuple[str, T]:
    """Ask the ledger, or the first replica that answers; every log is a prefix of it (I8)."""
    fault: Failure = Unreachable("Nobody was asked.")
    readers: list[tuple[str, Reader]] = [("the ledger", wiring.catalog())]
    for name, client in [*readers, *wiring.replicas().items()]:
        try:
            return name, question(client)
        except Failure as failure:
            fault = failure
    raise fault


def _copy(name: str, client: Reader, order_no: int) -> Copy:
    try:
        rows = client.rows(OrderNo(order_no - 1), 1).rows
    except Failure as failure:
        return Copy(name, None, failure.message)
    if not rows or rows[0].order_no != order_no:
        return Copy(name, None, "not there")
    return Copy(name, rows[0])
