"""The typed clients of catalog and replicas, over the simulated network."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from bazaar.core.election import Leadership, Ping
from bazaar.core.flow import (
    AskLeader,
    ClaimLeadership,
    PingReplica,
    PlaceBatch,
    ReadLeadership,
    ReadLedger,
    ReadPeerLog,
    SendTrades,
)
from bazaar.core.ledger import Answer, Batch, BatchAnswer, Page
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import Order, OrderNo, Position, ReplicaId, Term, Trade
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.leadership_messages import HeadBody
from bazaar.protocol.transport import PendingCall
from tests.order_app.fakes import NoNetwork
from tests.sim.messages import AskHead, LookUp, Notice, ReadLast, Replicate
from tests.sim.process import Process
from tests.sim.tasks import PendingAnswer, Tasks

KEPT = 0.8
"""The chance that there is a kept connection to a follower."""


class LedgerCalls(CatalogClient):
    """The catalog, as replicas and front ends call it."""

    def __init__(self, tasks: Tasks, catalog: Process, timeout_s: float) -> None:
        super().__init__(NoNetwork(), NoNetwork(), timeout_s)
        self._tasks, self._catalog, self._timeout_s = tasks, catalog, timeout_s

    def place(self, batch: Batch) -> BatchAnswer:
        answer: BatchAnswer = self._call(PlaceBatch(batch))
        return answer

    def ledger(self, after: Position, limit: int) -> Page:
        page: Page = self._call(ReadLedger(after))
        return page

    def get_leadership(self, timeout_s: float | None = None) -> Leadership:
        leadership: Leadership = self._call(ReadLeadership(), timeout_s)
        return leadership

    def last(self, timeout_s: float) -> OrderNo:
        last: OrderNo = self._call(ReadLast(), timeout_s)
        return last

    def claim(self, term: Term, leader: ReplicaId) -> Leadership:
        leadership: Leadership = self._call(ClaimLeadership(term, leader))
        return leadership

    def _call(self, message: object, timeout_s: float | None = None) -> Any:
        return self._tasks.call(self._catalog, message, timeout_s or self._timeout_s)


class PeerCalls(ReplicaClient):
    """A replica, as its peers and front ends call it."""

    def __init__(
        self, tasks: Tasks, replica_id: ReplicaId, target: Process, timeout_s: float
    ) -> None:
        super().__init__(NoNetwork(), NoNetwork(), timeout_s)
        self._tasks, self._id, self._target = tasks, replica_id, target
        self._timeout_s = timeout_s
        self._trading: list[PendingAnswer] = []

    def ping(self, timeout_s: float) -> Ping:
        ping: Ping = self._tasks.call(self._target, PingReplica(self._id), timeout_s)
        return ping

    def notice(self, term: Term, leader: ReplicaId, timeout_s: float) -> None:
        self._tasks.call(self._target, Notice(term, leader), timeout_s)

    def append(self, append: Append, timeout_s: float) -> Accepted:
        accepted: Accepted = self._tasks.call(self._target, append, timeout_s)
        return accepted

    def confirm(self, term: Term, token: UUID, timeout_s: float) -> None:
        self._tasks.call(self._target, AskLeader(self._id, term, token), timeout_s)

    def begin_append(self, append: Append) -> PendingCall[Accepted] | None:
        if self._tasks.network.rng.random() > KEPT:
            return None
        pending = PendingAnswer(self._tasks, self._target, append, self._timeout_s)
        return cast(PendingCall[Accepted], pending)

    def log(self, after: Position, limit: int) -> Page:
        message = ReadPeerLog(self._id, after)
        page: Page = self._tasks.call(self._target, message, self._timeout_s)
        return page

    def head(self, at: Position, timeout_s: float) -> HeadBody:
        head: HeadBody = self._tasks.call(self._target, AskHead(at), timeout_s)
        return head

    def replicate(self, position: Position) -> None:
        self._tasks.call(self._target, Replicate(position), self._timeout_s)

    def trade(self, term: Term, trades: Sequence[Trade], timeout_s: float) -> tuple[Answer, ...]:
        message = SendTrades(term, self._id, tuple(trades))
        pending = PendingAnswer(self._tasks, self._target, message, timeout_s)
        self._trading.append(pending)
        try:
            pending.wait(timeout_s)
        finally:
            self._trading.remove(pending)
        answers: tuple[Answer, ...] = pending.take()
        return answers

    def look_up(self, order_no: OrderNo, timeout_s: float | None = None) -> Order:
        order: Order = self._tasks.call(
            self._target, LookUp(order_no), timeout_s or self._timeout_s
        )
        return order

    def abort_trades(self) -> None:
        for pending in tuple(self._trading):
            pending.abort()
