"""What MariaDB spells differently, and which of its errors pass (docs/adr/0047)."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

import pymysql
from django.db.backends.base.base import BaseDatabaseWrapper
from pymysql.cursors import Cursor

from bazaar.runtime.engines import Database, DatabaseEngine, Query, Rows
from bazaar.settings.database_url import MARIADB_COLLATION

_GONE = (0, 1053, 1047, 1180, 1927, 2002, 2003, 2006, 2013, 2014, 2026, 2055, 4031)
"""The connection, the server, or the node's place in its cluster."""
_PASSING = (
    *_GONE,
    *(1040, 1203),  # too many connections
    *(3, 20, 1021, 1026, 1030, 1041, 1114),  # a disk or a memory that is full or fails
    *(1205, 1213, 1020, 3101),  # a lock, a deadlock, a refused certification
    *(1290, 1792, 1836),  # a server that only reads
)
_ROLLED_BACK = (1205, 1213, 1020, 3101, 1290, 1792, 1836)
"""Errors of COMMIT after which it surely did not happen."""
_LOCKED = 1205
"""Another transaction has the row; only the statement has failed."""
_DAMAGE = (1034, 1194, 1195, 1712, 1877)
_TEMPORARY = "#sql"
"""In the name of a table that the server made for a statement; one that is damaged was cut off."""
_TAKEN = 1062
STUCK_MS = 200
"""How long a session idles, or waits for a row, that counts as stuck, for who needs the row."""
_HAVE = "SELECT id FROM {} WHERE id = 1 FOR UPDATE NOWAIT"
_STUCK = (
    "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE()"  # noqa: S608
    " AND (COMMAND = 'Sleep' OR INSTR(INFO, 'UPDATE {}') > 0)"
    " AND USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND ID <> CONNECTION_ID()"
    f" AND TIME_MS > {STUCK_MS}"
)
_FACTS = (
    "SELECT @@innodb_flush_log_at_trx_commit, @@wsrep_on, (SELECT COUNT(*)"
    " FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE())"
)


@lru_cache(maxsize=1000)
def _translate(statement: str) -> str:
    """Return a statement with the driver's marks; no statement of ours has a `%`."""
    return statement.replace("?", "%s")


class MariadbDatabase:
    """A connection that runs our statements."""

    def __init__(self, connection: Any, *, is_begun: bool = True) -> None:
        """is_begun: whether BEGIN has been sent, or is not needed; else it goes first."""
        self.connection = connection
        self.is_begun = is_begun

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run one statement; return its cursor."""
        cursor: Cursor = self.connection.cursor()
        if self.is_begun:
            cursor.execute(_translate(statement), values or None)
            return cursor
        self.is_begun = True
        cursor.execute(f"BEGIN; {_translate(statement)}", values or None)
        cursor.nextset()
        return cursor

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each row; all travel together."""
        if not self.is_begun:
            self.execute("SELECT 1")
        cursor: Cursor = self.connection.cursor()
        if statement.startswith("INSERT"):
            cursor.executemany(_translate(statement), rows)
            return cursor
        return self._run([cursor.mogrify(_translate(statement), row) for row in rows])

    def select(self, queries: Sequence[Query]) -> list[Rows]:
        """Return the rows of several queries, which travel together."""
        cursor: Cursor = self.connection.cursor()
        texts = [cursor.mogrify(_translate(text), values or None) for text, values in queries]
        if not self.is_begun:
            self.is_begun = True
            texts.insert(0, "BEGIN")
        cursor.execute("; ".join(texts))
        rows = [list(cursor.fetchall())]
        while cursor.nextset():
            rows.append(list(cursor.fetchall()))
        return rows[-len(queries) :]

    def _run(self, statements: Sequence[str]) -> "_Counted":
        """Run complete statements; return how many rows they have changed."""
        cursor: Cursor = self.connection.cursor()
        if not statements:
            return _Counted(0)
        cursor.execute("; ".join(statements))
        count = cursor.rowcount
        while cursor.nextset():
            count += cursor.rowcount
        return _Counted(count)


class _Counted:
    """What a cursor says of several statements."""

    def __init__(self, rowcount: int) -> None:
        self.rowcount = rowcount


class MariadbEngine(DatabaseEngine):
    """MariaDB 10.7 or newer, alone or in a Galera cluster, by PyMySQL."""

    is_file = False
    quote = "QUOTE({})"
    same = "{} <=> {}"
    joined = "GROUP_CONCAT(text ORDER BY place SEPARATOR '\n')"
    like = "COLLATE utf8mb4_general_ci LIKE"
    text = "CHAR"
    dashed_key = 'CAST("key" AS CHAR)'
    hex_key = "REPLACE(CAST(\"key\" AS CHAR), '-', '')"

    def open(self, django: BaseDatabaseWrapper) -> Database:
        """Return what runs our statements."""
        return MariadbDatabase(django.connection)

    def begin(self, django: BaseDatabaseWrapper) -> Database:
        """Begin; BEGIN travels with the first statement."""
        return MariadbDatabase(django.connection, is_begun=False)

    def commit(self, database: Database) -> None:
        """Commit."""
        cast(MariadbDatabase, database).connection.commit()

    def roll_back(self, database: Database) -> None:
        """Roll back; a connection that is gone has done so by itself."""
        with suppress(pymysql.Error):
            cast(MariadbDatabase, database).connection.rollback()

    def select(self, database: Database, queries: Sequence[Query]) -> list[Rows]:
        """Send all queries in one packet."""
        return cast(MariadbDatabase, database).select(queries)

    def prepare(self, django: BaseDatabaseWrapper) -> tuple[str, str]:
        """Look whether commits are durable; have texts be the same by their letters."""
        database, name = self.open(django), django.ops.quote_name(django.settings_dict["NAME"])
        ((flush, wsrep, tables),) = database.execute(_FACTS).fetchall()
        if flush != 1:
            fault = f"It has innodb_flush_log_at_trx_commit = {flush}, and would lose orders"
            return f"{fault} when its machine fails.", ""
        if not tables:
            collation = f"CHARACTER SET utf8mb4 COLLATE {MARIADB_COLLATION}"
            database.execute(f"ALTER DATABASE {name} {collation}")
        if "," in django.settings_dict["HOST"] and not wsrep:
            return "", "It is no Galera cluster: after a failover acknowledged orders may be lost."
        return "", ""

    def probe(self, database: Database) -> None:
        """Write a row as it is: a server that only reads refuses that, too."""
        database.execute("UPDATE django_migrations SET name = name WHERE id = 1")

    def end_stuck(self, database: Database, table: str) -> None:
        """End our sessions that idle or wait here, if one has the row."""
        try:
            database.execute(_HAVE.format(table))
        except pymysql.Error as error:
            if _number(error) != _LOCKED:
                raise
        else:
            return
        for (number,) in database.execute(_STUCK.format(table)).fetchall():
            with suppress(pymysql.Error):  # it has ended meanwhile
                database.execute(f"KILL CONNECTION {int(number)}")

    def is_passing(self, error: BaseException) -> bool:
        """Tell by the number of the error."""
        return _number(error) in _PASSING or _is_cut_off(error)

    def is_damage(self, error: BaseException) -> bool:
        """Tell by the number of the error."""
        return _number(error) in _DAMAGE and not _is_cut_off(error)

    def is_taken(self, error: BaseException) -> bool:
        """Tell by the number of the error."""
        return _number(error) == _TAKEN

    def has_rolled_back(self, error: BaseException) -> bool:
        """Tell by the number of the error."""
        return _number(error) in _ROLLED_BACK


def _is_cut_off(error: BaseException) -> bool:
    """Tell whether a table is damaged that was temporary: the disk of such is full."""
    return _number(error) in _DAMAGE and _TEMPORARY in str(error)


def _number(error: BaseException) -> int | None:
    if not isinstance(error, pymysql.Error) or not error.args:
        return None
    return error.args[0] if isinstance(error.args[0], int) else None


ENGINE = MariadbEngine()
