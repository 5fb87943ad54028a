"""
One of several catalogs on one database, standby or active (docs/adr/0048).

The core decides which is active and until when. This is the shell around it, over the simulated
database and network, with a clock that drifts. What an active does is in `shared_active`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bazaar.core.activity import (
    LOOK_TIMEOUT_S,
    PROOF_INTERVAL_S,
    PROOF_S,
    ActiveCatalog,
    ActivePing,
    Activity,
    claim_epoch,
)
from bazaar.core.failures import Failure, NotActive, Unreachable
from bazaar.core.types import CatalogId, Epoch, ReplicaId
from bazaar.settings.env import Limits
from tests.sim.network import Call
from tests.sim.process import Process
from tests.sim.shared_active import ActiveShell, Registered, fence
from tests.sim.shared_checks import SharedChecks
from tests.sim.shared_database import Conflict, DatabaseCalls, SharedDatabase, Transaction
from tests.sim.tasks import Tasks
from tests.sim.threaded import RESTART_S, ThreadedProcess

NOTICE_TIMEOUT_S = 0.5
RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class PingActive:
    """A standby's question whether the active lives, a member's whether it is active."""


@dataclass(frozen=True, slots=True)
class EpochNotice:
    """
    A new active's word to a member: wait for no older one, keep nothing of it, believe none.

    The member asks that catalog itself before it believes it (`PingActive`).
    """

    epoch: Epoch
    catalog: CatalogId


@dataclass(frozen=True, slots=True)
class InEpoch:
    """What an active answers, with its epoch."""

    epoch: Epoch
    answer: Any


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
        self.activity = Activity(self.id, limits.lease_s)

    @property
    def now_s(self) -> float:
        """The time on this process's clock."""
        return super().now_s * self.rate

    def start(self) -> None:
        super().start()
        self.activity = Activity(self.id, self.limits.lease_s)
        self.database = DatabaseCalls(self.tasks, self.shared, self.activity.moved)
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
                self._end("its epoch is over")
            raise
        except Failure:
            self.activity.check_granting(self.now_s)
            raise

    def commit_fenced(self, transaction: Transaction, *, decides: bool = True) -> None:
        """Commit a transaction of this epoch, if it is the current one; else end."""
        try:
            self._commit(transaction, decides=decides)
        except Conflict:
            self._end("its epoch is over")

    def _commit(self, transaction: Transaction, *, decides: bool = True) -> Any:
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
        self._note_proof(sent_s, moves)
        return result

    def _note_proof(self, sent_s: float, moves: int) -> None:
        """Count a commit as a proof, if the node that took it is still the one that is used."""
        if moves == self.database.moves:
            self.activity.proved(sent_s)

    def end_in_doubt(self) -> None:
        """End after a commit that may happen yet."""
        self._end("the outcome of a commit is unknown")

    def _end(self, reason: str) -> None:
        """End this life; the next one begins as a standby."""
        self.network.note(f"{self.name} ends: {reason}")
        self.activity.end()
        self.network.events.after(RESTART_S, self.start_if_dead)
        self.tasks.die()

    def _watch(self) -> None:
        while True:
            pause_s = PROOF_INTERVAL_S
            try:
                if self.activity.has_epoch:
                    self._prove()
                elif not self._look():
                    pause_s = RETRY_S
            except Failure as failure:
                self.network.note(f"{self.name} looks in vain: {failure!r}")
            self.tasks.wait(pause_s)

    def _prove(self) -> None:
        sent_s, moves = self.now_s, self.database.moves
        expected, writes = fence(self.activity.known)
        transaction = Transaction(expected, {**writes, "proofs": sent_s})
        try:
            self.database.commit(transaction, PROOF_S)
        except Conflict:
            self._end("its epoch is over")
        self._note_proof(sent_s, moves)

    def _look(self) -> bool:
        """
        Look at the active as a standby, and claim the next epoch when it is gone.

        Tell whether there was an answer; a silent active is looked at again at once.
        """
        known: ActiveCatalog = self.database.read(lambda rows: rows["active"])
        self.activity.hear(known, self.now_s)
        answer = self._ping(known.catalog)
        if self.activity.may_claim(answer, self.now_s):
            self._claim()
        return isinstance(answer, ActivePing)

    def _ping(self, active: CatalogId | None) -> ActivePing | Unreachable | None:
        if active is None or active == self.id:
            return None
        try:
            ping: ActivePing = self.tasks.call(self.catalogs[active], PingActive(), LOOK_TIMEOUT_S)
        except Unreachable as failure:
            return failure
        return ping

    def _claim(self) -> None:
        known, sent_s, moves = self.activity.known, self.now_s, self.database.moves
        claimed = claim_epoch(known, known.epoch, self.id)
        note = partial(self.checks.epoch_claimed, known, claimed)
        transaction = Transaction({"active": known}, {"active": claimed}, Registered.read, note)
        try:
            found: Registered = self._commit(transaction)
        except Conflict:
            return  # another one was faster
        holder_ids = tuple(holder_id for holder_id, _ in found.holders)
        self.network.note(f"{self.name} has epoch {claimed.epoch}, and waits for {len(holder_ids)}")
        self.activity.claimed(sent_s, self.now_s, holder_ids)
        if moves != self.database.moves:
            self.activity.moved()
        self.active = ActiveShell(self, found)
        self.tasks.spawn(self, partial(self._take_over, found.holders))

    def _take_over(self, holders: tuple[tuple[str, int], ...]) -> None:
        """Have every holder of older epochs acknowledge this one, or its time run out."""
        for replica in self.replicas.values():
            self.tasks.spawn(self, partial(self._notify_replica, replica))
        self.tasks.side_by_side(self._notify_of_epoch, holders)
        if holders:
            try:
                self.active.end_leases(tuple(holder_id for holder_id, _ in holders))
            except Unreachable:
                self.network.note(f"{self.name} leaves registrations to the next epoch")

    def _notify_replica(self, replica: Process) -> None:
        """Let a replica wait for no older catalog; one that does not hear finds out by itself."""
        notice = EpochNotice(self.active.epoch, self.id)
        try:
            self.tasks.call(replica, notice, NOTICE_TIMEOUT_S)
        except Failure as failure:
            self.network.note(f"{replica.name} has not heard of {notice}: {failure!r}")

    def _notify_of_epoch(self, holder: tuple[str, int]) -> None:
        (holder_id, port), activity = holder, self.activity
        notice = EpochNotice(self.active.epoch, self.id)
        while holder_id in activity.unacknowledged:
            try:
                self.tasks.call(self.holders[port], notice, NOTICE_TIMEOUT_S)
            except NotActive:
                self._end("its epoch is over")
            except Failure:
                self.tasks.wait(RETRY_S)
                activity.tick(self.now_s)
            else:
                activity.acknowledged(holder_id, self.now_s)
