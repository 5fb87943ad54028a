"""
A database file as a decided sequence: its end, and what is wrong with it.

A catalog's, a replica's or a backup of either, whether its process runs or not. All that is read is
of the moment of its opening.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Self
from uuid import UUID

from bazaar.cluster.exits import INCONSISTENT, ClusterError
from bazaar.core.failures import Unreachable
from bazaar.core.replay import StockReplay
from bazaar.core.types import Head, Position, Stock
from bazaar.runtime.engines import SQLITE, Rows
from bazaar.runtime.sequence_rows import PLACED_BY
from bazaar.runtime.sequence_store import VERIFY_ROWS, SequenceStore
from bazaar.settings import database_file
from bazaar.topology import Role

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
_STOCKS = (
    "SELECT name, price, quantity, opening, issued, trade_volume, version FROM catalog_app_stock"
)
_UNREADABLE = (sqlite3.Error, ValueError, TypeError, ArithmeticError, Unreachable)
"""What reading damaged rows ends with."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """Where a role keeps its sequence."""

    orders: str
    changes: str
    term: str
    identity: str


_BY_ROLE = {
    Role.CATALOG: _Tables(
        "catalog_app_entry",
        "catalog_app_stockchange",
        "catalog_app_leadership",
        "catalog_app_identity",
    ),
    Role.ORDER: _Tables(
        "order_app_logentry",
        "order_app_stockchange",
        "order_app_heardterm",
        "order_app_identity",
    ),
}


class UnreadableFile(ClusterError):  # noqa: N818 - it is a fact about the world
    """A file has no sequence that can be read; the message says why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} {why}.")
        self.path = path


class SequenceFile:
    """An open file; `close` ends the reading."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises UnreadableFile."""
        self.path = path
        fault = database_file.find_file_fault(path)
        if fault or not path.exists():
            raise UnreadableFile(path, fault or "is not there")
        with self._explained():
            self._database = database_file.open_snapshot(path)
        try:
            self._look()
        except ClusterError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the reading."""
        self._database.close()

    def head_at(self, position: Position) -> Head:
        """Return the head that the sequence had at a position. Raises UnreadableFile."""
        with self._explained():
            return self._store.page(position, 1).after

    def find_sound_end(self, after: Head) -> Head:
        """Return the last head before the first wrong entry after one. Raises UnreadableFile."""
        with self._explained():
            return self._store.find_sound_end(after)[0]

    def describe(self) -> list[str]:
        """Return role, cluster, head and term in words."""
        head = self.head
        return [
            f"role        {self.role}",
            *([f"cluster     {self.cluster_id}"] if self.cluster_id else []),
            f"position    {head.position:,}",
            f"last order  {head.order_no:,}",
            f"digest      {head.digest}",
            f"term        {self.term}",
        ]

    def find_fault(self) -> str:
        """
        Check entries, pages and stocks.

        Returns the first that is wrong in words, nothing when there is none.
        """
        try:
            if fault := self._store.find_fault():
                return f"{fault} is wrong: its digest does not follow from it and those before it"
            ((answer,), *_) = self._execute("PRAGMA integrity_check(1)")
            if answer != "ok":
                return f"it is damaged: {' '.join(str(answer).split())}"
            return self._find_wrong_stock() if self.role is Role.CATALOG else ""
        except _UNREADABLE as error:
            return f"it is damaged: {error}"

    def _look(self) -> None:
        with self._explained():
            tables = {name for (name,) in self._execute(_TABLES)}
            roles = [role for role in _BY_ROLE if _BY_ROLE[role].orders in tables]
        if len(roles) != 1:
            raise UnreadableFile(self.path, "is no database of a catalog or an order replica")
        (self.role,) = roles
        names = _BY_ROLE[self.role]
        if names.changes not in tables:
            raise UnreadableFile(
                self.path,
                "is of an older version, without stock changes: let `cluster init` migrate it in "
                "the data folder",
            )
        with self._explained():
            is_older = not database_file.has_column(self._database, names.orders, PLACED_BY)
            self._store = SequenceStore(
                *(names.orders, names.changes),
                execute=self._execute,
                placed_by="NULL" if is_older else PLACED_BY,
                engine=SQLITE,
            )
            self.head = self._store.read_head()
            terms = self._execute(f"SELECT term FROM {names.term}")  # noqa: S608 - a name of ours
            self.term = int(terms[0][0]) if terms else 0
            has_identity = names.identity in tables  # not in files from before there was one
            self.cluster_id = self._read_cluster_id(names.identity) if has_identity else ""

    def _read_cluster_id(self, table: str) -> str:
        """Return the identity of the cluster; none before it is known."""
        rows = self._execute(f"SELECT cluster_id FROM {table}")  # noqa: S608 - a name of ours
        return str(UUID(str(rows[0][0]))) if rows and rows[0][0] else ""

    def _find_wrong_stock(self) -> str:
        """Compare the stocks with what the entries make of them (I4, I11)."""
        replay, after = StockReplay(), Position(0)
        while entries := self._store.page(after, VERIFY_ROWS).entries:
            replay.take_all(entries)
            after = Position(after + len(entries))
        stocks = replay.stocks
        for row in self._execute(_STOCKS):
            stock = stocks.pop(row[0], None)
            if stock is None:
                return f"stock {row[0]} is in no entry"
            if (Decimal(str(row[1])), *row[2:]) != _columns(stock):
                return f"stock {row[0]} is not what the entries make of it"
        return next((f"stock {name} is missing" for name in stocks), "")

    def _execute(self, statement: str, values: Sequence[str | int] = ()) -> Rows:
        return self._database.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            raise UnreadableFile(self.path, f"cannot be read ({error})") from error


def _columns(stock: Stock) -> tuple[object, ...]:
    return (
        *(stock.price, stock.quantity, stock.opening, stock.issued),
        *(stock.trade_volume, stock.version),
    )


def verify(path: Path) -> list[str]:
    """Return what a file is, in words. Raises ClusterError: it cannot be read, or is wrong."""
    with SequenceFile(path) as file:
        if fault := file.find_fault():
            raise ClusterError(f"{path}: {fault}.", INCONSISTENT)
        return file.describe()
