"""
Checkpoints of the write-ahead log: who does them, and the last one.

At the end of a process one complete file is left behind.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.utils import DatabaseError

from bazaar.runtime.database import has_database, wal_bytes
from bazaar.runtime.log_lines import get_log

log = get_log("bazaar.runtime.checkpoint")
BUSY_MS = 1000
"""To wait for other threads that read or write; then the process ends all the same."""
TRIES = 3
GATE_S = 0.5
"""That a writer waits for a checkpoint, at most."""
lock = threading.Lock()
"""Held by whoever does a checkpoint in this process, and by the last one to the end."""


class WriteGate:
    """
    Has this process's writers wait while it is closed.

    SQLite's lock on writing has no queue: a busy writer would get it again and again.
    """

    def __init__(self) -> None:
        self._is_open = threading.Event()
        self._is_open.set()

    def wait(self) -> None:
        """Go on as soon as it is open, or after GATE_S."""
        if not self._is_open.is_set():
            self._is_open.wait(GATE_S)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Close it for a while; whoever writes already goes on."""
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()


gate = WriteGate()


def leave_whole_file() -> bool:
    """
    Move the write-ahead log into the database's file.

    Nobody writes after that: the lock on writing ends with the process. Returns whether the file is
    complete: without a database it is, and while another thread keeps the database busy it is not.
    Then the next start finds the rest in the write-ahead log, as after a crash.
    """
    if not has_database():
        return True
    lock.acquire(timeout=BUSY_MS / 1000)
    try:
        connection.ensure_connection()
        is_whole = _checkpoint(connection.connection)
    except (DatabaseError, sqlite3.Error) as error:
        log.warning("checkpoint failed", reason=str(error))
        return False
    if not is_whole:
        log.warning("checkpoint failed", reason="busy")
    return is_whole


def _checkpoint(database: sqlite3.Connection) -> bool:
    database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    for _ in range(TRIES):
        ((is_busy, *_),) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if is_busy:
            return False
        database.execute("BEGIN IMMEDIATE")
        if not wal_bytes():
            return True
        database.execute("ROLLBACK")  # another thread has written in between
    return False
