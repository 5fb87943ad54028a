"""
One process that commits one order at a time to SQLite.

WAL and synchronous=FULL on the disk that the clusters have; the row is that of an order log, with
its unique key, and nothing else is done: no network, no decision, no replica.
"""

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from bazaar import clock
from bench.trading import Traded

_TABLE = (
    "CREATE TABLE orders (order_no INTEGER PRIMARY KEY, key CHAR(32) NOT NULL UNIQUE,"
    " stock_name TEXT NOT NULL, trade_type TEXT NOT NULL, quantity INTEGER NOT NULL,"
    " digest TEXT NOT NULL)"
)
_INSERT = "INSERT INTO orders VALUES (NULL, ?, 'GameStart', 'buy', 1, ?)"
_DIGEST = "0" * 64


def run(path: Path, seconds: float) -> Traded:
    """Commit for so long into a new file."""
    path.unlink(missing_ok=True)
    ended_s, took_s = [], []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(_TABLE)
        origin_s = begun_s = clock.monotonic_s()
        while begun_s < origin_s + seconds:
            connection.execute(_INSERT, (uuid.uuid4().hex, _DIGEST))
            end_s = clock.monotonic_s()
            ended_s.append(end_s - origin_s)
            took_s.append(end_s - begun_s)
            begun_s = end_s
    return Traded(begun_s=origin_s, seconds=seconds, ended_s=tuple(ended_s), took_s=tuple(took_s))
