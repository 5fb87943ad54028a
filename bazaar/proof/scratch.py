"""
Where an audit puts what it reads: a private SQLite database that moves to disk when it grows.

So a ledger of a million orders needs no million objects, and most promises become a query. Keys are
32 hex digits here, times are seconds since a run began, an infinite time is NULL.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Self

CACHE_KIB = 64 * 1024
"""Memory before pages go to a temporary file, which nobody else sees."""
_TABLES = """
CREATE TABLE ledger (order_no, key, stock_name, trade_type, quantity, digest, term, version);
CREATE TABLE stock (
    name, price, quantity, opening, issued, trade_volume, version, last
);
CREATE TABLE opening (stock_name, version, quantity, trade_volume, price);
CREATE TABLE trade (
    client, key, stock_name, trade_type, shares, order_no, outcome, status, start_s, end_s
);
CREATE TABLE read (
    client, stock_name, outcome, version, quantity, trade_volume, price, is_stale, start_s, end_s
);
CREATE TABLE sight (client, order_no, outcome, stock_name, trade_type, shares, start_s, end_s);
CREATE TABLE back (order_no INTEGER PRIMARY KEY, outcome, status, stock_name, trade_type, shares);
"""
_LEDGER_INDEXES = """
CREATE INDEX ledger_key ON ledger (key, order_no);
CREATE INDEX ledger_stock ON ledger (stock_name, order_no, version, trade_type, quantity);
CREATE INDEX ledger_order ON ledger (order_no);
"""
_HISTORY_INDEXES = """
CREATE INDEX trade_key ON trade (key);
CREATE INDEX trade_order ON trade (order_no) WHERE order_no IS NOT NULL;
CREATE INDEX read_stock ON read (stock_name);
CREATE INDEX sight_order ON sight (order_no);
CREATE TABLE asked AS
    SELECT key, MIN(client) AS client, MIN(start_s) AS start_s,
        MIN(CASE outcome WHEN 'ok' THEN end_s END) AS end_s
    FROM trade GROUP BY key;
CREATE INDEX asked_key ON asked (key);
"""


class Scratch:
    """The tables `ledger` and `stock` of the catalog; `asked` has every key of a history once."""

    def __init__(self) -> None:
        """Begin with empty tables."""
        self._database = sqlite3.connect("", isolation_level=None, cached_statements=64)
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def insert(self, table: str, rows: Iterable[Iterable[Any]]) -> None:
        """Add rows to one of the tables, each with all its columns."""
        (columns,) = self.one("SELECT COUNT(*) FROM pragma_table_info(?)", table)
        places = ", ".join("?" * columns)
        self._database.execute("BEGIN")
        statement = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608 - our own table names
        self._database.executemany(statement, (tuple(row) for row in rows))
        self._database.execute("COMMIT")

    def index_ledger(self) -> None:
        """Say that the ledger is complete."""
        self._database.executescript(_LEDGER_INDEXES)
        self._database.execute("ANALYZE")

    def index_history(self) -> None:
        """Say that the history is complete."""
        self._database.executescript(_HISTORY_INDEXES)
        self._database.execute("ANALYZE")

    def select(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, one by one."""
        yield from self._database.execute(query, values)

    def one(self, query: str, *values: Any) -> tuple[Any, ...]:
        """Return the only row of a query."""
        (row,) = self._database.execute(query, values)
        found: tuple[Any, ...] = row
        return found
