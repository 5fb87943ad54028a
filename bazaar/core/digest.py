"""
A hash chain: equal digests at one position mean equal histories (I8).

Left out: signatures. The chain finds accidents (a torn page, a lost row, a wrong restore), not
somebody's forgery of a whole log.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from bazaar.core.types import Digest, Entry, Head, Linked, Order, Position, StockChange


def write_entry(entry: Entry) -> str:
    """Return an entry as the chain takes it."""
    # The name comes last: it is the only field that may contain the separator.
    if isinstance(entry, Order):
        key, placed_by = str(entry.key), entry.placed_by
        trade_type, quantity, stock_name = entry.trade_type, entry.quantity, entry.stock_name
        return write_order(entry.order_no, key, trade_type, quantity, placed_by, stock_name)
    return write_change(entry.version, str(entry.price), entry.opening, entry.issued, entry)


def write_order(
    order_no: int,
    key: str,
    trade_type: str,
    quantity: int,
    placed_by: str | None,
    stock_name: str,
) -> str:
    """Return an order as the chain takes it, from its fields; key: with hyphens."""
    what = f"{order_no}|{key}|{trade_type}|{quantity}|{stock_name}"
    # No name of a token has the separator in it, and no other text begins like this.
    return what if placed_by is None else f"by|{placed_by}|{what}"


def write_change(version: int, price: str, opening: int, issued: int, of: StockChange | str) -> str:
    """Return a stock change as the chain takes it, from its fields."""
    stock_name = of if isinstance(of, str) else of.stock_name
    return f"stock|{version}|{price}|{opening}|{issued}|{stock_name}"


def extend_by_text(digest: Digest, text: str) -> Digest:
    """Return the digest after an entry that is written as `write_entry` writes it."""
    return Digest(sha256(f"{digest}|{text}".encode()).hexdigest())


def extend(head: Head, entry: Entry) -> Head:
    """Return the head of a sequence that ends in `entry`, given the one before it."""
    order_no = entry.order_no if isinstance(entry, Order) else head.order_no
    digest = extend_by_text(head.digest, write_entry(entry))
    return Head(Position(head.position + 1), order_no, digest)


def chain(head: Head, entries: Iterable[Entry]) -> Head:
    """Return the head after all of `entries`."""
    for entry in entries:
        head = extend(head, entry)
    return head


def link(head: Head, entries: Iterable[Entry]) -> Iterator[Linked]:
    """Yield each entry with the head up to and including it."""
    for entry in entries:
        head = extend(head, entry)
        yield entry, head
