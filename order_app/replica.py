"""
The shell around `bazaar.core.replica`: a lock, the network, the log.

Every step of the machine runs under one lock, log writes included, so the database has one writer.
Effects run without it. The outbox has a lock of its own, `shipping`: followers get orders while the
leader's own commit is under way, from the thread that places the batch (docs/adr/0023).
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from bazaar.core.failures import Corrupt, Deposed, Diverged, Failure, NotLeader, StorageFailed
from bazaar.core.flow import (
    AskLeader,
    AwaitFollowers,
    Effect,
    Flow,
    PlaceBatch,
    ReadLeadership,
    ReadLedger,
    ReadPeerLog,
    ShipEntries,
)
from bazaar.core.ledger import Answer
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Accepted, Append, Outbox
from bazaar.core.types import Linked, Order, OrderNo, Position, ReplicaId, Term, Trade
from bazaar.protocol import tracing
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.tracing import Span
from bazaar.runtime import loops
from bazaar.runtime.damage import damage
from bazaar.runtime.group_commit import Batcher
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.runtime.waits import REAL, Waits
from bazaar.settings.env import Limits
from order_app.fenced_ledger import FencedLedger
from order_app.store import OrderLog

log = get_log("bazaar.order")

START_VERIFY_ENTRIES = 20_000
"""
The entries since the last verified point, at most, which are checked before the replica serves.

That takes a fifth of a second. The rest is checked in the background (`bazaar.runtime.verifier`),
and whenever it is read.
"""
_PHRASES = {
    ReplicaState.STARTING: "starting",
    ReplicaState.FOLLOWING: "following",
    ReplicaState.TAKING_OVER: "taking over",
    ReplicaState.LEADING: "leading",
    ReplicaState.CORRUPT: "staying out",
    ReplicaState.AHEAD: "ahead of the ledger",
}
"""The event of each new state."""
Request = tuple[Term, Trade]
"""A trade and the term in which it is to be placed."""


@dataclass(frozen=True, slots=True)
class PendingAppend:
    """An append on its way to a follower, sent by the thread of a batch."""

    outbox: Outbox
    """The leadership that it belongs to."""
    finish: Callable[[float], None]
    """Wait for the answer and note it; called once, with a time on the monotonic clock."""
    abort: Callable[[], None]
    """End the wait, from another thread."""


BeginAppend = Callable[[Outbox], PendingAppend | None]
"""Send one follower what it lacks; None when its replicator's own thread has to."""


class ReplicaShell:
    """One running order replica; safe for many threads."""

    def __init__(
        self,
        me: ReplicaId,
        catalog: CatalogClient,
        peers: Mapping[ReplicaId, ReplicaClient],
        order_log: OrderLog,
        limits: Limits,
        waits: Waits = REAL,
    ) -> None:
        """Begin where the durable log ends; `start` makes it serve."""
        self.log, self.catalog, self.peers, self.limits = order_log, catalog, peers, limits
        self.ledger, self.now_s = FencedLedger(catalog), waits.now_s
        known, head = order_log.load_term(), order_log.head
        self.machine = Replica(me, tuple(peers), order_log, known, head, limits.min_in_sync)
        self.shipping, self.acknowledged = waits.make_conditions(2)
        """The replicators' threads wait at one for work, a batch at the other for their answers."""
        self.begin_appends: Sequence[BeginAppend] = ()
        """One for each follower; `wiring` sets them."""
        self._pending: list[PendingAppend] = []
        self.shipped_for: Span | None = None
        """The span of the batch that the newest entries are from."""
        self._lock = threading.RLock()
        self._caught_up_s = self.now_s()
        """When this replica last had every order that it knew of."""
        self._reported_state = self.machine.state
        self._was_behind = False
        self.batcher: Batcher[Request, Answer] = Batcher(
            self._place,
            batch_max=limits.batch_trades_max,
            waiting_max=limits.waiting_trades_max,
            waits=waits,
        )

    def start(self) -> None:
        """Check the end of the log, catch up, then serve; a damaged log stays out (I8)."""
        if fault := self.log.points.find_fault(START_VERIFY_ENTRIES):
            damage.report(fault)
            self.drop_out(fault)
            return
        self._reported_state = ReplicaState.FOLLOWING  # "serving" says so
        self.run(self.machine.start())
        last, term = self.machine.head.order_no, self.machine.term
        events.emit(log, logging.INFO, "serving", last=last, term=term)

    def note_catalog(self, *, is_reached: bool) -> None:
        """Note what a probe of the catalog found; a log ahead of the ledger looks again."""
        self.machine.reaches_catalog = is_reached
        if is_reached and self.machine.state is ReplicaState.AHEAD:
            self.verify()

    @property
    def has_sound_log(self) -> bool:
        """Whether the log was checked and is a good copy, be the ledger shorter."""
        return self.machine.state not in (ReplicaState.STARTING, ReplicaState.CORRUPT)

    def drop_out(self, where: str) -> None:
        """Serve nobody, follow nobody, lead nobody: the log is damaged (I8)."""
        with self._lock:
            is_out = self.machine.state is ReplicaState.CORRUPT
            self.machine.mark_corrupt()
        if is_out:
            return
        self._reported_state = self.machine.state  # "log damaged" says so
        self._notify_all()
        events.emit(log, logging.CRITICAL, "log damaged", at=where)

    def run(self, flow: Flow[Any], perform: Callable[[Effect], Any] | None = None) -> Any:
        """Run one of the machine's flows. Raises what it raises."""
        try:
            return loops.run(flow, perform or self._perform, self._lock)
        except Corrupt as corrupt:
            events.emit(log, logging.CRITICAL, "log damaged", reason=corrupt.message)
            raise
        finally:
            self._report_state()

    def trade(self, term: Term, trades: Sequence[Trade]) -> Sequence[Answer]:
        """
        Place trades as the leader of `term`, in one batch with all that wait.

        Raises NotLeader, Busy, TooFewInSync (definite), Deposed, NotReplicated, Unreachable.
        """
        tracing.note_trades(term, trades)
        self._check_leads(term)
        return self.batcher.submit([(term, trade) for trade in trades])

    def take_notice(self, term: Term, leader: ReplicaId) -> None:
        """Learn which replica leads; return once this one leads, if it is named."""
        try:
            self.run(self.machine.take_notice(term, leader, self.make_token()))
        finally:
            self._notify_all()

    def append(self, append: Append) -> Accepted:
        """
        Follow: store what the leader sent.

        Raises StaleTerm, GapFound, NotServing, Diverged, DamagedPage, Unconfirmed: definite. Raises
        Unreachable: the leader did not confirm its first append.
        """
        leadership = self.machine.outbox
        try:
            if not self.machine.has_confirmed(append):
                self.run(self.machine.confirm(append))
            with self._lock:
                accepted = self.machine.append(append)
        except Diverged:
            self.verify()
            raise
        finally:
            if self.machine.outbox is not leadership:
                self._notify_all()
            self._report_state()
            self._note_lag()
        return accepted

    def replicate(self, position: Position) -> None:
        """
        Have an entry of the ledger copied to all that are in sync.

        Raises NotLeader, Corrupt (definite), Deposed, NotReplicated, Unreachable (indefinite).
        """
        self.run(self.machine.replicate(position))

    def look_up(self, order_no: OrderNo) -> Order:
        """Return an order. Raises UnknownOrder, NotServing (definite), Unreachable."""
        if self.machine.is_serving and (order := self.log.get(order_no)):
            return order
        found: Order = self.run(self.machine.look_up(order_no))
        return found

    def step_down(self, term: Term, leader: ReplicaId | None) -> None:
        """
        Stop leading, because there is a newer term.

        If the disk does not take that now, a later append brings it again.
        """
        try:
            with self._lock:
                self.machine.step_down(term, leader)
        except StorageFailed as failure:
            events.emit(log, logging.WARNING, "term not stored", reason=failure.message)
        self._notify_all()
        self._report_state()

    def verify(self) -> None:
        """Compare this log with the ledger; if it differs, the replica stays out (I8)."""
        try:
            self.run(self.machine.catch_up())
        except Failure as failure:
            events.emit(log, logging.WARNING, "verification ended", reason=failure.message)

    @property
    def lag_orders(self) -> int:
        """How many entries this replica is behind the newest it knows of."""
        return max(0, self.machine.leader_last - self.machine.last)

    @property
    def lag_ms(self) -> float:
        """For how long it has been behind, in milliseconds; 0 when it is not."""
        return (self.now_s() - self._caught_up_s) * 1000 if self.lag_orders else 0.0

    def make_token(self) -> UUID:
        """Return what nobody can guess: appends of a leadership carry it."""
        return uuid4()

    def _place(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """
        Place one batch.

        Raises NotLeader when its trades are meant for different terms.
        """
        term = requests[0][0]
        if any(other != term for other, _ in requests):
            raise NotLeader("The leader changed while the trades waited.")
        trades = [trade for _, trade in requests]
        with tracing.begin_batch("place trades", trades, term=term):
            try:
                answers: Sequence[Answer] = self.run(
                    self.machine.place(term, trades), self._perform_placing
                )
            finally:
                self._finish(self.now_s() + self.limits.replication_timeout_s)
        return answers

    def _perform_placing(self, effect: Effect) -> Any:
        """Perform an effect of a batch; this thread itself sends to the followers."""
        if isinstance(effect, ShipEntries):
            self._ship(effect.entries, self.begin_appends)
            return None
        if isinstance(effect, AwaitFollowers):
            until_s = self.now_s() + self.limits.replication_timeout_s
            self._finish(until_s)
            return self._await_followers(effect.upto, until_s)
        return self._perform(effect)

    def _perform(self, effect: Effect) -> Any:
        """Perform an effect of a flow. Raises Failure."""
        match effect:
            case PlaceBatch(batch):
                return self.ledger.place(batch)
            case ReadLeadership():
                return self.catalog.get_leadership()
            case AskLeader(leader, term, token):
                self.peers[leader].confirm(term, token, self.limits.replication_timeout_s)
            case ReadLedger(after):
                return self.ledger.page(after, self.limits.page_orders_max)
            case ReadPeerLog(peer, after):
                return self.peers[peer].log(after, self.limits.page_orders_max)
            case ShipEntries(entries):
                self._ship(entries)
            case AwaitFollowers(upto):
                until_s = self.now_s() + self.limits.replication_timeout_s
                return self._await_followers(upto, until_s)
            case _:
                raise AssertionError(f"a replica has no effect {effect}")
        return None

    def _ship(self, entries: tuple[Linked, ...], begin_appends: Sequence[BeginAppend] = ()) -> None:
        """
        Send entries from this thread where it may.

        Leave the rest to the replicators' threads.
        """
        outbox = self.machine.outbox
        if outbox is None:
            return
        with self.shipping:
            outbox.offer(entries)
            self.shipped_for = tracing.current()
        is_left = not begin_appends
        for begin_append in begin_appends:
            if pending := begin_append(outbox):
                self._pending.append(pending)  # at once: its answer is taken whatever fails next
            else:
                is_left = True
        if is_left:
            with self.shipping:
                self.shipping.notify_all()

    def _finish(self, until_s: float) -> None:
        """Take the answers to the appends that this batch has sent."""
        while self._pending:
            try:
                self._pending[0].finish(until_s)
            finally:
                self._pending.pop(0)

    def _await_followers(self, upto: Position, until_s: float) -> int:
        """
        Wait for the in-sync followers.

        Drop those that exceed the replication timeout (I3).
        """
        outbox = self.machine.outbox
        if outbox is None:
            raise Deposed
        with self.shipping:
            is_released = self.acknowledged.wait_for(
                lambda: self.machine.outbox is not outbox or outbox.release(upto),
                max(until_s - self.now_s(), 0),
            )
            if self.machine.outbox is not outbox:
                raise Deposed
            if not is_released:
                for follower in outbox.laggards(upto):
                    outbox.lost(follower)
                    events.emit(
                        log, logging.WARNING, "follower dropped", replica=follower, upto=upto
                    )
                outbox.release(upto)
            return len(outbox.in_sync())

    def _check_leads(self, term: Term) -> None:
        if self.machine.state is not ReplicaState.LEADING or self.machine.term != term:
            raise NotLeader(f"Replica {self.machine.me} does not lead term {term}.")

    def _note_lag(self) -> None:
        if self.lag_orders:
            self._was_behind = True
            return
        if self._was_behind:
            self._was_behind = False
            lag_ms = round((self.now_s() - self._caught_up_s) * 1000)
            events.emit(
                log, logging.INFO, "caught up", last=self.machine.head.order_no, after_ms=lag_ms
            )
        self._caught_up_s = self.now_s()

    def _report_state(self) -> None:
        """
        Emit an event for a new state.

        One step of the machine may pass through several.
        """
        machine, before = self.machine, self._reported_state
        if machine.state is before:
            return
        self._reported_state = machine.state
        has_led = before is ReplicaState.LEADING
        phrase = "stepped down" if has_led else _PHRASES[machine.state]
        events.emit(log, logging.INFO, phrase, term=machine.term, leader=machine.leader)

    def _notify_all(self) -> None:
        """
        Wake all threads, because the leader may be another one.

        Appends of a leadership that is over are aborted.
        """
        with self.shipping:
            self.shipping.notify_all()
            self.acknowledged.notify_all()
        for pending in tuple(self._pending):
            if pending.outbox is not self.machine.outbox:
                pending.abort()
