"""
Orders: placed through the leader, read from memory or any replica.

An order never changes, so an answer once seen is right for ever; memory keeps the newest seen, a
bounded number (I10). The replicas are asked in turn, so that look-ups do not all fall on the
leader; one that failed a moment ago is asked last. Numbers beyond the newest reach none of them
(`ledger_end`).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

from bazaar.core.failures import Failure, NotServing, UnknownOrder
from bazaar.core.ledger import Answer
from bazaar.core.types import ORDER_NO_MAX, Order, OrderNo, ReplicaId, Trade, TradeType
from bazaar.protocol.clients import ReplicaClient
from bazaar.protocol.examples import NewestQuery
from bazaar.protocol.messages import OrdersBody
from bazaar.runtime.waits import REAL, EventLoop, Waits
from bazaar.settings.env import Limits
from frontend_app.entries import OrderEntry
from frontend_app.leader import LeaderWatch
from frontend_app.ledger_end import LedgerEnd

T = TypeVar("T")

AWAY_S = 2.0
"""How long a replica that did not answer is asked only after the others."""


class OrderCache:
    """One front end's orders; safe for many threads, without a lock."""

    def __init__(self, watch: LeaderWatch, limits: Limits, waits: Waits = REAL) -> None:
        """watch: reaches the leader and all replicas."""
        self._watch, self._limits = watch, limits
        self.entries: OrderedDict[OrderNo, OrderEntry] = OrderedDict()
        """The orders by their numbers, the least recently used first."""
        self.hits = self.misses = 0
        self._ledger_end = LedgerEnd(watch, limits.ping_timeout_s, waits)
        self._now_s = waits.now_s
        self._turns = count()
        self._away_until_s: dict[ReplicaId, float] = {}

    def forget(self) -> None:
        """Forget all orders: the catalog may have been put back."""
        self.entries.clear()

    def place(self, trade: Trade, began_s: float | None = None) -> Answer:
        """
        Place a trade and remember its order, see `LeaderWatch.place`.

        Raises Busy (definite).
        """
        answer = self._watch.place(trade, began_s)
        if isinstance(answer, Order):
            self._keep(answer)
        return answer

    def place_later(
        self,
        trade: Trade,
        began_s: float,
        done: Callable[[Answer | Exception], None],
        loop: EventLoop | None = None,
    ) -> None:
        """Place a trade, see `LeaderWatch.place_later`; remember its order before `done`."""

        def take(answer: Answer | Exception) -> None:
            if isinstance(answer, Order):
                self._keep(answer)
            done(answer)

        self._watch.place_later(trade, began_s, take, loop)

    def hit(self, order_no: OrderNo) -> OrderEntry | None:
        """Return an order that is in memory."""
        entry = self.entries.get(order_no)
        if entry is not None:
            self.hits += 1
            try:  # noqa: SIM105 - suppress() costs as much as a whole hit
                self.entries.move_to_end(order_no)
            except KeyError:  # it was put out this moment
                pass
        return entry

    def fetch(self, order_no: OrderNo) -> OrderEntry:
        """
        Return an order from any replica that tells, and remember it.

        Raises UnknownOrder (definite); NotServing, Unreachable: no replica could tell.
        """
        self._ledger_end.check(order_no)
        self.misses += 1
        return self._keep(
            self._ask(lambda replica, timeout_s: replica.look_up(order_no, timeout_s))
        )

    def list_newest(
        self,
        *,
        before: OrderNo,
        limit: int,
        stock_name: str | None,
        trade_type: TradeType | None,
    ) -> OrdersBody:
        """
        Return a page of orders from any replica, the newest first.

        It has every order that was acknowledged before; without the catalog, every one that this
        front end has heard of. before: 0 for the newest of all. stock_name, trade_type: None for
        any. Raises NotServing (definite), Unreachable: no replica could tell.
        """
        upto = OrderNo(before - 1 if before else ORDER_NO_MAX)
        if upto > self._watch.newest:
            upto = min(upto, self._ledger_end.read())
        if not upto:
            return OrdersBody(orders=(), first=0)
        wanted = NewestQuery(upto, limit, stock_name, trade_type)
        return self._ask(lambda replica, timeout_s: replica.list_orders(wanted, timeout_s))

    def _ask(self, ask: Callable[[ReplicaClient, float], T]) -> T:
        """Return what the first replica says that can tell. Raises UnknownOrder, Failure."""
        failure: Failure = NotServing("No order replica answers.")
        for replica_id, timeout_s in self._list_replicas():
            try:
                return ask(self._watch.replicas[replica_id], timeout_s)
            except UnknownOrder:
                raise  # it has asked the ledger
            except Failure as caught:
                self._away_until_s[replica_id] = self._now_s() + AWAY_S
                failure = caught
        raise failure

    def _list_replicas(self) -> Iterator[tuple[ReplicaId, float]]:
        """Yield whom to ask and how long to wait; for the last one, the longest."""
        now_s, ids = self._now_s(), sorted(self._watch.replicas)
        first = next(self._turns) % len(ids)
        turn = [*ids[first:], *ids[:first]]
        *some, last = sorted(turn, key=lambda one: self._away_until_s.get(one, 0.0) > now_s)
        yield from ((replica_id, self._limits.ping_timeout_s) for replica_id in some)
        yield last, self._limits.call_timeout_s

    def _keep(self, order: Order) -> OrderEntry:
        """Remember an order."""
        self._watch.note_order(order.order_no)
        entry = self.entries[order.order_no] = OrderEntry(order)
        if len(self.entries) > self._limits.cache_orders_max:
            self.entries.popitem(last=False)
        return entry
