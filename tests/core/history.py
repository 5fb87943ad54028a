"""Orders, trades and stocks for examples, and strategies that draw them."""

from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st

from bazaar.core.types import Order, OrderNo, Stock, Trade, TradeType, Version

NAMES = ("GameStart", "BoarCo", "AT&T", "Ménhir|1")
"""Some names as they are: with an ampersand, an accent, and the digest's own separator."""

CLIENTS = (None, "bob", "ann@example.com")
"""Names of tokens; None: without one."""


def make_trade(key: int, quantity: int = 1, name: str = "GameStart", kind: str = "buy") -> Trade:
    """Return a trade whose key is a small number."""
    return Trade(UUID(int=key), name, TradeType(kind), quantity)


def make_order(order_no: int, trade: Trade | None = None) -> Order:
    """Return an order; without a trade, one whose key is its number."""
    trade = trade or make_trade(order_no)
    return Order(
        *(OrderNo(order_no), trade.key, trade.stock_name, trade.trade_type, trade.quantity),
        placed_by=trade.placed_by,
    )


def make_orders(count: int) -> tuple[Order, ...]:
    """Return a history of `count` orders."""
    return tuple(make_order(at) for at in range(1, count + 1))


def make_stock(name: str = "GameStart", quantity: int = 50, issued: int = 100) -> Stock:
    """Return a stock as it is when it is listed."""
    return Stock(name, Decimal("9.50"), quantity, quantity, issued, 0, Version(1))


def trades(keys: int = 1000) -> st.SearchStrategy[Trade]:
    """Draw a trade in one of few stocks, with one of `keys` keys."""
    return st.builds(
        Trade,
        key=st.integers(1, keys).map(lambda number: UUID(int=number)),
        stock_name=st.sampled_from(NAMES),
        trade_type=st.sampled_from(TradeType),
        quantity=st.integers(1, 60),
        placed_by=st.sampled_from(CLIENTS),
    )


def histories(size_max: int = 12) -> st.SearchStrategy[tuple[Order, ...]]:
    """Draw a history: dense numbers, a key of its own for each order."""
    return st.lists(trades(), max_size=size_max, unique_by=lambda trade: trade.key).map(
        lambda drawn: tuple(make_order(at, trade) for at, trade in enumerate(drawn, 1))
    )
