"""The catalog and the replicas as a front end sees them, in memory."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from bazaar.core.election import Leadership, Ping, claim_term
from bazaar.core.failures import (
    Failure,
    StaleTerm,
    UnknownHolder,
    UnknownOrder,
    UnknownStock,
    Unreachable,
)
from bazaar.core.ledger import Answer
from bazaar.core.types import NO_EPOCH, Order, OrderNo, ReplicaId, Term, Trade, Version
from bazaar.protocol.cache_messages import FoundStocks, HolderBody, LeaseBody, NamesBody
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.examples import NewestQuery
from bazaar.protocol.messages import OrderBody, OrdersBody
from tests.order_app.fakes import NoNetwork
from tests.support.histories import STOCK
from tests.support.waits import WAIT_S


class FakeCatalog(CatalogClient):
    """Stocks, leases and the leadership; every question is counted."""

    def __init__(self) -> None:
        super().__init__(NoNetwork(), NoNetwork(), 1)
        self.stocks = {STOCK.name: STOCK}
        self.asked: list[str] = []
        self.failure: Failure | None = None
        self.on_ask: Callable[[], None] = lambda: None
        self.leadership = Leadership(Term(0), None)
        self.claims: list[tuple[Term, ReplicaId]] = []
        self.registered: list[UUID] = []
        self.registration_failures: list[Failure] = []
        """Of registrations that arrive; their answers are lost."""
        self.renewed = 0
        self.incarnation: UUID | None = None
        self.lease_s = 3600.0
        self.epoch = NO_EPOCH
        self.listed = 0
        """What a lease's answer says of the listing; 0: nothing."""
        self.pages: list[int] = []
        """Where each page of names that was asked for begins."""
        self.history = FakeLedger()
        self.asked_last = 0
        self.may_keep = True
        """False while a change is passing."""

    def read(self, holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
        self.asked += wanted
        stocks, may_keep = [self.stocks.get(name) for name in wanted], self.may_keep
        self.on_ask()
        if self.failure:
            raise self.failure
        found = (None if stock is None else (stock, may_keep) for stock in stocks)
        return FoundStocks(self.epoch, tuple(found))

    def last(self, timeout_s: float) -> OrderNo:
        self.asked_last += 1
        last = OrderNo(len(self.history.orders))
        self.on_ask()
        if self.failure:
            raise self.failure
        return last

    def change(self, stock_name: str = STOCK.name) -> Version:
        """Commit a change of a stock and return its version."""
        stock = self.stocks[stock_name]
        changed = replace(stock, quantity=stock.quantity - 1, version=Version(stock.version + 1))
        self.stocks[stock_name] = changed
        return changed.version

    def claim(self, term: Term, leader: ReplicaId) -> Leadership:
        self.claims.append((term, leader))
        if self.failure:
            raise self.failure
        if term != self.leadership.term:
            raise StaleTerm(self.leadership.term, self.leadership.leader)
        self.leadership = claim_term(self.leadership, term, leader)
        return self.leadership

    def names(self, after: int, limit: int) -> NamesBody:
        self.pages.append(after)
        names = tuple(self.stocks)[after : min(after + limit, self.listed)]
        return NamesBody(names=names, end=after + len(names))

    def register(self, holder: HolderBody) -> LeaseBody:
        if self.failure:
            raise self.failure
        self.registered.append(holder.holder_id)
        if self.registration_failures:
            raise self.registration_failures.pop(0)
        return self._describe_lease()

    def renew(self, holder: HolderBody) -> LeaseBody:
        if self.failure:
            raise self.failure
        if holder.holder_id not in self.registered:
            raise UnknownHolder
        self.renewed += 1
        return self._describe_lease()

    def _describe_lease(self) -> LeaseBody:
        return LeaseBody(
            lease_s=self.lease_s,
            incarnation=self.incarnation,
            listed=self.listed,
            epoch=self.epoch,
        )


@dataclass
class FakeLedger:
    """What all replicas share: one order a key."""

    orders: dict[UUID, Order] = field(default_factory=dict)

    def place(self, trade: Trade) -> Answer:
        """Place a trade once."""
        if trade.stock_name != STOCK.name:
            return UnknownStock()
        number = OrderNo(len(self.orders) + 1)
        order = Order(
            *(number, trade.key, trade.stock_name, trade.trade_type, trade.quantity),
            placed_by=trade.placed_by,
        )
        return self.orders.setdefault(trade.key, order)


class FakeReplica(ReplicaClient):
    """One replica: alive, refused or silent; it leads when it is told to."""

    def __init__(self, me: int, ledger: FakeLedger) -> None:
        super().__init__(NoNetwork(), NoNetwork(), 1)
        self.me, self.ledger = ReplicaId(me), ledger
        self.leadership = Leadership(Term(0), None)
        self.down: Failure | None = None
        """What every call gets while it is dead or paused."""
        self.reaches_catalog = True
        self.requests_lost: list[Failure] = []
        self.answers_lost: list[Failure] = []
        self.trades: list[tuple[Term, tuple[Trade, ...]]] = []
        self.timeouts_s: list[float] = []
        self.looked_up: list[OrderNo] = []
        self.listed: list[NewestQuery] = []
        self.on_trade: Callable[[], None] = lambda: None
        self.arrived = threading.Semaphore(0)
        self.aborted = threading.Event()

    def ping(self, timeout_s: float) -> Ping:
        if self.down:
            raise self.down
        is_leading = self.leadership.leader == self.me
        return Ping(
            *(self.me, self.leadership.term, self.leadership.leader, OrderNo(0)),
            is_serving=True,
            is_leading=is_leading,
            reaches_catalog=self.reaches_catalog,
        )

    def notice(self, term: Term, leader: ReplicaId, timeout_s: float) -> None:
        if self.down:
            raise self.down
        if term < self.leadership.term:
            raise StaleTerm(self.leadership.term, self.leadership.leader)
        self.leadership = Leadership(term, leader)

    def trade(self, term: Term, trades: Sequence[Trade], timeout_s: float) -> tuple[Answer, ...]:
        self.trades.append((term, tuple(trades)))
        self.timeouts_s.append(timeout_s)
        self.arrived.release()
        self.on_trade()
        if self.down:
            raise self.down
        if self.requests_lost:
            raise self.requests_lost.pop(0)
        answers = tuple(map(self.ledger.place, trades))
        if self.answers_lost:
            raise self.answers_lost.pop(0)
        return answers

    def look_up(self, order_no: OrderNo, timeout_s: float | None = None) -> Order:
        self.timeouts_s.append(timeout_s or 0)
        self.looked_up.append(order_no)
        if self.down:
            raise self.down
        for order in self.ledger.orders.values():
            if order.order_no == order_no:
                return order
        raise UnknownOrder

    def list_orders(self, wanted: NewestQuery, timeout_s: float) -> OrdersBody:
        self.listed.append(wanted)
        if self.down:
            raise self.down
        orders = sorted(self.ledger.orders.values(), key=lambda one: -one.order_no)
        rows = [OrderBody.from_core(one) for one in orders if one.order_no <= wanted.upto]
        return OrdersBody(orders=tuple(rows[: wanted.limit]), first=1)

    def abort_trades(self) -> None:
        self.aborted.set()

    def die(self) -> None:
        """Be killed: nobody listens any more."""
        self.down = Unreachable("refused", is_refused=True, was_sent=False)

    def pause(self) -> None:
        """Be stopped: calls hang until they are aborted or time out."""
        self.down = Unreachable("silent")
        self.on_trade = self._hang

    def _hang(self) -> None:
        self.aborted.wait(min(WAIT_S, self.timeouts_s[-1]))
