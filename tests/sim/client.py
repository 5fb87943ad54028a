"""
Clients: they trade, repeat what failed indefinitely with the same key, send one key twice at once,
use one key for two trades, and look orders up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from uuid import UUID

from bazaar.core.failures import InsufficientQuantity, KeyReused, Overstock, UnknownStock
from bazaar.core.ledger import Answer
from bazaar.core.types import Order, OrderNo, Trade, TradeType, tidy
from tests.sim.checks import Checks
from tests.sim.frontend import SimFrontend
from tests.sim.messages import ChangePrice, LookUp, PlaceOrder
from tests.sim.network import Call, Network
from tests.sim.process import Process, ignore
from tests.sim.replica import SimReplica

PATIENCE_S = (1.0, 12.0)
"""How long clients wait: some give up before the front end does."""
LOOK_UP_TIMEOUT_S = 3.0
PAUSE_S = 0.3
"""The longest that a client thinks, and that it waits before it repeats."""
REFUSALS = (UnknownStock, InsufficientQuantity, Overstock, KeyReused)
"""What the catalog decides against a trade; it settles the matter."""


@dataclass(eq=False, slots=True)
class Intent:
    """One trade that a client wants, and what became of it."""

    trade: Trade
    is_only: bool
    """Whether nobody else uses this key and it was asked for once."""
    attempts: int = 0


class SimClient(Process):
    """One client; it never dies, and it settles every trade it began."""

    def __init__(self, name: str, network: Network, checks: Checks, *, trades: int) -> None:
        super().__init__(name, network)
        self.checks, self.trades_left = checks, trades
        self.frontends: Sequence[SimFrontend] = ()
        self.replicas: Sequence[SimReplica] = ()
        self.catalog: Process
        self.open = 0
        """Intents that are not settled yet."""
        self.orders: list[Order] = []
        self.acknowledged_s: list[float] = []

    def meet(
        self, frontends: Sequence[SimFrontend], replicas: Sequence[SimReplica], catalog: Process
    ) -> None:
        """Learn the cluster; before the start."""
        self.frontends, self.replicas, self.catalog = frontends, replicas, catalog

    @property
    def is_done(self) -> bool:
        """Whether every trade is settled and none is left."""
        return not self.open and not self.trades_left

    def start(self) -> None:
        super().start()
        self._pause()

    def receive(self, call: Call, message: object) -> None:
        raise AssertionError("nobody calls a client")

    def _pause(self) -> None:
        if self.trades_left:
            self.after(PAUSE_S * self.network.rng.random(), self._act)

    def _act(self) -> None:
        """Do one of the things that clients do."""
        if not self.trades_left:
            return
        rng = self.network.rng
        self.trades_left -= 1
        trade = self._draw()
        kind = rng.random()
        if kind < 0.12:
            self._want(trade, is_only=False)
            self._want(trade, is_only=False)
        elif kind < 0.22:
            self._want(trade, is_only=False)
            self._want(replace(trade, quantity=trade.quantity + 1), is_only=False)
        elif kind < 0.30 and self.orders:
            key = rng.choice(self.orders).key
            self._want(replace(trade, key=key), is_only=False)
        else:
            self._want(trade, is_only=not self.network.weather.has_twins)
        if rng.random() < 0.15:
            self._change_price()
        if rng.random() < 0.4:
            self._look_up(OrderNo(rng.randint(1, self.checks.last + 2)))

    def _draw(self) -> Trade:
        rng = self.network.rng
        names = tuple(self.checks.tallies)
        name = rng.choice(names) if rng.random() < 0.95 else "no such stock"
        trade_type = TradeType.BUY if rng.random() < 0.5 else TradeType.SELL
        return Trade(UUID(int=rng.getrandbits(128)), name, trade_type, rng.randint(1, 6))

    def _want(self, trade: Trade, *, is_only: bool) -> None:
        self.open += 1
        self._ask(Intent(trade, is_only))

    def _ask(self, intent: Intent) -> None:
        rng = self.network.rng
        intent.attempts += 1
        self.checks.retried(intent.trade)
        frontend = rng.choice(self.frontends)
        told = partial(self._told, intent)
        request = PlaceOrder(intent.trade)
        self.network.call(self, frontend, request, told, rng.choice(PATIENCE_S))

    def _told(self, intent: Intent, answer: Answer) -> None:
        is_only = intent.is_only and intent.attempts == 1
        self.checks.told(intent.trade, answer, is_only=is_only)
        if isinstance(answer, Order):
            self.orders.append(answer)
            self.acknowledged_s.append(self.now_s)
        elif not isinstance(answer, REFUSALS):
            self.after(PAUSE_S * self.network.rng.random(), partial(self._ask, intent))
            return
        self.open -= 1
        self._pause()

    def _change_price(self) -> None:
        rng = self.network.rng
        price = Decimal(rng.randint(1, 9999)) / 100
        change = ChangePrice(rng.choice(tuple(self.checks.tallies)), tidy(price))
        self.network.call(self, self.catalog, change, ignore, LOOK_UP_TIMEOUT_S)

    def _look_up(self, order_no: OrderNo) -> None:
        process = self.network.rng.choice((*self.replicas, *self.frontends))
        checked = partial(self.checks.looked_up, order_no, self.checks.reached)
        self.network.call(self, process, LookUp(order_no), checked, LOOK_UP_TIMEOUT_S)
