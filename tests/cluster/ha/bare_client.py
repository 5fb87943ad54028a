"""
A bare client of the engine: `python -m tests.cluster.ha.bare_client URL...`, one URL a host.

It commits one row at a time at each host and prints when each was acknowledged, in seconds of the
monotonic clock. While none is, the engine itself is out, whatever a better client might do.
"""

import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg
import pymysql

from bazaar import clock
from bazaar.settings import database_url
from bazaar.settings.database_url import DatabaseUrl

BEAT_S = 0.05
"""Between two commits at a host."""
RETRY_S = 0.1
TIMEOUT_S = 2
_TABLE = "CREATE TABLE IF NOT EXISTS bare_commit (id SERIAL PRIMARY KEY, host INT)"
_INSERT = "INSERT INTO bare_commit (host) VALUES (%s)"
_KEPT: dict[str, Any] = {
    "tcp_user_timeout": TIMEOUT_S * 1000,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
_ERRORS = (psycopg.Error, pymysql.Error, OSError)


def main(urls: Sequence[str]) -> None:
    """Commit at each host until this process is ended."""
    found = [database_url.parse(url) for url in urls]
    clock.wait_until(lambda: any(map(_make_table, found)), TIMEOUT_S * len(found))
    for number, url in enumerate(found, 1):
        threading.Thread(target=_commit_on, args=(number, url), daemon=True).start()
    threading.Event().wait()


def _make_table(url: DatabaseUrl) -> bool:
    try:
        with closing(_connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(_TABLE)
    except _ERRORS:
        return False
    return True


def _commit_on(number: int, url: DatabaseUrl) -> None:
    while True:
        try:
            with closing(_connect(url)) as connection:
                _commit_at(number, connection)
        except _ERRORS:
            clock.wait(RETRY_S)


def _commit_at(number: int, connection: Any) -> None:
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, (number,))
        sys.stdout.write(f"{clock.monotonic_s():.6f}\n")
        sys.stdout.flush()
        clock.wait(BEAT_S)


def _connect(url: DatabaseUrl) -> Any:
    """Connect to the one host of a URL; each statement is a transaction."""
    ((host, port),) = url.hosts
    known: dict[str, Any] = {"host": host, "port": port, "user": url.user}
    known |= {"database" if url.scheme.driver == "pymysql" else "dbname": url.name}
    known |= {"autocommit": True, "connect_timeout": TIMEOUT_S}
    if url.scheme.driver == "pymysql":
        return pymysql.connect(**known, read_timeout=TIMEOUT_S, write_timeout=TIMEOUT_S)
    return psycopg.connect(**known, **_KEPT)


if __name__ == "__main__":
    main(sys.argv[1:])
