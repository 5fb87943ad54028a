"""The catalog and the peers as a replica sees them, in memory."""

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from bazaar.clock import monotonic_s
from bazaar.core.digest import chain
from bazaar.core.election import Leadership
from bazaar.core.failures import Failure, Unconfirmed, Unreachable
from bazaar.core.ledger import Batch, BatchAnswer, LedgerFacts, Page, decide_batch
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import (
    START,
    Entry,
    Order,
    Position,
    ReplicaId,
    Term,
)
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.http1 import Reply
from bazaar.protocol.transport import PendingCall
from bazaar.runtime import loops
from tests.core.memory_log import MemoryLog
from tests.support.histories import STOCK, TOKEN

LEADERS = tuple(map(ReplicaId, range(1, 10)))
"""Whoever may lead a fake follower."""


class NoNetwork:
    """A transport that nothing may use: what a fake does not answer is a mistake of the test."""

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        raise AssertionError(f"{method} {path} is not faked")


def page_of(entries: Sequence[Entry], after: Position, limit: int) -> Page:
    """Return a page of a history."""
    return MemoryLog(entries).page(after, limit)


class FakeCatalog(CatalogClient):
    """A ledger that decides as the real one does; fails as long as there are failures left."""

    def __init__(self, term: int = 3, leader: int | None = 2) -> None:
        super().__init__(NoNetwork(), NoNetwork(), 1)
        self.term, self.leader = Term(term), None if leader is None else ReplicaId(leader)
        self.orders: list[Order] = []
        self.stock = STOCK
        self.batches: list[Batch] = []
        self.pages: list[tuple[int, int]] = []
        self.requests_lost: list[Failure] = []
        self.answers_lost: list[Failure] = []
        self.on_place: Callable[[], None] = lambda: None
        self.is_away = False
        self.page_orders_max = 1000

    def place(self, batch: Batch) -> BatchAnswer:
        self.batches.append(batch)
        self.on_place()
        if self.requests_lost:
            raise self.requests_lost.pop(0)
        decision = decide_batch(self._facts(batch), batch)
        self.orders += decision.orders
        for stock in decision.stocks:
            self.stock = stock
        if self.answers_lost:
            raise self.answers_lost.pop(0)
        return BatchAnswer(
            decision.answers, page_of(self.orders, batch.after, self.page_orders_max)
        )

    def get_leadership(self, timeout_s: float | None = None) -> Leadership:
        if self.is_away:
            raise Unreachable
        return Leadership(self.term, self.leader)

    def ledger(self, after: Position, limit: int) -> Page:
        self.pages.append((after, limit))
        if self.requests_lost:
            raise self.requests_lost.pop(0)
        return page_of(self.orders, after, limit)

    def _facts(self, batch: Batch) -> LedgerFacts:
        known = {order.key: order for order in self.orders}
        keys = {trade.key for trade in batch.trades}
        return LedgerFacts(
            term=self.term,
            leader=self.leader,
            head=chain(START, self.orders),
            known={key: order for key, order in known.items() if key in keys},
            stocks={self.stock.name: self.stock},
        )


@dataclass
class FakePendingCall:
    """An append that was begun at a fake peer."""

    peer: "FakePeer"
    append: Append
    aborted: threading.Event = field(default_factory=threading.Event)
    times_finished: int = 0

    def finish(self, until_s: float) -> Accepted:
        self.times_finished += 1
        timeout_s = until_s - monotonic_s()
        if self.peer.is_mute:
            self.aborted.wait(timeout_s)
            raise Unreachable("nothing came")
        return self.peer.append(self.append, timeout_s)

    def abort(self) -> None:
        self.aborted.set()


class FakePeer(ReplicaClient):
    """A follower with the real decisions and a log in memory."""

    def __init__(self, me: int) -> None:
        super().__init__(NoNetwork(), NoNetwork(), 1)
        self.memory = MemoryLog()
        self.machine = Replica(ReplicaId(me), LEADERS, self.memory, (Term(0), None), START)
        self.machine.state = ReplicaState.FOLLOWING
        self.appends: list[Append] = []
        self.timeouts_s: list[float] = []
        self.failures: list[Failure] = []
        self.arrived = threading.Semaphore(0)
        self.begun: list[FakePendingCall] = []
        self.is_warm = False
        """Whether there is a kept connection to it."""
        self.is_mute = False
        """Whether it takes what is begun and never answers."""
        self.is_forged = False
        """Whether it did not send the appends that are sent in its name."""
        self.asked: list[tuple[Term, UUID]] = []

    def append(self, append: Append, timeout_s: float) -> Accepted:
        self.appends.append(append)
        self.timeouts_s.append(timeout_s)
        self.arrived.release()
        if self.failures:
            raise self.failures.pop(0)
        return self._take(append)

    def confirm(self, term: Term, token: UUID, timeout_s: float) -> None:
        self.asked.append((term, token))
        if self.failures:
            raise self.failures.pop(0)
        if self.is_forged:
            raise Unconfirmed

    def begin_append(self, append: Append) -> PendingCall[Accepted] | None:
        if not self.is_warm:
            return None
        call = FakePendingCall(self, append)
        self.begun.append(call)
        return cast("PendingCall[Accepted]", call)

    def log(self, after: Position, limit: int) -> Page:
        if self.failures:
            raise self.failures.pop(0)
        return self.memory.page(after, limit)

    def take(self, page: Page, term: int = 1, leader: int = 1) -> None:
        """Let it have orders from an earlier leadership."""
        self._take(Append(Term(term), ReplicaId(leader), page, TOKEN))

    def _take(self, append: Append) -> Accepted:
        """Take an append that its leader confirms."""
        if not self.machine.has_confirmed(append):
            loops.run(self.machine.confirm(append), lambda _: None, nullcontext())
        return self.machine.append(append)
