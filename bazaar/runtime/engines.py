"""
What differs between database engines; nothing else knows which one it is.

An engine has the few words that the plain SQL of `sequence_store` and the rooms needs spelled
differently. It begins and ends transactions, and says which errors pass and which are damage
(docs/adr/0047).
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Protocol, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from bazaar.runtime.write_gate import gate

Rows = list[tuple[Any, ...]]
Query = tuple[str, Sequence[Any]]
"""A statement with `?` for each of its values."""
_OURS = "bazaar.runtime.backends."
"""Backends of ours begin so; each has a module with its engine."""


def marks(count: int) -> str:
    """Return the marks of as many values for `IN (...)`; of none, what nothing is in."""
    return ", ".join("?" * count) or "NULL"


class Database(Protocol):
    """A connection to run statements on, with `?` for each of their values."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Any:
        """Run one statement; return its cursor."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Run a statement for each row; return a cursor with the `rowcount` of all."""


class DatabaseEngine(ABC):
    """One kind of database; its instances are the same."""

    is_file: ClassVar[bool]
    """Whether the database is a file of this machine, which is ours alone to look after."""
    quote: ClassVar[str]
    """An expression as text that is another one for whatever is in it, NULL included."""
    same: ClassVar[str]
    """Whether two expressions are the same; NULL is the same as NULL."""
    joined: ClassVar[str]
    """The column `text` of all rows in the order of `place`, with a line feed between two."""
    like: ClassVar[str]
    """LIKE in any case of ASCII letters."""
    text: ClassVar[str]
    """The type that CAST turns anything into a text with."""
    dashed_key: ClassVar[str]
    """A key as a UUID is written."""
    hex_key: ClassVar[str]
    """A key as it is stored, in hex digits."""
    unindexed: ClassVar[str] = ""
    """After a table: read its rows without an index, which may be damaged apart from them."""
    schema: ClassVar[str] = ""
    """Selects one text that changes with the tables themselves; empty: the server sees to them."""
    integrity: ClassVar[str] = ""
    """Selects `ok`, or what is wrong with the whole file."""
    forget_pages: ClassVar[str] = ""
    """Has the connection forget the pages that it has in memory."""

    def prepare(self, django: BaseDatabaseWrapper) -> tuple[str, str]:
        """
        Look at a server before the tables are made, and set what they need.

        Returns why it would lose what it has committed, and a warning, sentences both; empty: no.
        """
        return "", ""

    @property
    def words(self) -> dict[str, str]:
        """What statements have in braces."""
        names = "dashed_key", "hex_key", "text", "like"
        return {name: getattr(self, name) for name in names}

    @abstractmethod
    def open(self, django: BaseDatabaseWrapper) -> Database:
        """Return what runs statements on an open connection of Django's."""

    @abstractmethod
    def begin(self, django: BaseDatabaseWrapper) -> Database:
        """Begin a transaction that may write. Raises the driver's errors."""

    @abstractmethod
    def commit(self, database: Database) -> None:
        """End it, durably. Raises the driver's errors."""

    @abstractmethod
    def roll_back(self, database: Database) -> None:
        """End it as if it had never been, if it has not ended by itself."""

    @abstractmethod
    def select(self, database: Database, queries: Sequence[Query]) -> list[Rows]:
        """Return the rows of several queries, which travel together."""

    @abstractmethod
    def probe(self, database: Database) -> None:
        """Write what changes nothing, in a transaction."""

    @abstractmethod
    def end_stuck(self, database: Database, table: str) -> None:
        """
        End sessions that do nothing, and keep others from writing the row of a table.

        They are of a process that was paused in a transaction; so are those that wait for it there,
        and would have the row next.
        """

    @abstractmethod
    def is_passing(self, error: BaseException) -> bool:
        """Tell whether an error of the driver passes by itself."""

    @abstractmethod
    def has_rolled_back(self, error: BaseException) -> bool:
        """Tell whether a COMMIT with this error surely did not happen."""

    @abstractmethod
    def is_damage(self, error: BaseException) -> bool:
        """Tell whether an error of the driver says that the database is damaged."""

    @abstractmethod
    def is_taken(self, error: BaseException) -> bool:
        """Tell whether an error of the driver says that there is such a row already."""


class SqliteEngine(DatabaseEngine):
    """SQLite: a file with one writer at a time; the connection runs our statements."""

    is_file = True
    quote = "quote({})"
    same = "{} IS {}"
    joined = "group_concat(text, char(10))"
    like = "LIKE"
    text = "TEXT"
    dashed_key = (
        "substr(key, 1, 8) || '-' || substr(key, 9, 4) || '-' || substr(key, 13, 4)"
        " || '-' || substr(key, 17, 4) || '-' || substr(key, 21)"
    )
    hex_key = "CAST(key AS TEXT)"
    unindexed = " NOT INDEXED"
    schema = "SELECT group_concat(quote(name) || quote(rootpage) || quote(sql)) FROM sqlite_master"
    integrity = "PRAGMA integrity_check(1)"
    forget_pages = "PRAGMA shrink_memory"
    _PASSING = frozenset(
        (
            *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),
            *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
            *(sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM),
        )
    )
    _DAMAGE = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
    _TAKEN = (
        *(sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY),
        sqlite3.SQLITE_CONSTRAINT_ROWID,
    )
    _PRIMARY = 0xFF
    """The part of a result code that names the kind of error."""

    def open(self, django: BaseDatabaseWrapper) -> Database:
        """Return the connection itself."""
        database: sqlite3.Connection = django.connection
        return database

    def begin(self, django: BaseDatabaseWrapper) -> Database:
        """Take the lock on writing, after a checkpoint that has to be first."""
        gate.wait()
        database: sqlite3.Connection = django.connection
        database.execute("BEGIN IMMEDIATE")
        return database

    def commit(self, database: Database) -> None:
        """Commit; the write-ahead log is on disk then."""
        database.execute("COMMIT")

    def roll_back(self, database: Database) -> None:
        """Roll back; SQLite has ended it itself after some errors."""
        if cast(sqlite3.Connection, database).in_transaction:
            database.execute("ROLLBACK")

    def select(self, database: Database, queries: Sequence[Query]) -> list[Rows]:
        """Run one after the other: nothing travels."""
        return [database.execute(*query).fetchall() for query in queries]

    def probe(self, database: Database) -> None:
        """Write one page."""
        ((version,),) = database.execute("PRAGMA user_version").fetchall()
        database.execute(f"PRAGMA user_version = {int(version)}")

    def end_stuck(self, database: Database, table: str) -> None:
        """Do nothing: nobody else has the file."""

    def is_passing(self, error: BaseException) -> bool:
        """Tell by SQLite's code."""
        return self._code(error) in self._PASSING

    def has_rolled_back(self, error: BaseException) -> bool:
        """Tell that it did not, whatever the error: who commits is in this process."""
        return True

    def is_damage(self, error: BaseException) -> bool:
        """Tell by SQLite's code."""
        return self._code(error) in self._DAMAGE

    def is_taken(self, error: BaseException) -> bool:
        """Tell by SQLite's whole code."""
        return getattr(error, "sqlite_errorcode", None) in self._TAKEN

    def _code(self, error: BaseException) -> int | None:
        code: int | None = getattr(error, "sqlite_errorcode", None)
        return None if code is None else code & self._PRIMARY


SQLITE = SqliteEngine()


@cache
def current() -> DatabaseEngine:
    """Return the engine of this process's database; SQLite's where there is none."""
    # From the settings: a role without a database does not even load the dummy.
    backend = str(connections.settings[DEFAULT_DB_ALIAS]["ENGINE"])
    if not backend.startswith(_OURS):
        return SQLITE
    engine: DatabaseEngine = import_module(f"{backend}.engine").ENGINE
    return engine
