"""
The watch over the leader: pings, elections, forwarded trades.

One thread watches; request threads forward and, when an attempt fails, poke the watch and wait for
a newer term. When the leader changes, calls that still wait for the old one are ended, so a paused
leader holds nobody up.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from bazaar.core.election import Elector, Leadership, Ping
from bazaar.core.failures import Failure, LeaderAlive, NoReplica, Unreachable
from bazaar.core.flow import (
    ClaimLeadership,
    Effect,
    NotifyReplicas,
    PingReplica,
    PingReplicas,
)
from bazaar.core.ledger import Answer
from bazaar.core.types import OrderNo, ReplicaId, Term, Trade
from bazaar.protocol import tracing
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.tracing import Span
from bazaar.runtime import loops
from bazaar.runtime.backoff import MOST_S, Backoff
from bazaar.runtime.group_commit import Batcher
from bazaar.runtime.hedged_ping import HedgedPing
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.runtime.waits import REAL, EventLoop, Waits
from bazaar.settings.env import Limits
from frontend_app.forwarding import Forwarding, WaitingTrade

log = get_log("bazaar.frontend")

GATHER_S = 0.004
"""From the end of a batch, how long the next waits for clients that are about to trade again."""
LOOKS_PER_PING = 4
"""While trades are under way the leader is pinged at each look, so that many times as often."""
RECONSIDER_S = 0.05
"""How long an attempt that failed waits for a newer term before it is repeated."""
FIRST_PAUSE_S = 0.1
"""Between attempts to find a first leader, at most: while a cluster starts they fail."""
FIRST_WAIT_S = 1.0
"""How long a first election waits for the other replicas, once one serves."""


class LeaderWatch:
    """One front end's election, and its way to the leader; safe for many threads."""

    def __init__(
        self,
        catalog: CatalogClient,
        replicas: Mapping[ReplicaId, ReplicaClient],
        limits: Limits,
        waits: Waits = REAL,
    ) -> None:
        """Begin without a leader; `start` begins to look for one."""
        self.catalog, self.replicas, self.limits = catalog, replicas, limits
        self.elector = Elector(tuple(replicas))
        self.retries = 0
        self._away_until_s = 0.0
        """Until when the catalog is away, as was announced."""
        self.newest = OrderNo(0)
        """An order that is in the ledger, the newest that was heard of."""
        self.now_s = waits.now_s
        self.leader_ping: HedgedPing[Ping] = HedgedPing(limits.ping_timeout_s, waits, "leader ping")
        self._pinged_s, self._pinged = self.now_s(), ReplicaId(0)
        """When a leader was pinged last, and which replica it was."""
        self._backoff = Backoff(waits)
        self._served_since_s: float | None = None
        """When a replica was first seen to serve, with the catalog in reach, while none leads."""
        self._claimed: Leadership | None = None
        self._election: Span | None = None
        """The span of the election under way; not recorded until it claims something."""
        self._pings: Span | None = None
        """Its first part."""
        (self._changed,) = waits.make_conditions(1)
        self._pool = waits.make_pool(2 * len(replicas), "ping")
        look_s = limits.ping_interval_s / LOOKS_PER_PING
        self._loop = loops.Loop("watch", self._look, look_s, waits)
        self.batcher: Batcher[WaitingTrade, Answer] = Batcher(
            lambda batch: Forwarding(self, batch).run(),
            batch_max=limits.batch_trades_max,
            waiting_max=limits.waiting_trades_max,
            waits=waits,
            begin=lambda batch: Forwarding(self, batch).begin(),
            gather_s=GATHER_S,
        )

    def forget(self) -> None:
        """Forget leader and ledger: the catalog may know an older term, or fewer orders."""
        self.newest = OrderNo(0)
        self.elector.leadership = Leadership(Term(0), None)
        self._loop.poke()

    def start(self) -> None:
        """Begin to watch; the thread ends with the process."""
        self._loop.start()

    @property
    def leadership(self) -> Leadership:
        """The current term and leader, as far as this front end knows."""
        return self.elector.leadership

    def note_order(self, order_no: OrderNo) -> None:
        """Note that the ledger has come so far."""
        self.newest = max(self.newest, order_no)

    def place(self, trade: Trade, began_s: float | None = None) -> Answer:
        """
        Forward a trade until it is answered or its deadline is over.

        Trades that wait at the same moment travel together (docs/DESIGN.md 4.1).

        began_s: when its request came; the deadline counts from there, by default from now.
        Raises Busy (definite): too many trades wait.
        """
        pending = WaitingTrade(trade, self._find_deadline(began_s or self.now_s()))
        (answer,) = self.batcher.submit([pending])
        return answer

    def place_later(
        self,
        trade: Trade,
        began_s: float,
        done: Callable[[Answer | Exception], None],
        loop: EventLoop | None = None,
    ) -> None:
        """
        Forward a trade as `place` does, without a thread that waits for it.

        done: called once, with the answer, from any thread. loop: sends it and takes the answer.
        Raises Busy (definite).
        """

        def take(answers: Sequence[Answer] | Exception) -> None:
            done(answers if isinstance(answers, Exception) else answers[0])

        waiting = WaitingTrade(trade, self._find_deadline(began_s))
        self.batcher.submit_later([waiting], take, loop)

    def expect_restart(self, for_s: float) -> None:
        """Have trades that come from now on wait while the catalog is restarted."""
        self._away_until_s = self.now_s() + for_s

    def _find_deadline(self, began_s: float) -> float:
        """Return when a trade is given up that began at a time."""
        return max(began_s, self._away_until_s) + self.limits.deadline_s

    def _look(self) -> None:
        """Look after the leader when that is due; at each look while trades are under way."""
        is_known = self.leadership.leader is not None and not self.elector.silences
        is_early = self.now_s() - self._pinged_s < self.limits.ping_interval_s
        if not (is_known and is_early) or self.batcher.is_running:
            self._watch()

    def _watch(self) -> None:
        """
        Look after the leader.

        What fails is tried again after a pause that grows, however many trades wait.
        """
        if not self._backoff.is_due():
            return
        before = self.leadership
        try:
            loops.run(self.elector.watch(), self._perform, nullcontext())
        except Failure as failure:
            self._end_election(failure.message)
            most_s = FIRST_PAUSE_S if before.leader is None else MOST_S
            if self._backoff.fail(failure.message, most_s):
                events.emit(log, logging.WARNING, "election failed", reason=failure.message)
            return
        finally:
            self._end_election()
            if self.leadership != before:
                self._announce(before)
        if attempts := self._backoff.succeed():
            events.emit(log, logging.INFO, "elections work again", failed=attempts)

    def _announce(self, before: Leadership) -> None:
        """Wake the threads that wait for a leader; end the calls to the last one."""
        leadership = self.leadership
        events.emit(
            log, logging.INFO, "leader known", term=leadership.term, leader=leadership.leader
        )
        deposed = None if before.leader is None else self.replicas.get(before.leader)
        if deposed is not None and before.leader != self.leadership.leader:
            deposed.abort_trades()
        with self._changed:
            self._changed.notify_all()

    def reconsider(self, trades: int, term: Term, failure: Failure) -> None:
        """Check the leader after a failed attempt; wait a moment for a newer term."""
        self.retries += 1
        log.debug("attempt failed", trades=trades, term=term, reason=failure.message)
        self._loop.poke()
        with self._changed:
            self._changed.wait_for(lambda: self.leadership.term > term, RECONSIDER_S)

    def _perform(self, effect: Effect) -> Any:
        """Do what the election asks for. Raises Failure."""
        match effect:
            case PingReplica(replica_id):
                return self._ping_leader(replica_id)
            case PingReplicas(replica_ids):
                return self._begin_election(replica_ids)
            case ClaimLeadership(term, leader):
                is_suspect = self._pinged == self.leadership.leader
                if is_suspect and self.leader_ping.has_answered_late:
                    raise LeaderAlive
                wanted = Leadership(Term(term + 1), leader)
                if wanted != self._claimed:  # not each time that the same claim is repeated
                    events.emit(log, logging.INFO, "claiming", term=wanted.term, leader=leader)
                self._claimed = wanted
                if self._election:
                    self._election.is_recorded = True
                with tracing.bind(self._election), tracing.child("claim", replica=leader):
                    return self.catalog.claim(term, leader)
            case NotifyReplicas(term, leader, replica_ids):
                self._notify(term, leader, replica_ids)
                return None
        raise AssertionError(f"an election has no effect {effect}")

    def _ping_leader(self, leader: ReplicaId) -> Ping:
        """Return what the leader says of itself. Raises Failure."""
        self._pinged_s, self._pinged = self.now_s(), leader
        suspicions = self.leader_ping.suspicions
        try:
            ping = self.leader_ping.ask(self.replicas[leader].ping)
        except Unreachable as failure:
            if self.leader_ping.suspicions > suspicions and not self.elector.silences:
                reason = failure.message
                events.emit(log, logging.INFO, "leader suspected", replica=leader, reason=reason)
            raise
        self.note_order(ping.last)
        return ping

    def _begin_election(self, replica_ids: tuple[ReplicaId, ...]) -> tuple[Ping, ...]:
        """Ping the replicas that may lead; it is a trace of its own, whatever trades wait."""
        self._election = Span("election", tracing.read_headers(None, None), is_recorded=False)
        self._election.attributes["term_before"] = self.leadership.term
        is_first = self.leadership.leader is None
        timeout_s = self.limits.ping_timeout_s if is_first else self.leader_ping.patience_s
        with Span("ping replicas", self._election.context, is_recorded=False) as self._pings:
            pings = self.ping_all(replica_ids, timeout_s)
            tracing.note(answered=", ".join(str(ping.replica_id) for ping in pings))
        if is_first:
            self._await_others(pings)
        return pings

    def _await_others(self, pings: Sequence[Ping]) -> None:
        """
        Have a first election wait a moment for replicas that start beside this process.

        So the one with the largest id leads, or the one that led before, whichever serves and
        reaches the catalog first. Raises NoReplica: wait.
        """
        serving = [ping for ping in pings if ping.is_serving and ping.reaches_catalog]
        if len(serving) == len(self.replicas) or any(ping.is_leading for ping in serving):
            return
        if serving and self._served_since_s is None:
            self._served_since_s = self.now_s()
        if self._served_since_s is None or self.now_s() < self._served_since_s + FIRST_WAIT_S:
            raise NoReplica

    def _end_election(self, error: str = "") -> None:
        """
        End the span of an election, if there was one.

        It is not recorded when the others were pinged and nothing came of it: while the catalog is
        away that happens at each turn.
        """
        election, self._election = self._election, None
        pings, self._pings = self._pings, None
        if election is None or pings is None:
            return
        leadership = self.leadership
        is_new = leadership.term != election.attributes["term_before"]
        if not (is_new or error or election.is_recorded):
            return
        leader = 0 if error and not is_new else leadership.leader or 0
        election.attributes.update(term=leadership.term, replica=leader)
        election.is_recorded = True
        pings.record()
        election.end(error)

    def ping_all(self, replica_ids: tuple[ReplicaId, ...], timeout_s: float) -> tuple[Ping, ...]:
        """Return what those of some replicas say that answer in time, asked side by side."""

        def ping(replica_id: ReplicaId) -> Ping | None:
            try:
                return self.replicas[replica_id].ping(timeout_s)
            except Failure:
                return None

        return tuple(answer for answer in self._pool.map(ping, replica_ids) if answer)

    def _notify(self, term: Term, leader: ReplicaId, replica_ids: tuple[ReplicaId, ...]) -> None:
        """Tell the leader and wait until it leads; tell the others meanwhile."""
        election = self._election

        def tell(replica_id: ReplicaId, timeout_s: float) -> None:
            with tracing.bind(election), tracing.child("notice", replica=replica_id):
                self.replicas[replica_id].notice(term, leader, timeout_s)

        def tell_quietly(replica_id: ReplicaId) -> None:
            try:
                tell(replica_id, self.limits.ping_timeout_s)
            except Failure as failure:
                log.info("notice failed", replica=replica_id, reason=failure.message)

        for replica_id in replica_ids:
            if replica_id != leader:
                self._pool.submit(tell_quietly, replica_id)
        tell(leader, self.limits.call_timeout_s)
