"""
An empty database in the place of a damaged one, which is kept.

The process that asks for it ends afterwards: other threads still have the old files open.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connections

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.runtime.database import database_path
from bazaar.runtime.sequence_store import SequenceStore

ANEW = "anew"
"""The name of the new database in Django, and the ending of its file."""
PAUSE_S = 60.0
"""Between two of them: a disk that damages all it is given is not given more."""
_JOURNALS = ("-wal", "-shm")


_ON_SERVER = (
    "Its database is on a server, and is not made anew by itself. Have the server put a copy back; "
    "or give the process an empty database, and `manage.py cluster init` prepares that."
)


class Aside:
    """Where the last damaged database of a process is kept, under its own name."""

    def __init__(self, path: Path) -> None:
        """path: of the database."""
        self._path = path
        self.path = path.parent / "aside" / f"{path.stem}.damaged" / path.name

    def find_hindrance(self) -> str:
        """Return why no database may be moved here now, a sentence; empty: one may."""
        changed_s = 0.0
        with suppress(FileNotFoundError):
            changed_s = self.path.stat().st_ctime
        has_waited = not 0 <= clock.wall_s() - changed_s < PAUSE_S
        return "" if has_waited else f"The last repair was less than {PAUSE_S:g} s ago."

    def begin_anew(self, fill: Callable[[str], None]) -> None:
        """
        Put an empty database in the place of the damaged one, which is kept here.

        fill: writes the first rows, with the name of the new database in Django. A process that is
        killed meanwhile finds the one or the other. Raises OSError.
        """
        anew = _beside(self._path, f".{ANEW}")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in (anew, self.path):
            for ending in ("", *_JOURNALS):
                _beside(file, ending).unlink(missing_ok=True)
        _make(anew, fill)
        self.path.hardlink_to(self._path)
        for ending in _JOURNALS:
            with suppress(FileNotFoundError):
                _beside(self._path, ending).replace(_beside(self.path, ending))
        anew.replace(self._path)


class NoAside(Aside):
    """What there is for a database on a server: nothing can be moved."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull) / "no file")

    def find_hindrance(self) -> str:
        """Return what to do instead."""
        return _ON_SERVER


def make_aside() -> Aside:
    """Return where a damaged database of this process is kept."""
    path = database_path()
    return NoAside() if path is None else Aside(path)


def is_end_damaged(store: SequenceStore) -> bool:
    """Tell whether the newest entry is damaged, so that its digest says nothing."""
    try:
        return bool(store.find_fault(1))
    except (Failure, DatabaseError):
        return True


def _make(path: Path, fill: Callable[[str], None]) -> None:
    connections.settings[ANEW] = {**connections.settings["default"], "NAME": path}
    try:
        call_command("migrate", database=ANEW, verbosity=0, interactive=False)
        fill(ANEW)
    finally:
        connections[ANEW].close()  # the last one: all is in the file then
        del connections[ANEW], connections.settings[ANEW]


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}{ending}")
