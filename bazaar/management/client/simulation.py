"""The seed's workload: look a random stock up and, now and then, trade some of it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bazaar.client.answers import Order
from bazaar.core.types import TradeType
from bazaar.management.client.asker import Asker

SHARES_MAX = 10
"""In one trade."""
EXPECTED = ("insufficient_quantity", "overstock")
"""Refusals that say nothing against the server: the wish was drawn at random."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a simulation draws from: the same seed draws the same wishes."""

    names: Sequence[str]
    requests: int
    trade_share: float
    """How likely a look-up is followed by a trade, 0 to 1."""
    seed: int


def simulate(workload: Workload, asker: Asker) -> Iterator[Order]:
    """Look up and trade; yield each order that was placed. Raises Ended."""
    chance = random.Random(workload.seed)  # noqa: S311 - no secret
    for _ in range(workload.requests):
        # All is drawn each time, so an answer never changes the wishes that follow.
        name, is_trading = chance.choice(workload.names), chance.random() < workload.trade_share
        trade_type, shares = chance.choice(list(TradeType)), chance.randint(1, SHARES_MAX)
        stock = asker.query(name)
        if stock is None or stock.quantity == 0 or not is_trading:
            continue
        order = asker.trade(name, trade_type, shares, expected=EXPECTED)
        if order is not None:
            yield order
