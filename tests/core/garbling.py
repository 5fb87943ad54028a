"""Damage to a page of orders on its way, of the kinds that a digest has to find."""

from dataclasses import replace
from random import Random

from bazaar.core.ledger import BatchAnswer, Page
from bazaar.core.replication import Append
from bazaar.core.types import Digest, OrderNo


def garble(rng: Random, message: object) -> object:
    """Return the message with its page damaged; as it is when it carries none."""
    if isinstance(message, Append | BatchAnswer):
        return replace(message, page=_garble_page(rng, message.page))
    if isinstance(message, Page):
        return _garble_page(rng, message)
    return message


def _garble_page(rng: Random, page: Page) -> Page:
    """Change one number of one order, lose one order, or change one of the two digests."""
    kind = rng.randrange(5)
    if kind == 0:
        return replace(page, previous=_other(page.previous))
    if kind == 1 or not page.orders:
        return replace(page, digest=_other(page.digest))
    at = rng.randrange(len(page.orders))
    before, order, after = page.orders[:at], page.orders[at], page.orders[at + 1 :]
    if kind == 2:
        return replace(page, orders=(*before, *after))
    if kind == 3:
        order = replace(order, order_no=OrderNo(order.order_no + 1))
    else:
        order = replace(order, quantity=order.quantity + 1)
    return replace(page, orders=(*before, order, *after))


def _other(digest: Digest) -> Digest:
    return Digest("f" * 64 if digest[0] != "f" else "e" * 64)
