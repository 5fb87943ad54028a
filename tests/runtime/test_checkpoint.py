"""A process that ends leaves one complete file of its database."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection

from bazaar.runtime import checkpoint
from bazaar.runtime import database as database_of_process
from bazaar.runtime.checkpoint import leave_whole_file

ROWS = "SELECT COUNT(*) FROM one"


@dataclass
class OpenConnection:
    """A thread's connection as Django has it."""

    connection: sqlite3.Connection
    settings_dict: dict[str, object]

    def ensure_connection(self) -> None:
        assert self.connection is not None


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a role's database, with its rows in the write-ahead log; a thread has it open."""
    path = tmp_path / "catalog.sqlite3"
    with closing(connect(path)) as database, closing(connect(path)) as other:
        for statement in ("PRAGMA journal_mode=WAL", "CREATE TABLE one (no INTEGER)"):
            database.execute(statement)
        database.executemany("INSERT INTO one VALUES (?)", [(number,) for number in range(100)])
        for module in (checkpoint, database_of_process):
            monkeypatch.setattr(module, "connection", OpenConnection(database, {"NAME": path}))
        monkeypatch.setattr(checkpoint, "BUSY_MS", 50)
        monkeypatch.setattr(checkpoint, "lock", threading.Lock())
        other.execute(ROWS).fetchall()
        yield path


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=0.05)


def count_in_copy(path: Path) -> int:
    """Return how many rows a copy of the main file has."""
    copy = path.with_name("copy.sqlite3")
    shutil.copy(path, copy)
    with closing(connect(copy)) as database:
        return int(database.execute(ROWS).fetchone()[0])


def test_all_rows_are_in_the_file_and_nobody_writes_after_that(path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        count_in_copy(path)
    assert leave_whole_file()
    assert count_in_copy(path) == 100
    with closing(connect(path)) as late:
        assert late.execute(ROWS).fetchone() == (100,)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            late.execute("INSERT INTO one VALUES (100)")
    assert path.with_name("catalog.sqlite3-wal").stat().st_size == 0


def test_a_database_that_another_thread_keeps_busy_is_left_as_it_is(path: Path) -> None:
    with closing(connect(path)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        busy.execute("INSERT INTO one VALUES (100)")
        assert not leave_whole_file()
        busy.execute("COMMIT")
        assert busy.execute(ROWS).fetchone() == (101,)


def test_no_checkpoint_comes_after_the_last(path: Path) -> None:
    """Pages that it writes are noted nowhere, and would pass for damaged ones."""
    assert leave_whole_file()
    assert not checkpoint.lock.acquire(timeout=0.05)


def test_a_role_without_a_database_has_nothing_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ENGINE", "django.db.backends.dummy")
    assert leave_whole_file()
