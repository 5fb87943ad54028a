"""
Databases of a cluster that kept every promise, and the history of its clients; tests break them.

The tables have the names and columns of the models, and none of their constraints: damage does not
ask for permission.
"""

import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model

from bazaar.cluster.data_dir import DataDir
from bazaar.core.digest import chain, extend, link
from bazaar.core.ledger import decide, describe, reprice
from bazaar.core.types import (
    START,
    Order,
    OrderNo,
    Stock,
    StockChange,
    Trade,
    TradeType,
    Version,
)
from bazaar.proof.records import Done, Header, Opening, Record

NAMES = ("GameStart", "MenhirCo", "Ünï & Co.")
ORDERS = 40
TERM = 2
CLIENT = "ann@example.com"
"""Placed every third order."""
_CATALOG = (
    "catalog_app.Entry",
    "catalog_app.StockChange",
    "catalog_app.Stock",
    "catalog_app.Leadership",
)
_ORDER = ("order_app.LogEntry", "order_app.StockChange", "order_app.HeardTerm")


class ClusterFiles:
    """The files of one catalog and three replicas in a folder; see `run` for its clients."""

    def __init__(
        self,
        root: Path,
        orders: int = ORDERS,
        seed: int = 1,
        issued: int = 2000,
        client: str | None = CLIENT,
    ) -> None:
        """Make the files; the market is the same for the same seed. client: as CLIENT."""
        self._client = client
        self.data, self._chance = DataDir(root), random.Random(seed)
        self.stocks = {
            name: Stock(name, Decimal("12.5"), 1000, 1000, issued, 0, Version(1)) for name in NAMES
        }
        self.openings = tuple(
            Opening(one.name, one.version, one.quantity, one.trade_volume, str(one.price))
            for one in self.stocks.values()
        )
        self.orders: list[Order] = []
        self.rows: list[tuple[Any, ...]] = []
        self.history: list[Done] = []
        listing = [describe(stock) for stock in self.stocks.values()]
        self.changes = [
            (head.position, head.position, *_change_columns(entry), head.digest)
            for entry, head in link(START, listing)
            if isinstance(entry, StockChange)
        ]
        self._head = chain(START, listing)
        root.mkdir(parents=True, exist_ok=True)
        for number in range(1, orders + 1):
            self._trade(number)
        self._write()

    # What is right

    def _trade(self, number: int) -> None:
        """Trade, and read before and after it, one after the other."""
        name = self._chance.choice(NAMES)
        trade_type = self._chance.choice(tuple(TradeType))
        trade = Trade(UUID(int=number), name, trade_type, self._chance.randint(1, 10))
        placed_by = None if number % 3 else self._client
        order = Order(OrderNo(number), trade.key, name, trade_type, trade.quantity, placed_by)
        self._read(name, number)
        self.stocks[name] = stock = decide(self.stocks[name], trade)
        self._head = extend(self._head, order)
        columns = (name, trade_type.value, trade.quantity, self._head.digest)
        self.orders.append(order)
        self.rows.append((number, trade.key.hex, *columns, TERM, stock.version, placed_by))
        self.history.append(
            Done(
                **_span("trade", number + 0.3),
                stock_name=name,
                key=str(trade.key),
                trade_type=trade_type.value,
                shares=trade.quantity,
                order_no=number,
            )
        )
        self._read(name, number + 0.6)
        self.history.append(
            Done(
                **_span("order", number + 0.8),
                order_no=number,
                stock_name=name,
                trade_type=trade_type.value,
                shares=trade.quantity,
            )
        )

    def _read(self, name: str, at_s: float) -> None:
        stock = self.stocks[name]
        self.history.append(
            Done(
                **_span("query", at_s),
                stock_name=name,
                version=stock.version,
                price=str(stock.price),
                quantity=stock.quantity,
                trade_volume=stock.trade_volume,
            )
        )

    def _write(self) -> None:
        stocks = [
            (place, name, str(one.price), *_numbers(one))
            for place, (name, one) in enumerate(self.stocks.items(), start=1)
        ]
        with closing(sqlite3.connect(self.path("catalog"))) as database:
            make_tables(database, _CATALOG)
            fill(
                database,
                "catalog_app_entry",
                [(*r[:5], r[6], r[5], *r[7:], None) for r in self.rows],
            )
            fill(database, "catalog_app_stockchange", self.changes)
            fill(database, "catalog_app_stock", stocks)
            end = self._head.position, self._head.digest
            head_row = (1, 0, None, 0, TERM, 3, "1,2,3", *end, 0)
            fill(database, "catalog_app_leadership", [head_row])
        for number in (1, 2, 3):
            with closing(sqlite3.connect(self.path(f"order-{number}"))) as database:
                make_tables(database, _ORDER)
                fill(database, "order_app_logentry", [(*row[:6], row[8]) for row in self.rows])
                fill(database, "order_app_stockchange", self.changes)
                fill(database, "order_app_heardterm", [(1, TERM, 3)])

    def path(self, name: str) -> Path:
        """Return the database of a process."""
        return self.data.root / f"{name}.sqlite3"

    def records(self, history: Iterable[Done] | None = None) -> list[Record]:
        """Return a history with its header; without an argument the right one."""
        header = Header(
            format=1,
            seed=1,
            profile="seed",
            started="2026-01-01T00:00:00Z",
            urls=("http://127.0.0.1:1",),
            options={},
            openings=self.openings,
        )
        return [header, *(self.history if history is None else history)]

    def reprice(self, name: str, price: Decimal) -> None:
        """Change a price, as the catalog does; no log has it yet."""
        stock = reprice(self.stocks[name], price)
        self.stocks[name], entry = stock, describe(stock)
        self._head = extend(self._head, entry)
        numbers = (self._head.position, self._head.position - self._head.order_no)
        row = (*numbers, *_change_columns(entry), self._head.digest)
        with closing(sqlite3.connect(self.path("catalog"))) as database:
            fill(database, "catalog_app_stockchange", [row])
            database.execute(
                "UPDATE catalog_app_stock SET price = ?, version = ? WHERE name = ?",
                (str(price), stock.version, name),
            )
            database.commit()

    # What is wrong

    def damage(self, name: str, *statements: str) -> None:
        """Change the database of a process."""
        with closing(sqlite3.connect(self.path(name))) as database, database:
            for statement in statements:
                database.execute(statement)


def _numbers(one: Stock) -> tuple[int, ...]:
    return one.quantity, one.opening, one.issued, one.trade_volume, one.version


def _change_columns(one: StockChange) -> tuple[str, str, int, int, int]:
    return one.stock_name, str(one.price), one.opening, one.issued, one.version


def _span(kind: Any, at_s: float) -> dict[str, Any]:
    times = {"intended_s": at_s, "sent_s": at_s, "done_s": at_s + 0.1}
    return {"client": 1, "kind": kind, "url": 0, "outcome": "ok", "status": 200, **times}


def make_tables(database: sqlite3.Connection, labels: Iterable[str]) -> None:
    """Make the tables of some models, columns only."""
    for label in labels:
        model: type[Model] = apps.get_model(label)
        fields = (one for one in model._meta.concrete_fields if not one.generated)
        columns = ", ".join(field.column for field in fields if field.column)
        database.execute(f"CREATE TABLE {model._meta.db_table} ({columns})")


def fill(database: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows; they have all columns, in the order of the model's fields."""
    rows = list(rows)
    if rows:
        places = ", ".join("?" * len(rows[0]))
        database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
    database.commit()
