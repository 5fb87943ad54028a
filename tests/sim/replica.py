"""An order replica: its real shell and replicators, on a disk that is checked at every write."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, cast
from uuid import UUID

import msgspec

from bazaar.core.election import Ping
from bazaar.core.failures import Failure, NotServing, StaleTerm
from bazaar.core.flow import AskLeader, Effect, PingReplica, ReadPeerLog, SendTrades
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Accepted, Append, Outbox
from bazaar.core.types import Position, ReplicaId, Term, Trade
from bazaar.settings.env import Limits
from order_app import services
from order_app.catalog_probe import CatalogProbe
from order_app.replica import ReplicaShell
from order_app.replicator import Replicator
from order_app.store import OrderLog
from tests.sim.calls import LedgerCalls, PeerCalls
from tests.sim.catalog import SimCatalog
from tests.sim.checks import Checks
from tests.sim.log import SimLog
from tests.sim.messages import AskHead, LookUp, Notice, Replicate
from tests.sim.network import Call
from tests.sim.tasks import Tasks
from tests.sim.threaded import ThreadedProcess
from tests.sim.waits import TaskWaits, repeat

LIMITS = Limits(batch_trades_max=4, page_orders_max=3)
"""Small pages and batches, so that catching up takes several."""
RESTART_S = 0.1
"""After this a replica whose start failed starts again."""


class CheckedShell(ReplicaShell):
    """The shell, with its promises checked where it keeps them."""

    process: "SimReplica"
    led: Outbox | None = None
    """The leadership that was checked last."""
    stale = Term(0)
    """The newest term that the catalog has refused this replica for."""

    def make_token(self) -> UUID:
        return UUID(int=next(self.process.tokens))

    def step_down(self, term: Term, leader: ReplicaId | None) -> None:
        before = self.machine.outbox
        super().step_down(term, leader)
        known = max(self.machine.term, self.process.log.refused_term)
        assert known >= term, f"I5 {self.process.name} ignores term {term}"
        if before is not None and before.term < term:
            assert self.machine.outbox is not before, f"I5 {self.process.name} leads on"

    def _await_followers(self, upto: Position, until_s: float) -> int:
        outbox = self.machine.outbox
        count = super()._await_followers(upto, until_s)
        assert outbox is not None, "only a leader waits for followers"
        self.process.check_in_sync(outbox, upto)
        return count

    def _perform(self, effect: Effect) -> Any:
        try:
            return super()._perform(effect)
        except StaleTerm as stale:
            self.stale = max(self.stale, stale.term)
            raise

    def _report_state(self) -> None:
        super()._report_state()
        self.process.check_leadership()


class CheckedReplicator(Replicator):
    """A replicator whose leader has to step down for a newer term (I5)."""

    def _fail(self, outbox: Outbox, failure: Failure) -> None:
        super()._fail(outbox, failure)
        if isinstance(failure, StaleTerm) and failure.term > outbox.term:
            assert self.shell.machine.outbox is not outbox, f"I5 a leader ignores {failure}"


class SimReplica(ThreadedProcess):
    """One order replica."""

    def __init__(
        self, replica_id: ReplicaId, tasks: Tasks, checks: Checks, in_sync_min: int
    ) -> None:
        super().__init__(f"replica {replica_id}", tasks)
        self.id, self.checks = replica_id, checks
        self.limits = msgspec.structs.replace(LIMITS, min_in_sync=in_sync_min)
        self.log = SimLog(checks, self.crash_point, self.check_disk)
        self.tokens = count(replica_id << 32)
        """One for each leadership, of all lives."""
        self.peers: Mapping[ReplicaId, SimReplica] = {}
        self.catalog: SimCatalog
        self.shell: CheckedShell

    def meet(self, catalog: SimCatalog, peers: Sequence["SimReplica"]) -> None:
        """Learn the cluster; before the first life."""
        self.catalog = catalog
        self.peers = {peer.id: peer for peer in peers if peer is not self}

    @property
    def machine(self) -> Replica:
        """The machine of this life, or of the last one."""
        return self.shell.machine

    @property
    def outbox(self) -> Outbox | None:
        """What it sends as the leader; None: it does not lead."""
        return self.machine.outbox if self.is_up else None

    def start(self) -> None:
        super().start()
        self._build()
        self._run()

    def _build(self) -> None:
        """Make the shell of this life."""
        timeout_s = self.limits.call_timeout_s
        self.calls = self._connect()
        peers = {
            one: PeerCalls(self.tasks, one, peer, timeout_s) for one, peer in self.peers.items()
        }
        order_log = cast(OrderLog, self.log)
        waits = TaskWaits(self.tasks)
        self.shell = CheckedShell(self.id, self.calls, peers, order_log, self.limits, waits)
        self.shell.process = self

    def _connect(self) -> LedgerCalls:
        """Return the catalog as this life calls it."""
        return LedgerCalls(self.tasks, self.catalog, self.limits.call_timeout_s)

    def _run(self) -> None:
        """Begin what a replica does all the time."""
        replicators = [CheckedReplicator(self.shell, peer) for peer in self.peers]
        self.shell.begin_appends = tuple(one.begin for one in replicators)
        for replicator in replicators:
            self.tasks.spawn(self, repeat(replicator.round))
        probe = CatalogProbe(self.shell, self.calls, TaskWaits(self.tasks))
        self.tasks.spawn(self, repeat(partial(self._probe, probe)))
        self.tasks.spawn(self, self._begin)

    def receive(self, call: Call, message: object) -> None:
        if isinstance(message, PingReplica):
            self.network.answer(call, self._ping())  # it reads memory only
        else:
            super().receive(call, message)

    def answer(self, request: object) -> object:
        match request:
            case Append():
                return self._append(request)
            case SendTrades(term, _, trades):
                return self._trade(term, trades)
            case Notice(term, leader):
                self.shell.take_notice(term, leader)
            case Replicate(position):
                self._replicate(position)
            case AskHead(at):
                return services.read_head(at=at)
            case AskLeader(_, term, token):
                self.machine.check_token(term, token)
            case LookUp(order_no):
                return self.shell.look_up(order_no)
            case ReadPeerLog(_, after):
                if self.machine.state is ReplicaState.CORRUPT:
                    raise NotServing
                return self.log.page(after, self.limits.page_orders_max)
            case _:
                raise AssertionError(f"a replica has no answer to {request}")
        return None

    def wipe(self) -> None:
        """Crash, and lose the disk."""
        self.crash()
        self.network.note(f"{self.name} is wiped")
        self.log.wipe()

    def check_in_sync(self, outbox: Outbox, upto: Position) -> None:
        """Assert that whoever is in sync has all that is acknowledged in this leadership (I3)."""
        least = max(upto, outbox.released)
        for replica_id in outbox.in_sync():
            if replica_id != self.id:
                log = self.peers[replica_id].log
                last = max(log.last, log.lost_upto)
                assert last >= least, f"I3 {replica_id} is in sync and lacks {last + 1}"

    def check_leadership(self) -> None:
        """
        Check a leadership that begins: it was won (I6), and has what was acknowledged (I3).

        One ends for a newer term only, which the disk may refuse, or because the log is damaged.
        """
        if self.tasks.is_dying:
            return
        outbox, led = self.machine.outbox, self.shell.led
        if led is not None and outbox is not led and self.machine.term == led.term:
            is_out = self.machine.state in (ReplicaState.CORRUPT, ReplicaState.AHEAD)
            has_reason = is_out or self.log.refused_term > led.term
            assert has_reason, f"I6 {self.name} leads term {led.term} no more"
        known = max(self.machine.term, self.log.refused_term)
        assert known >= self.shell.stale, f"I5 {self.name} ignores a newer term"
        assert self.machine.term == self.log.term, f"I6 the term of {self.name} is not durable"
        if outbox is not None and outbox is not led:
            self.network.note(f"{self.name} leads term {outbox.term}")
            self.checks.led(outbox.term, self.id, self.log.last)
        self.shell.led = outbox

    def _begin(self) -> None:
        while not self.machine.is_serving and self.machine.state is not ReplicaState.CORRUPT:
            try:
                self.shell.start()
            except Failure as failure:
                self.network.note(f"{self.name} does not serve yet: {failure!r}")
                self.tasks.wait(RESTART_S)

    def _probe(self, probe: CatalogProbe) -> None:
        probe.round()
        self.tasks.wait(self.limits.ping_interval_s)

    def _ping(self) -> Ping:
        machine = self.machine
        return Ping(
            self.id,
            machine.term,
            machine.leader,
            machine.head.order_no,
            machine.is_serving,
            machine.outbox is not None,
            machine.reaches_catalog,
        )

    def _append(self, append: Append) -> Accepted:
        durable = self.log.term
        accepted = self.shell.append(append)
        self.checks.fenced(append.term, durable)
        return accepted

    def _replicate(self, position: Position) -> None:
        term = self.machine.term
        self.shell.replicate(position)
        self.checks.replicated(term, position, self.log.last)

    def _trade(self, term: Term, trades: tuple[Trade, ...]) -> object:
        answers = tuple(self.shell.trade(term, trades))
        self.checks.answered(term, answers, self.log.last, {})
        return answers
