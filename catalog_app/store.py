"""
The deciding transaction's reads and writes: few statements, plain SQL (ADR 4 says why).

The ORM costs several times the statement itself here, on the one path that every trade takes.
Column and table names are those of `models`; everything else in this room reads through
`selectors`.
"""

from collections.abc import Sequence
from decimal import Decimal
from sqlite3 import Connection
from typing import Any
from uuid import UUID

from django.db import connection

from bazaar.core.digest import GENESIS, link
from bazaar.core.ledger import Batch, Decision, LedgerFacts
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

_LEADERSHIP_AND_HEAD = (
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
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_FORGET = "DELETE FROM catalog_app_holderregistration WHERE holder_id IN ({})"
_UPDATE = (
    "UPDATE catalog_app_stock SET quantity = ?, trade_volume = ?, version = ?"
    " WHERE name = ? AND version = ?"
)


def read_facts(database: Connection, batch: Batch) -> LedgerFacts:
    """Return the facts for a decision; database: in the deciding transaction."""
    term, leader, last, digest = database.execute(_LEADERSHIP_AND_HEAD).fetchone()
    known = _select(database, _KNOWN, [trade.key.hex for trade in batch.trades])
    stocks = _select(database, _STOCKS, sorted({trade.stock_name for trade in batch.trades}))
    return LedgerFacts(
        term=Term(term),
        leader=None if leader is None else ReplicaId(leader),
        last=OrderNo(last or 0),
        digest=Digest(digest) if digest else GENESIS,
        known={order.key: order for order in map(_order, known)},
        stocks={row[0]: _stock(row) for row in stocks},
    )


def _select(database: Connection, statement: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the rows whose column is one of `values`."""
    marks = ", ".join(["?"] * len(values))
    return database.execute(statement.format(marks), values).fetchall()


def _order(row: tuple[Any, ...]) -> Order:
    order_no, key, stock_name, trade_type, quantity = row
    return Order(OrderNo(order_no), UUID(str(key)), stock_name, TradeType(trade_type), quantity)


def _stock(row: tuple[Any, ...]) -> Stock:
    name, price, quantity, opening, issued, trade_volume, version = row
    return Stock(
        name, Decimal(str(price)), quantity, opening, issued, trade_volume, Version(version)
    )


def write(database: Connection, facts: LedgerFacts, decision: Decision) -> None:
    """Append the orders to the ledger and change their stocks, in the deciding transaction."""
    if not decision.orders:
        return
    linked = link(facts.digest, decision.orders)
    database.executemany(
        _INSERT,
        [
            (
                order.order_no,
                order.key.hex,
                order.stock_name,
                order.trade_type.value,
                order.quantity,
                facts.term,
                digest,
                version,
            )
            for (order, digest), version in zip(linked, decision.versions, strict=True)
        ],
    )
    for stock in decision.stocks:
        before: Stock = facts.stocks[stock.name]
        updated = database.execute(
            _UPDATE,
            (stock.quantity, stock.trade_volume, stock.version, stock.name, before.version),
        )
        assert updated.rowcount == 1, "only one writer changes a stock at a time"


def forget_holders(holder_ids: Sequence[str]) -> None:
    """Strike holders off the register, in whatever transaction is under way."""
    keys = [UUID(holder_id).hex for holder_id in holder_ids]
    with connection.cursor() as cursor:
        cursor.execute(_FORGET.format(", ".join(["%s"] * len(keys))), keys)
