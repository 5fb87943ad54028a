"""
A hash chain: equal digests at one number mean equal histories (I8).

Left out: signatures. The chain finds accidents (a torn page, a lost row, a wrong restore), not
somebody's forgery of a whole log.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from bazaar.core.types import Digest, Order

GENESIS = Digest("0" * 64)
"""The digest before the first order."""


def extend(digest: Digest, order: Order) -> Digest:
    """Return the digest of a log that ends in `order`, given the one before it."""
    # The name comes last: it is the only field that may contain the separator.
    return extend_by_text(
        digest,
        f"{order.order_no}|{order.key}|{order.trade_type}|{order.quantity}|{order.stock_name}",
    )


def extend_by_text(digest: Digest, text: str) -> Digest:
    """Return the same for an order that is written as `extend` writes it."""
    return Digest(sha256(f"{digest}|{text}".encode()).hexdigest())


def chain(digest: Digest, orders: Iterable[Order]) -> Digest:
    """Return the digest after all of `orders`."""
    for order in orders:
        digest = extend(digest, order)
    return digest


def link(digest: Digest, orders: Iterable[Order]) -> Iterator[tuple[Order, Digest]]:
    """Yield each order with the digest up to and including it."""
    for order in orders:
        digest = extend(digest, order)
        yield order, digest
