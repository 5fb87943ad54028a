"""An order replica with its log in a file, whose damage is found and mended by the real code."""

from collections.abc import Sequence
from typing import cast

import pytest
from django.db import DatabaseError

import order_app.wiring
from bazaar.core.failures import Unreachable
from bazaar.core.types import START, Entry, Linked, Position, ReplicaId, Term
from bazaar.runtime.anew import Aside
from bazaar.runtime.loops import Loop
from bazaar.runtime.storage import await_storage, find_failure
from bazaar.runtime.verifier import Verifier
from order_app.repair import Repair
from order_app.store import OrderLog
from tests.sim.checks import Checks
from tests.sim.disk import Disk
from tests.sim.log import SimLog
from tests.sim.network import Call
from tests.sim.replica import SimReplica
from tests.sim.tasks import Tasks
from tests.sim.threaded import RESTART_S
from tests.sim.waits import TaskWaits


class StoredLog(OrderLog):
    """The order log of one life, checked at every write."""

    def __init__(self, checks: Checks, before: "StoredLog | None") -> None:
        """before: the log of the last life."""
        super().__init__()
        self.checks = checks
        self.term, self.leader = self.load_term()
        self.lost_upto: Position = before.lost_upto if before else Position(0)
        """The newest entry that was on this disk and was lost."""
        self.refused_term: Term = before.refused_term if before else Term(0)
        """The newest term that this disk did not take."""

    @property
    def last(self) -> Position:
        """The newest entry."""
        return self.head.position

    def append(self, entries: Sequence[Linked]) -> None:
        self.checks.stored(self.last, tuple(entries))
        super().append(entries)

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        self.checks.term_saved((self.term, self.leader), (term, leader))
        newest, self.refused_term = self.refused_term, max(self.refused_term, term)
        super().save_term(term, leader)
        self.term, self.leader, self.refused_term = term, leader, newest


class StoredReplica(SimReplica):
    """One order replica on a disk."""

    def __init__(
        self, replica_id: ReplicaId, tasks: Tasks, checks: Checks, in_sync_min: int, disk: Disk
    ) -> None:
        super().__init__(replica_id, tasks, checks, in_sync_min)
        self.disk: Disk = disk
        disk.before_commit = disk.after_commit = self.crash_point
        self.is_built = False
        self.is_damaged = False
        """Whether a row of this log was changed that is still there."""
        with disk.session():
            self.log = cast(SimLog, StoredLog(checks, None))

    @staticmethod
    def wire(patch: pytest.MonkeyPatch, tasks: Tasks) -> None:
        """Let the room's services be those of the replica that runs."""

        def shell() -> object:
            assert tasks.current is not None, "only a task serves"
            return cast(StoredReplica, tasks.current.process).shell

        patch.setattr(order_app.wiring, "replica", shell)

    def start(self) -> None:
        super(SimReplica, self).start()
        self.is_built = False
        self.disk.forget_damage()
        self.tasks.spawn(self, self._live)

    def _live(self) -> None:
        try:
            await_storage(self._build, self.tasks.wait)
        except DatabaseError as error:
            raise AssertionError(f"{self.name} does not start: {error!r}") from error
        repair = Repair(self.shell, Aside(self.disk.path), self._restart)
        repair.note_last()
        repairs = Loop("repair", repair.round, RESTART_S, TaskWaits(self.tasks))
        self.disk.damage_on_found = lambda where: repairs.poke()
        self.is_built = True
        self.tasks.spawn(self, repairs._repeat)
        points = cast(StoredLog, self.log).points
        self.tasks.spawn(self, Verifier(points, self.shell.limits.verify_turn_s)._repeat)
        self._run()

    def _build(self) -> None:
        log = StoredLog(self.checks, cast(StoredLog, self.log))
        self.log = cast(SimLog, log)
        super()._build()

    def _begin(self) -> None:
        order_app.wiring._start(self.shell)

    def receive(self, call: Call, message: object) -> None:
        if self.is_built:
            super().receive(call, message)
        else:
            self.network.answer(call, Unreachable("It does not listen yet.", is_refused=True))

    def answer(self, request: object) -> object:
        try:
            return super().answer(request)
        except DatabaseError as error:
            raise find_failure(error) or Unreachable(str(error)) from error

    def read_entries(self) -> tuple[Entry, ...]:
        """Return the log as it is in the file."""
        with self.disk.session():
            return cast(StoredLog, self.log).page(START.position, 10**6).entries

    def damage(self, order_no: int) -> bool:
        """Change an order in the file; tell whether it is there."""
        update = "UPDATE order_app_logentry SET quantity = quantity + 1 WHERE order_no = ?"
        self.is_damaged = self.disk.change(update, order_no) == 1
        return self.is_damaged

    def rebuild(self) -> None:
        """Begin with an empty database, as `cluster rebuild` makes it."""
        self.crash()
        self.network.note(f"{self.name} is rebuilt")
        self._lose_log()
        self.disk.renew()
        self.start()

    def _restart(self) -> None:
        """End this process, which is started again: a repair has put another file here."""
        self.network.note(f"{self.name} has repaired itself")
        self._lose_log()
        self.network.events.after(RESTART_S, self.start_if_dead)
        self.tasks.die()

    def _lose_log(self) -> None:
        self.log.lost_upto = max(self.log.lost_upto, self.log.last)
        self.is_damaged = False
