"""The seed's workload: query a random stock and, now and then, trade some of it."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bazaar.client.answers import ClientError, OrderAnswer, Refused
from bazaar.client.client import Client
from bazaar.cluster import exits
from bazaar.cluster.arguments import read_choice
from bazaar.cluster.databases import STOCKS
from bazaar.cluster.exits import CommandFailed
from bazaar.core.types import TradeType
from bazaar.management.client.session import ClientSession, check_reached, explain
from bazaar.settings import env

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


def read_names(stock_set: str) -> tuple[str, ...]:
    """Return the names of the stocks of a shipped set, such as asterix."""
    path = env.ROOT / "fixtures" / f"{stock_set}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    return tuple(row["fields"]["name"] for row in rows)


def find_names(client: Client, stock_set: str | None) -> tuple[str, ...]:
    """
    Return the names of a stock set, or of the shipped set that the catalog has.

    Raises CommandFailed.
    """
    if stock_set is not None:
        return read_names(read_choice("--stocks", stock_set, STOCKS))
    for one in STOCKS:
        names = read_names(one)
        try:
            client.query(names[0])
        except Refused:
            continue
        except ClientError as error:
            check_reached(error)
            raise CommandFailed(explain(error), exits.ERRORS) from error
        return names
    raise CommandFailed(f"The catalog has none of the stocks of {' and '.join(STOCKS)}.")
