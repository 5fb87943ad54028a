"""
One of several catalogs on one database, standby or active (docs/adr/0048).

The room's own shell decides when it claims (`catalog_app.activity_shell`), over the simulated
database and network, with a clock that drifts. What an active does is in `shared_active`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bazaar.core.activity import (
    LOOK_TIMEOUT_S,
    PROOF_INTERVAL_S,
    PROOF_S,
    ActiveCatalog,
    ActivePing,
    ActiveRecord,
    Activity,
    Heartbeat,
    claim_epoch,
)
from bazaar.core.election import Ping
from bazaar.core.failures import Failure, NotActive, Unreachable
from bazaar.core.flow import PingReplica
from bazaar.core.types import CatalogId, Epoch, ReplicaId
from bazaar.settings.env import Limits
from catalog_app.activity_shell import (
    NOTICE_TIMEOUT_S,
    ActivityShell,
    EpochNotice,
    RegisteredHolder,
)
from tests.sim.network import Call
from tests.sim.process import Process
from tests.sim.shared_active import HEARTBEAT, ActiveShell, Registered, fence, read_heartbeat
from tests.sim.shared_checks import SharedChecks
from tests.sim.shared_database import Conflict, DatabaseCalls, Rows, SharedDatabase, Transaction
from tests.sim.tasks import Tasks
from tests.sim.threaded import RESTART_S, ThreadedProcess

HOST = "front end"
LIFE_APART_S = 1000.0
"""At least, between the times that two lives show in the head row."""
"""Of every holder: their control ports tell them apart."""


@dataclass(frozen=True, slots=True)
class PingActive:
    """A standby's question whether the active lives, a member's whether it is active."""


@dataclass(frozen=True, slots=True)
class InEpoch:
    """What an active answers, with its epoch."""

    epoch: Epoch
    answer: Any


class SharedActivity(ActivityShell):
    """The room's shell, over the simulated database and network."""

    def __init__(self, process: "SharedCatalog") -> None:
        super().__init__(Activity(process.id, process.limits.lease_s))
        self._process, self._tasks = process, process.tasks
        self._database = DatabaseCalls(process.tasks, process.shared, self.activity.moved)
        self.database = self._database

    @property
    def moves(self) -> int:
        return self._database.moves

    def now_s(self) -> float:
        return self._process.now_s

    def wait(self, seconds: float) -> None:
        self._tasks.wait(seconds)

    def spawn(self, work: Callable[[], None]) -> None:
        self._tasks.spawn(self._process, work)

    def side_by_side(
        self, work: Callable[[RegisteredHolder], None], holders: Sequence[RegisteredHolder]
    ) -> Iterable[None]:
        return self._tasks.side_by_side(work, holders)

    def read_record(self) -> ActiveRecord:
        return self._database.read(lambda rows: ActiveRecord(rows["active"], read_heartbeat(rows)))

    def write_proof(self, epoch: Epoch) -> bool:
        expected, writes = fence(self.activity.known)
        transaction = Transaction(expected, writes, grown={"proofs": self._process.beat_s})
        try:
            self._database.commit(transaction, PROOF_S)
        except Conflict:
            return False
        return True

    def claim_epoch(
        self, known: ActiveCatalog, only: Heartbeat | None
    ) -> tuple[Sequence[RegisteredHolder], Heartbeat]:
        process = self._process
        claimed = claim_epoch(known, known.epoch, process.id)
        note = partial(process.checks.epoch_claimed, known, claimed)
        same: Rows = {} if only is None else dict(zip(HEARTBEAT, only, strict=True))
        transaction = Transaction(
            {"active": known, **same},
            {"active": claimed, **same, "proofs": process.beat_s},
            Registered.read,
            note,
        )
        try:
            self.found: Registered = process.commit(transaction)
        except Conflict as conflict:
            raise NotActive(known.epoch, None) from conflict
        holders = [RegisteredHolder(one, (HOST, port)) for one, port in self.found.holders]
        return holders, self.found.heartbeat

    def begin(self, epoch: Epoch, holders: Sequence[RegisteredHolder]) -> None:
        process = self._process
        process.network.note(f"{process.name} has epoch {epoch}, and waits for {len(holders)}")
        process.active = ActiveShell(process, self.found)

    def end_leases(self, holder_ids: Sequence[str]) -> None:
        try:
            self._process.active.end_leases(tuple(holder_ids))
        except Unreachable:
            self._process.network.note(f"{self._process.name} leaves them to the next epoch")

    def ping(self, active: CatalogId) -> ActivePing:
        target = self._process.catalogs[active]
        ping: ActivePing = self._tasks.call(target, PingActive(), LOOK_TIMEOUT_S)
        return ping

    def ping_replicas(self) -> Sequence[Ping | Unreachable]:
        return self._tasks.side_by_side(self._ask_word, tuple(self._process.replicas))

    def _ask_word(self, replica: ReplicaId) -> Ping | Unreachable:
        target = self._process.replicas[replica]
        try:
            ping: Ping = self._tasks.call(target, PingReplica(replica), LOOK_TIMEOUT_S)
        except Unreachable as failure:
            return failure
        return ping

    def notify_replicas(self, notice: EpochNotice) -> None:
        for replica in self._process.replicas.values():
            self.spawn(partial(self._notify_replica, notice, replica))

    def _notify_replica(self, notice: EpochNotice, replica: Process) -> None:
        """Let a replica wait for no older catalog; one that does not hear finds out by itself."""
        try:
            self._tasks.call(replica, notice, NOTICE_TIMEOUT_S)
        except NotActive:
            self.end("its epoch is over")
        except Failure as failure:
            self._process.network.note(f"{replica.name} has not heard of {notice}: {failure!r}")

    def notify(self, holder: RegisteredHolder, notice: EpochNotice, timeout_s: float) -> None:
        _, port = holder.address
        self._tasks.call(self._process.holders[port], notice, timeout_s)

    def end(self, reason: str) -> None:
        self._process.end(reason)


class SharedCatalog(ThreadedProcess):
    """One catalog's process."""

    active: ActiveShell
    """What it does in the epoch that it has claimed."""

    def __init__(
        self,
        catalog_id: CatalogId,
        tasks: Tasks,
        checks: SharedChecks,
        limits: Limits,
        shared: SharedDatabase,
    ) -> None:
        super().__init__(f"catalog {catalog_id}", tasks)
        self.id, self.checks, self.limits, self.shared = catalog_id, checks, limits, shared
        self.rate = 1.0
        """How fast its clock is."""
        self.catalogs: Mapping[CatalogId, Process] = {}
        self.replicas: Mapping[ReplicaId, Process] = {}
        self.holders: Mapping[int, Process] = {}
        """Front ends by control port."""
        self.shell = SharedActivity(self)

    @property
    def activity(self) -> Activity:
        """What it is."""
        return self.shell.activity

    @property
    def database(self) -> DatabaseCalls:
        """Its connections."""
        return self.shell.database

    @property
    def now_s(self) -> float:
        """The time on this process's clock."""
        return super().now_s * self.rate

    @property
    def beat_s(self) -> float:
        """The same as the head row shows it: each life begins at another number."""
        return self.now_s + LIFE_APART_S * ((7 * self.id + 31 * self.life) % 100)

    def start(self) -> None:
        super().start()
        self.shell = SharedActivity(self)
        self.tasks.spawn(self, self._watch)

    def receive(self, call: Call, message: object) -> None:
        if isinstance(message, PingActive):
            self.network.answer(call, self.activity.ping(self.now_s))  # it reads memory only
        else:
            super().receive(call, message)

    def answer(self, request: object) -> object:
        """Answer as the active does. Raises NotActive (definite), and what the request raises."""
        epoch = self.activity.check_granting(self.now_s)
        try:
            return InEpoch(epoch, self.active.perform(request))
        except NotActive as newer:
            if newer.epoch > epoch:
                self.end("its epoch is over")
            raise
        except Failure:
            self.activity.check_granting(self.now_s)
            raise

    def commit_fenced(self, transaction: Transaction, *, decides: bool = True) -> None:
        """Commit a transaction of this epoch, if it is the current one; else end."""
        writes, grown = dict(transaction.writes), {"proofs": self.beat_s}
        if decides:
            writes |= self.active.count_decision()
        try:
            self.commit(replace(transaction, writes=writes, grown=grown), decides=decides)
        except Conflict:
            self.end("its epoch is over")

    def commit(self, transaction: Transaction, *, decides: bool = True) -> Any:
        """
        Commit; the process ends when nobody knows the outcome of what decides something.

        Raises Conflict (definite), Unreachable.
        """
        sent_s, moves = self.now_s, self.database.moves
        self.crash_point()
        try:
            result = self.database.commit(transaction)
        except Unreachable as failure:
            if decides and failure.was_sent:
                self.end_in_doubt()
            raise
        self.crash_point()
        self.shell.note_proof(sent_s, moves)
        return result

    def end_in_doubt(self) -> None:
        """End after a commit that may happen yet."""
        self.end("the outcome of a commit is unknown")

    def end(self, reason: str) -> None:
        """End this life; the next one begins as a standby."""
        self.network.note(f"{self.name} ends: {reason}")
        self.activity.end()
        self.network.events.after(RESTART_S, self.start_if_dead)
        self.tasks.die()

    def _watch(self) -> None:
        while True:
            try:
                self.shell.round()
            except Failure as failure:
                self.network.note(f"{self.name} looks in vain: {failure!r}")
            self.tasks.wait(PROOF_INTERVAL_S)
