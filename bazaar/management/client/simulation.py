"""The seed's workload: query a random stock and, now and then, trade some of it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bazaar.client.answers import OrderAnswer
from bazaar.client.client import Client
from bazaar.cluster.arguments import read_choice
from bazaar.cluster.databases import STOCKS
from bazaar.core.types import TradeType
from bazaar.loadtest.preflight import find_profile
from bazaar.loadtest.profiles import FIXTURES, read_names
from bazaar.management.client.session import ClientSession

SHARES_MAX = 10
"""In one trade."""
EXPECTED = ("insufficient_quantity", "overstock")
"""Refusals that are no errors of the server: the trade was drawn at random."""


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What a simulation draws from: the same seed draws the same trades."""

    names: Sequence[str]
    requests: int
    trade_share: float
    """How likely a trade follows a query, 0 to 1."""
    seed: int


def simulate(plan: SimulationPlan, session: ClientSession) -> Iterator[OrderAnswer]:
    """Query and trade; yield each order that was placed. Raises CommandFailed."""
    chance = random.Random(plan.seed)  # noqa: S311 - no secret
    for _ in range(plan.requests):
        # All is drawn each time, so an answer never changes the draws that follow.
        name, is_trading = chance.choice(plan.names), chance.random() < plan.trade_share
        trade_type, shares = chance.choice(list(TradeType)), chance.randint(1, SHARES_MAX)
        stock = session.query(name)
        if stock is None or stock.quantity == 0 or not is_trading:
            continue
        order = session.trade(name, trade_type, shares, expected=EXPECTED)
        if order is not None:
            yield order


def find_names(client: Client, stock_set: str | None) -> tuple[str, ...]:
    """
    Return the names of a stock set, or of the shipped set that the catalog has.

    Raises CommandFailed.
    """
    if stock_set is None:
        return read_names(find_profile(client, None))
    file = f"{read_choice('--stocks', stock_set, STOCKS)}.json"
    return next(read_names(name) for name, one in FIXTURES.items() if one == file)
