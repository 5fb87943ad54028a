"""Damage to a page of orders on its way, of the kinds that a digest has to find."""

from dataclasses import replace
from random import Random

from bazaar.core.ledger import BatchAnswer, Page
from bazaar.core.replication import Append
from bazaar.core.types import Digest, Entry, OrderNo, StockChange


def garble(rng: Random, message: object) -> object:
    """Return the message with its page damaged; as it is when it carries none."""
    if isinstance(message, Append | BatchAnswer):
        return replace(message, page=_garble_page(rng, message.page))
    if isinstance(message, Page):
        return _garble_page(rng, message)
    return message


def _garble_page(rng: Random, page: Page) -> Page:
    """Change one number of one entry, lose one entry, or change one of the two digests."""
    kind = rng.randrange(5)
    if kind == 0:
        return replace(page, after=replace(page.after, digest=_other(page.after.digest)))
    if kind == 1 or not page.entries:
        return replace(page, digest=_other(page.digest))
    at = rng.randrange(len(page.entries))
    before, entry, after = page.entries[:at], page.entries[at], page.entries[at + 1 :]
    if kind == 2:
        return replace(page, entries=(*before, *after))
    changed: Entry
    if isinstance(entry, StockChange):
        changed = replace(entry, opening=entry.opening + 1)
    elif kind == 3:
        changed = replace(entry, order_no=OrderNo(entry.order_no + 1))
    else:
        changed = replace(entry, quantity=entry.quantity + 1)
    return replace(page, entries=(*before, changed, *after))


def _other(digest: Digest) -> Digest:
    return Digest("f" * 64 if digest[0] != "f" else "e" * 64)
