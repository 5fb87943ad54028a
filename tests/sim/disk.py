"""
The disk of a simulated process: its database file, which fails, is lost, put back or damaged.

Each task of the process works with a connection of its own to that file, as each thread of a role
does: so what the rooms read and write with their own code is this process's. What a disk refuses
is an error of SQLite with its real code, and what is damaged is a changed row of the file.
"""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper, SQLiteCursorWrapper
from django.db.models import Model

from bazaar.runtime import row_copies
from bazaar.runtime.damage import DamageWatch
from bazaar.settings.typed import FILE_ENDINGS

_WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")
_current = threading.local()
"""`disk`: whose file this thread works with."""


@dataclass(frozen=True, slots=True)
class DiskFault:
    """A way in which a disk fails."""

    name: str
    code: int
    """SQLite's result code."""
    message: str
    fails: tuple[str, ...]
    """How the statements begin that fail."""


FAULTS = (
    DiskFault("is full", sqlite3.SQLITE_FULL, "database or disk is full", _WRITES[1:]),
    DiskFault("takes no commit", sqlite3.SQLITE_FULL, "database or disk is full", _WRITES[4:]),
    DiskFault("is read-only", sqlite3.SQLITE_READONLY, "attempt to write it", _WRITES),
    DiskFault("has I/O errors", sqlite3.SQLITE_IOERR, "disk I/O error", ("SELECT", *_WRITES)),
)


def make_template(folder: Path) -> Path:
    """Make an empty database for each room, of which processes get copies; return the folder."""
    path = folder / "all.sqlite3"
    database = DatabaseWrapper({**connections.settings["default"], "NAME": path}, "default")
    try:
        with _default(database):
            call_command("migrate", verbosity=0, interactive=False)
    finally:
        database.close()
    for room, others in (("catalog", "order_app"), ("order", "catalog_app")):
        shutil.copyfile(path, find_template(folder, room))
        _drop_tables(find_template(folder, room), others)
    return folder


def find_template(folder: Path, name: str) -> Path:
    """Return the empty database for a process; name: its own, or its room's."""
    return folder / f"template-{name.partition('-')[0]}.sqlite3"


def _drop_tables(path: Path, room: str) -> None:
    """Drop the tables of a room, by which its databases are known."""
    with closing(sqlite3.connect(path)) as database:
        found = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE ? || '%'"
        for (table,) in database.execute(found, [room]).fetchall():
            database.execute(f"DROP TABLE {table}")


@contextmanager
def _default(database: DatabaseWrapper) -> Iterator[None]:
    """Let a connection be this thread's default one while the block runs."""
    opened = connections.all(initialized_only=True)
    before = next((one for one in opened if one.alias == "default"), None)
    connections["default"] = database
    try:
        yield
    finally:
        if before is None:
            del connections["default"]
        else:
            connections["default"] = before


def share_damage(patch: pytest.MonkeyPatch) -> None:
    """Let what a process knows of its damage be a matter of its disk."""

    def of_disk(name: str) -> property:
        def get(watch: DamageWatch) -> Any:
            return getattr(_find_disk() or watch, f"damage_{name}")

        def set_(watch: DamageWatch, value: object) -> None:
            setattr(_find_disk() or watch, f"damage_{name}", value)

        return property(get, set_)

    for name in ("where", "on_found"):
        patch.setattr(DamageWatch, name, of_disk(name), raising=False)


def share_models(patch: pytest.MonkeyPatch) -> None:
    """Let a process know the models of its own room only, as its settings do."""

    def get_models() -> list[type[Model]]:
        disk = _find_disk()
        assert disk is not None, "only processes ask"
        return [one for one in apps.get_models() if one._meta.db_table in disk.tables]

    patch.setattr(row_copies, "apps", SimpleNamespace(get_models=get_models))


def _find_disk() -> "Disk | None":
    return getattr(_current, "disk", None)


class Disk:
    """One process's file, and the connections to it in this life."""

    def __init__(self, path: Path, template: Path) -> None:
        """Begin with an empty database."""
        self.path, self._template = path, template
        with closing(sqlite3.connect(template)) as database:
            found = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            self.tables = {name for (name,) in found}
        self.fault: DiskFault | None = None
        self.before_commit: Callable[[], None] = _nothing
        self.after_commit: Callable[[], None] = _nothing
        self._idle: list[DiskDatabase] = []
        self._opened: list[DiskDatabase] = []
        self.forget_damage()
        self.renew()

    def forget_damage(self) -> None:
        """Know of no damage, as a process does that begins."""
        self.damage_where = ""
        self.damage_on_found: Callable[[str], None] = lambda where: None

    def renew(self, path: Path | None = None) -> None:
        """Put an empty database here, or there; nobody has it open."""
        path = path or self.path
        self.lose(path)
        shutil.copyfile(self._template, path)

    def lose(self, path: Path | None = None) -> None:
        """Lose the file; nobody has it open."""
        path = path or self.path
        for ending in FILE_ENDINGS:
            path.with_name(path.name + ending).unlink(missing_ok=True)

    def change(self, statement: str, *values: object) -> int:
        """Change rows behind the back of whoever has the file open, unless it is locked."""
        with (
            closing(sqlite3.connect(self.path, timeout=0.0)) as database,
            suppress(sqlite3.OperationalError),
            database,
        ):
            return database.execute(statement, values).rowcount
        return 0

    def read(self, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Read rows as they are in the file, whatever fails."""
        with closing(sqlite3.connect(self.path)) as database:
            return database.execute(statement, values).fetchall()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Let what this thread does with the default database be done with this one."""
        database = self._idle.pop() if self._idle else self._open()
        disk, _current.disk = _find_disk(), self
        try:
            with _default(database):
                yield
        finally:
            _current.disk = disk
            if database in self._opened:
                self._idle.append(database)

    def close(self) -> None:
        """Close all connections: the process is dead."""
        for database in self._opened:
            if database.connection is not None:
                database.connection.close()
        self._idle, self._opened = [], []

    def check(self, statement: str) -> None:
        """Raise the error of SQLite that a statement ends with on a disk that fails."""
        fault = self.fault
        if fault is not None and statement.lstrip().startswith(fault.fails):
            error = sqlite3.OperationalError(fault.message)
            error.sqlite_errorcode = fault.code
            raise error

    def _open(self) -> "DiskDatabase":
        database = DiskDatabase({**connections.settings["default"], "NAME": self.path}, "default")
        database.disk = self
        database.inc_thread_sharing()
        self._opened.append(database)
        return database


class DiskConnection(sqlite3.Connection):
    """A connection whose statements fail while the disk does."""

    disk: Disk | None = None
    """None while it is being opened."""

    def execute(self, statement: str, *values: Any) -> Any:
        return self._perform(
            statement, lambda: super(DiskConnection, self).execute(statement, *values)
        )

    def executemany(self, statement: str, *values: Any) -> Any:
        return self._perform(
            statement, lambda: super(DiskConnection, self).executemany(statement, *values)
        )

    def commit(self) -> None:
        self._perform("COMMIT", super().commit)

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(DiskCursor if factory else sqlite3.Cursor)

    def _perform(self, statement: str, action: Callable[[], Any]) -> Any:
        disk = self.disk
        if disk is None:
            return action()
        disk.check(statement)
        if statement != "COMMIT":
            return action()
        try:
            disk.before_commit()
        except BaseException:
            self.rollback()  # the process dies: what unwinds here would commit
            raise
        done = action()
        disk.after_commit()
        return done


class DiskCursor(SQLiteCursorWrapper):
    """A cursor of Django's on such a connection."""

    def execute(self, query: str, params: Any = None) -> Any:
        self._check(query)
        return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        self._check(query)
        return super().executemany(query, param_list)

    def _check(self, query: str) -> None:
        if disk := cast(DiskConnection, self.connection).disk:
            disk.check(query)


class DiskDatabase(DatabaseWrapper):
    """Django's connection to the file of one process."""

    disk: Disk

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection: Any = super().get_new_connection({**conn_params, "factory": DiskConnection})
        connection.disk = self.disk
        return connection


def _nothing() -> None:
    """Do nothing."""
