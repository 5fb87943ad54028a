"""Trades, orders and pages by the number, for tests of the rooms."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from bazaar.core.digest import chain, link
from bazaar.core.ledger import Page
from bazaar.core.types import (
    START,
    Linked,
    Order,
    OrderNo,
    Position,
    Stock,
    Trade,
    TradeType,
    Version,
)

STOCK = Stock(
    name="MenhirCo",
    price=Decimal("12.50"),
    quantity=1000,
    opening=1000,
    issued=2000,
    trade_volume=0,
    version=Version(1),
)
TOKEN = UUID(int=29)
"""Of a leadership, in its appends."""


def make_trade(number: int, quantity: int = 1, **changes: Any) -> Trade:
    """Return a trade of its own key; the same number gives the same trade."""
    trade = Trade(UUID(int=number), STOCK.name, TradeType.BUY, quantity)
    return replace(trade, **changes)


def make_order(number: int, **changes: Any) -> Order:
    """Return the order that `make_trade(number)` becomes in an otherwise empty history."""
    trade = make_trade(number)
    order = Order(OrderNo(number), trade.key, trade.stock_name, trade.trade_type, trade.quantity)
    return replace(order, **changes)


def make_orders(count: int) -> list[Order]:
    """Return the first `count` orders of that history."""
    return list(map(make_order, range(1, count + 1)))


def make_linked(count: int) -> tuple[Linked, ...]:
    """Return the first `count` orders, each with the head that it makes."""
    return tuple(link(START, map(make_order, range(1, count + 1))))


def make_page(count: int, after: int = 0, orders: Sequence[Order] | None = None) -> Page:
    """Return orders after+1 to count of that history, or the given ones in their place."""
    start = chain(START, map(make_order, range(1, after + 1)))
    chosen = tuple(map(make_order, range(after + 1, count + 1))) if orders is None else orders
    return Page(
        after=start,
        entries=tuple(chosen),
        digest=chain(start, chosen).digest,
        last=Position(max(count, after)),
    )
