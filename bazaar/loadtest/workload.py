"""
The next operation of a client: pure decisions from a seed.

A `SeedClient` does as the seed's client does: look a stock up; trade 1 to 10 shares of it with
probability p, buy or sell; and after a trade sometimes look an order of its own up. Only where the
bazaar has no shares left it sells. There the seed's client does nothing, so once all stocks are
sold out no client ever trades again. The same seed makes the same choices as long as the answers
are the same. Only the keys of trades differ from run to run, or a second run on the same cluster
would get the orders of the first.
"""

import bisect
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from bazaar.client import exchange
from bazaar.client.answers import OrderAnswer, StockAnswer
from bazaar.client.client_dialects import SEED, ClientDialect
from bazaar.client.exchange import ApiCall
from bazaar.core.types import Trade, TradeType
from bazaar.loadtest.profiles import Weighted
from bazaar.proof.records import OperationKind

SHARES_MAX = 10
"""Shares in one trade of the seed's client."""
KEPT_ORDERS_MAX = 1000
"""Of its own orders, those that a client may look up."""
CLIENTS_MAX = 10_000
"""Clients in one run."""
_SIDES = (TradeType.BUY, TradeType.SELL)


class Operation(msgspec.Struct, frozen=True, gc=False):
    """One operation that a client is to do."""

    kind: OperationKind
    question: ApiCall[Any]
    stock_name: str | None = None
    trade_type: TradeType | None = None
    shares: int | None = None
    order_no: int | None = None
    """Of an order that is looked up."""
    origin_no: int | None = None
    """When a history is repeated: the number that this trade's order had there."""


Answer = StockAnswer | OrderAnswer
KeyMaker = Callable[[], UUID]


class ClientBehaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How clients behave."""

    stocks: tuple[Weighted, ...]
    p: float
    """The probability of a trade after a look at a stock."""
    lookup: float
    """The probability of a look at an order after a trade."""
    is_fresh: bool = False
    """Ask past every cache."""
    dialect: ClientDialect = SEED


class StockChooser:
    """Chooses stocks by their weights."""

    def __init__(self, stocks: Sequence[Weighted]) -> None:
        self._names = [one.stock_name for one in stocks]
        self._sums = list(itertools.accumulate(one.weight for one in stocks))

    def pick(self, chance: random.Random) -> str:
        """Return one name."""
        place = bisect.bisect(self._sums, chance.random() * self._sums[-1])
        return self._names[min(place, len(self._names) - 1)]


class SeedClient:
    """One client's next operation, given the result of its last one."""

    def __init__(
        self,
        behaviour: ClientBehaviour,
        choice: StockChooser,
        chance: random.Random,
        make_key: KeyMaker,
    ) -> None:
        self._behaviour, self._choice, self._chance = behaviour, choice, chance
        self._make_key = make_key
        self._next: Operation | None = None
        self._orders: list[int] = []

    def next(self) -> Operation:
        """Return the next operation."""
        planned, self._next = self._next, None
        if planned is not None:
            return planned
        name, behaviour = self._choice.pick(self._chance), self._behaviour
        return query(behaviour.dialect, name, is_fresh=behaviour.is_fresh)

    def learn(self, answer: Answer | None, operation: Operation) -> None:
        """Take in the result of an operation; None when it failed."""
        if isinstance(answer, StockAnswer):
            if self._chance.random() < self._behaviour.p:
                self._next = self._trade(answer.name, is_sold_out=answer.quantity == 0)
        elif operation.kind == "trade" and isinstance(answer, OrderAnswer):
            self._keep(answer.order_no)
            if self._chance.random() < self._behaviour.lookup:
                order_no = self._chance.choice(self._orders)
                behaviour = self._behaviour
                self._next = look_up(behaviour.dialect, order_no, is_fresh=behaviour.is_fresh)

    def _trade(self, stock_name: str, *, is_sold_out: bool) -> Operation:
        side = TradeType.SELL if is_sold_out else self._chance.choice(_SIDES)
        wanted = Trade(self._make_key(), stock_name, side, self._chance.randint(1, SHARES_MAX))
        return trade(self._behaviour.dialect, wanted)

    def _keep(self, order_no: int) -> None:
        if len(self._orders) < KEPT_ORDERS_MAX:
            self._orders.append(order_no)
        else:
            self._orders[self._chance.randrange(KEPT_ORDERS_MAX)] = order_no


def query(dialect: ClientDialect, stock_name: str, *, is_fresh: bool = False) -> Operation:
    """Return the operation of querying a stock."""
    question = exchange.build_query(dialect, stock_name, is_fresh=is_fresh)
    return Operation("query", question, stock_name=stock_name)


def trade(dialect: ClientDialect, wanted: Trade, origin_no: int | None = None) -> Operation:
    """Return the operation of trading; origin_no: see Operation."""
    question = exchange.build_trade(dialect, wanted)
    what = wanted.stock_name, wanted.trade_type, wanted.quantity
    return Operation("trade", question, *what, origin_no=origin_no)


def look_up(dialect: ClientDialect, order_no: int, *, is_fresh: bool = False) -> Operation:
    """Return the operation of looking an order up."""
    question = exchange.build_order_query(dialect, order_no, is_fresh=is_fresh)
    return Operation("order", question, order_no=order_no)


def make_keys(prefix: int, client: int) -> Iterator[UUID]:
    """
    Yield keys that no other client of this run makes.

    Prefix: 48 random bits of the run.
    """
    assert client < CLIENTS_MAX, "a key has no room for more"
    base = (prefix << 80) | (client << 48)
    for number in itertools.count():
        yield UUID(int=base | number, version=4)
