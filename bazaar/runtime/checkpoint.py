"""
Checkpoints of the write-ahead log: who does them, and the last one.

At the end of a process one complete file is left behind.
"""

import sqlite3
import threading

from django.db import connection
from django.db.utils import DatabaseError

from bazaar.runtime.database import has_file, wal_bytes
from bazaar.runtime.log_lines import get_log

log = get_log("bazaar.runtime.checkpoint")
BUSY_MS = 1000
"""To wait for other threads that read or write; then the process ends all the same."""
TRIES = 3
lock = threading.Lock()
"""Held by whoever does a checkpoint in this process, and by the last one to the end."""


def leave_whole_file() -> bool:
    """
    Move the write-ahead log into the database's file.

    Nobody writes after that: the lock on writing ends with the process. Returns whether the file is
    complete: without a file it is, and while another thread keeps the database busy it is not. Then
    the next start finds the rest in the write-ahead log, as after a crash.
    """
    if not has_file():
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
