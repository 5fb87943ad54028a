"""Orders as they are stored, in the ledger and in every replica's log."""

from dataclasses import dataclass

from bazaar.core.failures import Failure
from bazaar.core.types import OrderNo
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.rows import Row
from dashboard import wiring

SEARCHED_MAX = 2000
"""Orders that a search by key or stock looks through: the newest."""
PAGE = 1000
FOUND_MAX = 100


@dataclass(frozen=True, slots=True)
class Copy:
    """One order in one database, or why it is not shown."""

    name: str
    row: Row | None
    reason: str = ""


def list_copies(order_no: int) -> list[Copy]:
    """Return an order as the ledger and every replica have it."""
    clients: dict[str, CatalogClient | ReplicaClient] = {
        "ledger": wiring.catalog(),
        **wiring.replicas(),
    }
    return [_copy(name, client, order_no) for name, client in clients.items()]


def search(text: str, last: int) -> list[Row]:
    """
    Return the newest orders of the ledger whose key or stock holds a text, the newest first.

    last: the newest order. Raises Unreachable (indefinite).
    """
    wanted = text.casefold().replace("-", "")
    found: list[Row] = []
    first = max(0, last - SEARCHED_MAX)
    for after in range(first, max(last, 1), PAGE):
        rows = wiring.catalog().rows(OrderNo(after), PAGE).rows
        found += [row for row in rows if wanted in _text(row)]
    return found[::-1][:FOUND_MAX]


def _text(row: Row) -> str:
    return f"{row.key}\n{row.stock_name}".casefold().replace("-", "")


def _copy(name: str, client: CatalogClient | ReplicaClient, order_no: int) -> Copy:
    try:
        rows = client.rows(OrderNo(order_no - 1), 1).rows
    except Failure as failure:
        return Copy(name, None, failure.message)
    if not rows or rows[0].order_no != order_no:
        return Copy(name, None, "not there")
    return Copy(name, rows[0])
