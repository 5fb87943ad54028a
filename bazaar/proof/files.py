"""
Database files as audit sources: read-only, whether their processes run or not.

Each file is read in one transaction, so what is read is one committed state; the logs' transactions
begin before the ledger's, so the ledger has all that they have.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bazaar.proof.sources import CHUNK_ROWS, DamagedError, KnownTerm, Row, SourceError, tidy_key
from bazaar.runtime.engines import SQLITE
from bazaar.runtime.sequence_rows import PLACED_BY
from bazaar.settings import database_file

TIMEOUT_S = 5.0
"""To wait for a lock."""
_LEDGER_ROWS = (
    "SELECT order_no, key, stock_name, trade_type, quantity, {by}, digest, term, version"
    " FROM catalog_app_entry ORDER BY order_no"
)
_LOG_ROWS = (
    "SELECT order_no, key, stock_name, trade_type, quantity, {by}, digest"
    " FROM order_app_logentry ORDER BY order_no"
)
_CHANGES = (
    "SELECT position, change_no, stock_name, price, opening, issued, version, digest"
    " FROM {} ORDER BY position"
)
_HAS_TABLE = "SELECT COUNT(*) FROM sqlite_master WHERE name = '{}'"
_STOCKS = (
    "SELECT name, price, quantity, opening, issued, trade_volume, version"
    " FROM catalog_app_stock ORDER BY id"
)


class _File:
    """A database in a file, in one read transaction from its opening on."""

    rows = last_order = term = order_table = change_table = ""

    def __init__(self, name: str, path: Path) -> None:
        """Open it. Raises SourceError: it cannot be opened; DamagedError: it is broken."""
        self.name, self.path = name, path
        if not path.is_file():
            raise SourceError(f"{name} has no database at {path}.")
        self._database = self._open()
        (last,) = self._select(self.last_order)[0]
        self.last: int = last if isinstance(last, int) else 0
        term, leader = next(iter(self._select(self.term)), (0, None))
        if type(term) is not int:
            raise DamagedError(f"the term in {self.path} is {term!r}.")
        self.known_term = KnownTerm(term, leader)

    def chunks(self) -> Iterator[list[Row]]:
        """Yield all rows by their numbers."""
        try:
            is_older = not database_file.has_column(self._database, self.order_table, PLACED_BY)
            rows_of = self.rows.format(by="NULL" if is_older else PLACED_BY)
            cursor = self._database.execute(rows_of)
            while rows := cursor.fetchmany(CHUNK_ROWS):
                self._check_numbers(rows)
                yield [(row[0], tidy_key(row[1]), *row[2:]) for row in rows]
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def changes(self) -> list[Row]:
        """Return the stock changes; none in a file that is not migrated yet."""
        if not self._select(_HAS_TABLE.format(self.change_table))[0][0]:
            return []
        return self._select(_CHANGES.format(self.change_table))

    def close(self) -> None:
        """End the transaction."""
        self._database.close()

    def _check_numbers(self, rows: list[Row]) -> None:
        for row in rows:
            if type(row[0]) is not int:
                raise DamagedError(f"the number of an order in {self.path} is {row[0]!r}.")

    def _open(self) -> sqlite3.Connection:
        try:
            return database_file.open_snapshot(self.path, TIMEOUT_S)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _select(self, query: str) -> list[Any]:
        try:
            return self._database.execute(query).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> SourceError:
        message = f"the database {self.path} cannot be read: {error}"
        if SQLITE.is_passing(error):
            return SourceError(f"{self.name}: {message}.")
        return DamagedError(f"{message}.")


class LogFile(_File):
    """A replica's database."""

    rows = _LOG_ROWS
    last_order = "SELECT MAX(order_no) FROM order_app_logentry"
    term = "SELECT term, leader FROM order_app_heardterm"
    order_table = "order_app_logentry"
    change_table = "order_app_stockchange"


class LedgerFile(_File):
    """The catalog's database."""

    rows = _LEDGER_ROWS
    last_order = "SELECT MAX(order_no) FROM catalog_app_entry"
    term = "SELECT term, leader FROM catalog_app_leadership"
    order_table = "catalog_app_entry"
    change_table = "catalog_app_stockchange"

    def stocks(self) -> Iterator[Row]:
        """Yield the stocks; they are as of the ledger's end."""
        for row in self._select(_STOCKS):
            yield (*row, self.last)
