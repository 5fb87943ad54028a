"""Rows of a decided sequence on disk as entries, and back (`sequence_store`)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from bazaar.core.types import (
    GENESIS,
    Digest,
    Entry,
    Head,
    Order,
    OrderNo,
    Position,
    StockChange,
    TradeType,
    Version,
)

ORDER_COLUMNS = 6
"""Before the digest."""
PLACED_BY = "placed_by"
"""The column of an order that tables of older versions have not."""
CHANGE_COLUMNS = 8
"""With the digest, which is the last."""


def make_head(row: Sequence[Any]) -> Head:
    """Return the head of HEAD_COLUMNS."""
    order_no, order_digest, changed_at, changes, change_digest = row
    position = Position((order_no or 0) + (changes or 0))
    is_change = changes is not None and changed_at == position
    digest = change_digest if is_change else order_digest or GENESIS
    return Head(position, OrderNo(order_no or 0), Digest(digest))


def order_row(order: Order, head: Head) -> tuple[Any, ...]:
    """Return the row of an order; head: up to and including it."""
    return (
        order.order_no,
        order.key.hex,
        order.stock_name,
        str(order.trade_type),
        order.quantity,
        order.placed_by,
        head.digest,
    )


def change_row(change: StockChange, head: Head) -> tuple[Any, ...]:
    """Return the row of a stock change; head: up to and including it."""
    return (
        head.position,
        head.position - head.order_no,
        change.stock_name,
        str(change.price),
        change.opening,
        change.issued,
        change.version,
        head.digest,
    )


def change_of(row: tuple[Any, ...]) -> Entry:
    """Return the stock change of a row. Raises ArithmeticError, ValueError: it is none."""
    _, _, stock_name, price, opening, issued, version, _ = row
    return StockChange(stock_name, Decimal(price), opening, issued, Version(version))


def order_of(row: tuple[Any, ...]) -> Order:
    """Return the order of a row. Raises ValueError: it is none."""
    order_no, key, stock_name, trade_type, quantity, placed_by = row[:ORDER_COLUMNS]
    return Order(
        *(OrderNo(order_no), UUID(str(key)), stock_name, TradeType(trade_type), quantity),
        placed_by=placed_by,
    )


def read_key(text: str) -> UUID | None:
    """Return the key that a text is; None: it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def make_pattern(text: str) -> str:
    """Return the pattern of `LIKE ... ESCAPE '!'` for texts that contain this one."""
    escaped = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"
