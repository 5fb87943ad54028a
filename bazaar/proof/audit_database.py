"""
What an audit has read: a private SQLite database that spills to disk.

So a ledger of a million orders needs no million objects, and most promises are a query. Keys are 32
hex digits, times are seconds since the run began, an infinite time is NULL.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from bazaar.proof.sources import key_text
from bazaar.proof.verdict import Finding

CACHE_KIB = 64 * 1024
"""Memory before pages go to a temporary file of this process."""
_TABLES = """
CREATE TABLE ledger (
    order_no, key, stock_name, trade_type, quantity, placed_by, digest, term, version
);
CREATE TABLE change (
    position, change_no, stock_name, price, opening, issued, version, digest
);
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
CREATE TABLE lookup (client, order_no, outcome, stock_name, trade_type, shares, start_s, end_s);
CREATE TABLE back (order_no INTEGER PRIMARY KEY, outcome, status, stock_name, trade_type, shares);
"""
_LEDGER_INDEXES = """
CREATE INDEX ledger_key ON ledger (key, order_no);
CREATE INDEX ledger_stock ON ledger (stock_name, order_no, version, trade_type, quantity);
CREATE INDEX ledger_order ON ledger (order_no);
CREATE INDEX change_stock ON change (stock_name, version);
"""
_HISTORY_INDEXES = """
CREATE INDEX trade_key ON trade (key);
CREATE INDEX trade_order ON trade (order_no) WHERE order_no IS NOT NULL;
CREATE INDEX read_stock ON read (stock_name);
CREATE INDEX lookup_order ON lookup (order_no);
CREATE TABLE request AS
    SELECT key, MIN(client) AS client, MIN(start_s) AS start_s,
        MIN(CASE outcome WHEN 'ok' THEN end_s END) AS end_s
    FROM trade GROUP BY key;
CREATE INDEX request_key ON request (key);
"""


class Rule(NamedTuple):
    """A promise as a query: every row that it selects breaks the promise."""

    invariant: str
    message: str
    """A format of the row's columns, by name; `order_no` is the order that the finding names."""
    query: str


class AuditDatabase:
    """
    The tables of an audit.

    `ledger` and `stock` are the catalog's. `trade`, `read`, `lookup` (look-ups of orders) and
    `opening` are a history's; `request` has every key of it once. `back` has the orders read back.
    """

    def __init__(self) -> None:
        """Begin with empty tables."""
        self._database = sqlite3.connect("", isolation_level=None, cached_statements=64)
        self._database.create_function("key_text", 1, key_text, deterministic=True)
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
        """Index the ledger, which is complete."""
        self._database.executescript(_LEDGER_INDEXES)
        self._database.execute("ANALYZE")

    def index_history(self) -> None:
        """Index the history, which is complete."""
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

    def find(self, where: str, rules: Iterable[Rule]) -> Iterator[Finding]:
        """Yield a finding for every row that the rules select."""
        for rule in rules:
            cursor = self._database.execute(rule.query)
            names = [column[0] for column in cursor.description]
            for row in cursor:
                columns = dict(zip(names, row, strict=True))
                message = rule.message.format(**columns)
                yield Finding(rule.invariant, where, message, columns.get("order_no"))
