"""
The deciding transaction's reads and writes: few statements, plain SQL (ADR 4 says why).

The ORM costs several times the statement itself here, on the one path that every trade takes.
Column and table names are those of `models`; everything else in this room reads through
`selectors`.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from bazaar.core.digest import GENESIS, link
from bazaar.core.ledger import Batch, Book, Decision
from bazaar.core.types import (
    Digest,
    Order,
    OrderNo,
    ReplicaId,
    Stock,
    Term,
    TradeType,
    Version,
)

_REIGN_AND_HEAD = (
    "SELECT leadership.term, leadership.leader, entry.order_no, entry.digest"
    " FROM catalog_app_leadership leadership LEFT JOIN catalog_app_entry entry"
    " ON entry.order_no = (SELECT MAX(order_no) FROM catalog_app_entry)"
    " WHERE leadership.id = 1"
)
_KNOWN = (
    "SELECT order_no, key, stock_name, trade_type, quantity"
    " FROM catalog_app_entry WHERE key IN ({})"
)
_STOCKS = (
    "SELECT name, price, quantity, opening, issued, trade_volume, version"
    " FROM catalog_app_stock WHERE name IN ({})"
)
_INSERT = (
    "INSERT INTO catalog_app_entry"
    " (order_no, key, stock_name, trade_type, quantity, term, digest, version)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
)
_UPDATE = (
    "UPDATE catalog_app_stock SET quantity = %s, trade_volume = %s, version = %s"
    " WHERE name = %s AND version = %s"
)


def read_book(batch: Batch) -> Book:
    """Return the facts for a decision; call it inside the deciding transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_REIGN_AND_HEAD)
        term, leader, last, digest = cursor.fetchone()
        known = _select(cursor, _KNOWN, [trade.key.hex for trade in batch.trades])
        stocks = _select(cursor, _STOCKS, sorted({trade.stock_name for trade in batch.trades}))
    return Book(
        term=Term(term),
        leader=None if leader is None else ReplicaId(leader),
        last=OrderNo(last or 0),
        digest=Digest(digest) if digest else GENESIS,
        known={order.key: order for order in map(_order, known)},
        stocks={row[0]: _stock(row) for row in stocks},
    )


def _select(cursor: Any, statement: str, values: Sequence[str]) -> Sequence[tuple[Any, ...]]:
    """Return the rows whose column is one of `values`."""
    cursor.execute(statement.format(", ".join(["%s"] * len(values))), values)
    rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _order(row: tuple[Any, ...]) -> Order:
    order_no, key, stock_name, trade_type, quantity = row
    return Order(OrderNo(order_no), UUID(str(key)), stock_name, TradeType(trade_type), quantity)


def _stock(row: tuple[Any, ...]) -> Stock:
    name, price, quantity, opening, issued, trade_volume, version = row
    return Stock(
        name, Decimal(str(price)), quantity, opening, issued, trade_volume, Version(version)
    )


def write(book: Book, decision: Decision) -> None:
    """Append the orders to the ledger and change their stocks."""
    if not decision.orders:
        return
    linked = link(book.digest, decision.orders)
    with connection.cursor() as cursor:
        cursor.executemany(
            _INSERT,
            [
                (
                    order.order_no,
                    order.key.hex,
                    order.stock_name,
                    order.trade_type.value,
                    order.quantity,
                    book.term,
                    digest,
                    version,
                )
                for (order, digest), version in zip(linked, decision.versions, strict=True)
            ],
        )
        for stock in decision.stocks:
            before: Stock = book.stocks[stock.name]
            cursor.execute(
                _UPDATE,
                (stock.quantity, stock.trade_volume, stock.version, stock.name, before.version),
            )
            assert cursor.rowcount == 1, "only one writer changes a stock at a time"
