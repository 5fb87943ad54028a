"""An order replica: the real machine, the disk it keeps, and the shell it needs to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bazaar.core.election import Ping
from bazaar.core.failures import Deposed, Diverged, Failure, NotLeader, NotServing, StaleTerm
from bazaar.core.flow import (
    AwaitFollowers,
    Effect,
    PingReplica,
    PlaceBatch,
    ReadLedger,
    ReadPeerLog,
    SendTrades,
    ShipOrders,
)
from bazaar.core.ledger import Answer
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Accepted, Append, Outbox
from bazaar.core.types import OrderNo, ReplicaId, Term, Trade
from tests.sim.batches import Batches, Deliver, Group, Outcome
from tests.sim.catalog import SimCatalog
from tests.sim.checks import Checks
from tests.sim.log import SimLog
from tests.sim.messages import LookUp, Notice
from tests.sim.network import Call, Network
from tests.sim.process import Process, Resume, ignore
from tests.sim.replicator import REPLICATION_TIMEOUT_S, Replicator

BATCH_TRADES_MAX = 4
CALL_TIMEOUT_S = 1.0
PAGE_ORDERS_MAX = 3
LOOK_INTERVAL_S = 0.2
LOOK_TIMEOUT_S = 0.5
RESTART_S = 0.1
"""After this a replica whose start failed starts again."""
SHIP_S = 0.001
"""The longest that handing orders to the outbox takes; others may step meanwhile."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """A flow in AwaitFollowers."""

    outbox: Outbox
    upto: OrderNo
    resume: Resume


class SimReplica(Process):
    """One order replica."""

    def __init__(
        self, replica_id: ReplicaId, network: Network, checks: Checks, in_sync_min: int
    ) -> None:
        super().__init__(f"replica {replica_id}", network)
        self.id, self.checks, self.in_sync_min = replica_id, checks, in_sync_min
        self.log = SimLog(checks, self.crash_point)
        self.peers: Mapping[ReplicaId, SimReplica] = {}
        self.catalog: SimCatalog

    def meet(self, catalog: SimCatalog, peers: Sequence["SimReplica"]) -> None:
        """Learn the cluster; before the first life."""
        self.catalog = catalog
        self.peers = {peer.id: peer for peer in peers if peer is not self}

    def start(self) -> None:
        super().start()
        self.machine = Replica(
            self.id, tuple(self.peers), self.log, self.log.head, self.in_sync_min
        )
        self.outbox: Outbox | None = None
        self.replicators: tuple[Replicator, ...] = ()
        self.batches = Batches(self._place, BATCH_TRADES_MAX)
        self.waiters: list[Waiter] = []
        self.is_started = False
        self._catch_up()
        self._look()

    def _catch_up(self) -> None:
        self.run(self.machine.start(), self.perform, self._started)

    def _started(self, result: Failure | None) -> None:
        self.is_started = True
        if result is not None and self.machine.state is ReplicaState.STARTING:
            self.after(RESTART_S, self._catch_up)

    def receive(self, call: Call, message: object) -> None:
        if isinstance(message, PingReplica):
            self.network.answer(call, self._ping())
        elif isinstance(message, Append):
            self.network.answer(call, self._append(message))
        elif isinstance(message, SendTrades):
            deliver = partial(self._deliver, call)
            self.batches.put(Group(message.term, message.trades, deliver))
        elif isinstance(message, Notice):
            notice = self.machine.take_notice(message.term, message.leader)
            self.run(notice, self.perform, partial(self.network.answer, call))
        elif isinstance(message, LookUp):
            look_up = self.machine.look_up(message.order_no)
            self.run(look_up, self.perform, partial(self.network.answer, call))
        else:
            assert isinstance(message, ReadPeerLog)
            self.network.answer(call, self._page(message))

    def step(self, flow: Any, perform: Any, done: Any, answer: object) -> None:
        super().step(flow, perform, done, answer)
        self.settle()

    def perform(self, effect: Effect, resume: Resume) -> None:
        """Begin what a flow of the machine asks for."""
        if isinstance(effect, PlaceBatch | ReadLedger):
            heard = partial(self._heard, resume)
            self.network.call(self, self.catalog, effect, heard, CALL_TIMEOUT_S)
        elif isinstance(effect, ReadPeerLog):
            self.network.call(self, self.peers[effect.peer], effect, resume, CALL_TIMEOUT_S)
        elif isinstance(effect, ShipOrders):
            assert self.machine.outbox is not None, "only a leader ships"
            self.machine.outbox.offer(effect.orders)
            self.after(SHIP_S * self.network.rng.random(), partial(resume, None))
            self._kick()
        else:
            assert isinstance(effect, AwaitFollowers)
            self._await(effect.upto, resume)

    def settle(self) -> None:
        """Do what follows from a step: begin or end a term, resume who waited for followers."""
        outbox = self.machine.outbox
        assert self.machine.term == self.log.term, f"I6 the term of {self.name} is not durable"
        if outbox is not self.outbox:
            self.outbox = outbox
            self._begin_leadership(outbox)
        if self.waiters:
            waiters, self.waiters = self.waiters, []
            for waiter in waiters:
                self._try_release(waiter)

    def check_in_sync(self, outbox: Outbox) -> None:
        """Assert that whoever is in sync has all that was acknowledged in this leadership (I3)."""
        for replica_id, last in self._in_sync(outbox).items():
            assert last >= outbox.released, f"I3 {replica_id} is in sync and lacks {last + 1}"

    def depose(self, stale: StaleTerm) -> None:
        """Hear from a follower that a newer term has begun."""
        before = self.machine.outbox
        self.machine.step_down(stale.term, stale.leader)
        self._check_deposed(stale, before)

    def _heard(self, resume: Resume, answer: object) -> None:
        before = self.machine.outbox
        resume(answer)
        if isinstance(answer, StaleTerm):
            self._check_deposed(answer, before)

    def _check_deposed(self, stale: StaleTerm, before: Outbox | None) -> None:
        """Assert that a leader steps down for a newer term (I5), and for nothing else."""
        machine = self.machine
        assert machine.term >= stale.term, f"I5 {self.name} ignores {stale}"
        if before is not None and before.term < stale.term:
            assert machine.outbox is not before, f"I5 {self.name} leads on: {stale}"
        elif before is not None:
            assert machine.outbox is before, f"{self.name} leads {before.term} no more: {stale}"

    def _begin_leadership(self, outbox: Outbox | None) -> None:
        self.batches.flush(NotLeader())
        self.replicators = ()
        if outbox is None:
            return
        self.network.note(f"{self.name} leads term {outbox.term}")
        self.checks.led(outbox.term, self.id, self.log.last)
        self.replicators = tuple(Replicator(self, peer, outbox) for peer in self.peers.values())
        self._kick()

    def _kick(self) -> None:
        for replicator in self.replicators:
            replicator.kick()

    def _ping(self) -> Ping:
        machine = self.machine
        assert self.is_started or not machine.is_serving, "a replica serves once it caught up"
        is_leading = machine.state is ReplicaState.LEADING
        return Ping(
            self.id,
            machine.term,
            machine.leader,
            machine.last,
            machine.is_serving,
            is_leading,
            machine.reaches_catalog,
        )

    def _look(self) -> None:
        """Look whether the catalog is in reach, every now and then."""
        self.after(LOOK_INTERVAL_S, self._look)
        self.network.call(self, self.catalog, PingReplica(self.id), self._looked, LOOK_TIMEOUT_S)

    def _looked(self, answer: Failure | None) -> None:
        self.machine.reaches_catalog = answer is None

    def _append(self, append: Append) -> Accepted | Failure:
        durable = self.log.term
        outcome: Accepted | Failure
        try:
            outcome = self.machine.append(append)
            self.checks.fenced(append.term, durable)
        except Failure as failure:
            outcome = failure
        self.settle()
        if isinstance(outcome, Diverged):
            self.run(self.machine.catch_up(), self.perform, ignore)
        return outcome

    def _page(self, ask: ReadPeerLog) -> object:
        if not self.machine.is_serving:
            return NotServing()
        try:
            return self.log.page(ask.after, PAGE_ORDERS_MAX)
        except Failure as failure:
            return failure

    def _place(self, term: Term, trades: tuple[Trade, ...], deliver: Deliver) -> None:
        flow = self.machine.place(term, trades)
        self.run(flow, self.perform, partial(self._placed, term, deliver))

    def _placed(self, term: Term, deliver: Deliver, outcome: Outcome) -> None:
        if not isinstance(outcome, Failure):
            self._check_acknowledged(term, outcome)
        deliver(outcome)

    def _deliver(self, call: Call, outcome: Outcome) -> None:
        self.network.answer(call, outcome)

    def _await(self, upto: OrderNo, resume: Resume) -> None:
        outbox = self.machine.outbox
        if outbox is None:
            resume(Deposed())
            return
        waiter = Waiter(outbox, upto, resume)
        if not self._try_release(waiter):
            self.after(REPLICATION_TIMEOUT_S, partial(self._drop_laggards, waiter))

    def _try_release(self, waiter: Waiter) -> bool:
        if waiter.outbox is not self.machine.outbox:
            waiter.resume(Deposed())
            return True
        if waiter.outbox.release(waiter.upto):
            self.check_in_sync(waiter.outbox)
            waiter.resume(len(waiter.outbox.in_sync()))
            return True
        self.waiters.append(waiter)
        return False

    def _drop_laggards(self, waiter: Waiter) -> None:
        if waiter not in self.waiters:
            return
        for replica_id in waiter.outbox.laggards(waiter.upto):
            waiter.outbox.lost(replica_id)
        self.settle()

    def _in_sync(self, outbox: Outbox) -> dict[ReplicaId, OrderNo]:
        """How far the disks of the followers in sync reach, or did before they were wiped."""
        logs = {one: self.peers[one].log for one in outbox.in_sync() if one != self.id}
        return {one: max(log.last, log.lost_upto) for one, log in logs.items()}

    def _check_acknowledged(self, term: Term, answers: tuple[Answer, ...]) -> None:
        assert self.machine.outbox is not None, "only a leader acknowledges"
        assert self.machine.outbox.term == term, "I9 an attempt belongs to one term"
        self.checks.answered(term, answers, self.log.last, self._in_sync(self.machine.outbox))

    def wipe(self) -> None:
        """Crash, and lose the disk."""
        self.crash()
        self.network.note(f"{self.name} is wiped")
        self.log.wipe()
