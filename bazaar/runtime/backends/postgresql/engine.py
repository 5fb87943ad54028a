"""What PostgreSQL spells differently, and which of its errors pass."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import Diagnostic

from bazaar.runtime.engines import Database, DatabaseEngine, Query, Rows

_PASSING = ("08", "40", "53", "55", "57", "58")
"""
Classes of errors that pass.

Connection, rollback, resources, an object in use, an operator's intervention, the system.
"""
_PASSING_CODES = ("25006", "25P02", "25P03")
"""A server that only reads, a transaction that has failed, a session that idled in one."""
_ROLLED_BACK = ("40", "23")
"""Classes of errors of COMMIT after which it surely did not happen."""
ROWS_MAX = 5000
"""In one statement: the protocol takes 65,535 values, and no table of ours has 13 columns."""
_DAMAGE = ("XX001", "XX002")
_TAKEN = "23505"
STUCK_MS = 100
"""Age of a transaction that has a row or waits for it, and counts as stuck, for who needs it."""
_END_STUCK = (
    "SELECT pg_terminate_backend(session.pid) FROM pg_locks taken"  # noqa: S608 - our own words
    " JOIN pg_stat_activity session ON session.pid = taken.pid"
    " WHERE (taken.transactionid = (SELECT xmax FROM {0})"
    " OR (taken.locktype = 'tuple' AND taken.relation = CAST('{0}' AS regclass)))"
    " AND session.pid <> pg_backend_pid()"
    f" AND session.xact_start < clock_timestamp() - interval '{STUCK_MS} ms'"
)
_SETTINGS = (
    "SELECT name, setting FROM pg_settings WHERE name IN"
    " ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')"
)


@lru_cache(maxsize=1000)
def _translate(statement: str) -> bytes:
    """Return a statement with the driver's marks; no statement of ours has a `%`."""
    return statement.replace("?", "%s").encode()


class PostgresqlDatabase:
    """A connection that runs our statements."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        """Run one statement; return its cursor."""
        cursor = psycopg.Cursor(self.connection)
        return cursor.execute(_translate(statement), values or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each row; all travel together, inserts as one."""
        cursor, found = psycopg.Cursor(self.connection), list(rows)
        if not statement.startswith("INSERT") or not 1 < len(found) <= ROWS_MAX:
            cursor.executemany(_translate(statement), found)
            return cursor
        into, _, values = statement.partition(" VALUES ")
        row, _, rest = values.partition(")")
        many = f"{into} VALUES {', '.join([f'{row})'] * len(found))}{rest}"
        return cursor.execute(
            many.replace("?", "%s").encode(), [one for row in found for one in row]
        )


class PostgresqlEngine(DatabaseEngine):
    """PostgreSQL 14 or newer, by psycopg 3."""

    is_file = False
    quote = "quote_nullable(CAST({} AS text))"
    same = "{} IS NOT DISTINCT FROM {}"
    joined = "string_agg(text, chr(10) ORDER BY place)"
    like = "ILIKE"
    text = "text"
    dashed_key = 'CAST("key" AS text)'
    hex_key = "REPLACE(CAST(\"key\" AS text), '-', '')"

    def open(self, django: BaseDatabaseWrapper) -> Database:
        """Return what runs our statements."""
        return PostgresqlDatabase(django.connection)

    def begin(self, django: BaseDatabaseWrapper) -> Database:
        """
        Begin a transaction that reads no table from end to end.

        The plan of a statement is kept: one that was made for an empty table would do so.
        """
        django.connection.execute(b"BEGIN; SET LOCAL enable_seqscan = off", prepare=False)
        return PostgresqlDatabase(django.connection)

    def commit(self, database: Database) -> None:
        """
        Commit.

        A server that stops to wait for its standby warns, and raises nothing: that is raised here.
        """
        connection = cast(PostgresqlDatabase, database).connection
        warnings: list[str] = []

        def note(diagnostic: Diagnostic) -> None:
            if diagnostic.severity_nonlocalized == "WARNING":
                warnings.append(diagnostic.message_primary or "")

        connection.add_notice_handler(note)
        try:
            connection.commit()
        finally:
            connection.remove_notice_handler(note)
        if warnings:
            raise psycopg.OperationalError(warnings[0])

    def roll_back(self, database: Database) -> None:
        """Roll back; a connection that is gone has done so by itself."""
        connection = cast(PostgresqlDatabase, database).connection
        with suppress(psycopg.Error):
            connection.rollback()

    def select(self, database: Database, queries: Sequence[Query]) -> list[Rows]:
        """Send all queries, then take their rows."""
        connection = cast(PostgresqlDatabase, database).connection
        with connection.pipeline():
            cursors = [database.execute(*query) for query in queries]
            return [cursor.fetchall() for cursor in cursors]

    def prepare(self, django: BaseDatabaseWrapper) -> tuple[str, str]:
        """Look whether commits are durable, here and on a standby."""
        database = self.open(django)
        found = dict(database.execute(_SETTINGS).fetchall())
        names = "fsync", "full_page_writes", "synchronous_commit"
        for name in names:
            if found[name] == "off":
                return f"It has {name} = off, and would lose orders when its machine fails.", ""
        ((standbys,),) = database.execute("SELECT COUNT(*) FROM pg_stat_replication").fetchall()
        has_others = standbys or "," in django.settings_dict["HOST"]
        is_waiting = found["synchronous_standby_names"] and found["synchronous_commit"] != "local"
        if has_others and not is_waiting:
            return "", "It waits for no standby: after a failover acknowledged orders may be lost."
        return "", ""

    def probe(self, database: Database) -> None:
        """Write a row as it is."""
        database.execute("UPDATE django_migrations SET name = name WHERE id = 1")

    def end_stuck(self, database: Database, table: str) -> None:
        """End the sessions of this role whose old transaction has or awaits the row."""
        database.execute(_END_STUCK.format(table))

    def is_passing(self, error: BaseException) -> bool:
        """Tell by SQLSTATE; without one the connection is gone."""
        state = getattr(error, "sqlstate", None)
        if state is None:
            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return state[:2] in _PASSING or state in _PASSING_CODES

    def is_damage(self, error: BaseException) -> bool:
        """Tell by SQLSTATE."""
        return getattr(error, "sqlstate", None) in _DAMAGE

    def is_taken(self, error: BaseException) -> bool:
        """Tell by SQLSTATE."""
        return getattr(error, "sqlstate", None) == _TAKEN

    def has_rolled_back(self, error: BaseException) -> bool:
        """Tell by SQLSTATE."""
        return (getattr(error, "sqlstate", None) or "")[:2] in _ROLLED_BACK


ENGINE = PostgresqlEngine()
