"""
A damaged replica begins anew by itself, from an empty database.

It fetches the ledger then as any empty replica does, and every page is checked on its way. The
damaged database is kept beside the new one, one copy. Left out: finding damage
(`bazaar.runtime.damage`), and a log that is sound and differs from the ledger: that stays out.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connections

from bazaar import clock
from bazaar.core.failures import Failure, GapFound
from bazaar.core.replica import ReplicaState
from bazaar.runtime.damage import damage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from order_app.models import HeardTerm
from order_app.replica import ReplicaShell

log = get_log("bazaar.order")

REPAIR_PAUSE_S = 60.0
"""Between two repairs: a disk that damages all it is given is not given more."""
ANEW = "anew"
"""The name of the new database in Django, and the ending of its file."""


class Repair:
    """Makes the database of a damaged replica anew, and starts the process again."""

    def __init__(self, shell: ReplicaShell, path: Path, restart: Callable[[], None]) -> None:
        """path: of the database. restart: ends this process, which is then started again."""
        self._shell, self._path, self._restart = shell, path, restart
        self.aside = path.with_name(f"{path.name}.damaged")
        """The damaged database of the last repair."""
        self._hindrance = ""

    def round(self) -> None:
        """Repair this replica if it is damaged and nothing is against it. Raises OSError."""
        if not damage.where:
            return
        if self._shell.machine.state is not ReplicaState.CORRUPT:
            self._shell.drop_out(damage.where)
        hindrance = self._find_hindrance()
        if hindrance != self._hindrance:
            self._hindrance = hindrance
            if hindrance:
                events.emit(log, logging.ERROR, "repair waits", reason=hindrance)
        if not hindrance:
            self._begin_anew()
            self._restart()

    def note_last(self) -> None:
        """Emit an event when this process begins with the empty database of a repair."""
        if self.aside.exists() and self._shell.machine.last == 0:
            events.emit(log, logging.WARNING, "log begun anew", aside=str(self.aside))

    def _find_hindrance(self) -> str:
        """Return why this log is not given up yet; nothing: the ledger has all of it."""
        machine = self._shell.machine
        if not 0 <= clock.wall_s() - _changed_s(self.aside) < REPAIR_PAUSE_S:
            try:
                page = self._shell.catalog.ledger(machine.last, 1)
            except GapFound as gap:
                return (
                    "The ledger ends before this log, which may have the only copy of an order. "
                    f"{gap.message}"
                )
            except Failure as failure:
                return f"The ledger cannot be asked. {failure.message}"
            if page.after.digest != machine.digest and not self._is_end_damaged():
                return f"The ledger has another history up to entry {machine.last}."
            return ""
        return f"The last repair was less than {REPAIR_PAUSE_S:g} s ago."

    def _is_end_damaged(self) -> bool:
        """Tell whether the newest entry itself is damaged, so that its digest says nothing."""
        try:
            return bool(self._shell.log.find_fault(1))
        except (Failure, DatabaseError):
            return True

    def _begin_anew(self) -> None:
        """
        Put an empty database in the place of the damaged one, which is kept.

        A process that is killed meanwhile finds the one or the other. Raises OSError.
        """
        path, aside = self._path, self.aside
        anew = _beside(path, f".{ANEW}")
        for file in (anew, aside):
            for ending in ("", "-wal", "-shm"):
                _beside(file, ending).unlink(missing_ok=True)
        self._make_database(anew)
        aside.hardlink_to(path)
        for ending in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                _beside(path, ending).replace(_beside(aside, ending))
        anew.replace(path)
        events.emit(log, logging.WARNING, "log moved aside", aside=str(aside), at=damage.where)

    def _make_database(self, path: Path) -> None:
        """Make an empty database that has heard of this replica's term (I5, I6)."""
        machine = self._shell.machine
        connections.settings[ANEW] = {**connections.settings["default"], "NAME": path}
        try:
            call_command("migrate", database=ANEW, verbosity=0, interactive=False)
            HeardTerm.objects.using(ANEW).create(pk=1, term=machine.term, leader=machine.leader)
        finally:
            connections[ANEW].close()  # the last one: all is in the file then
            del connections[ANEW], connections.settings[ANEW]


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}{ending}")


def _changed_s(path: Path) -> float:
    """Return when a file got its name, in seconds since 1970; 0 for one that is not there."""
    with suppress(FileNotFoundError):
        return path.stat().st_ctime
    return 0.0
