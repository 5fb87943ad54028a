"""The catalog's answers in the seed's dialect."""

from typing import Any

from bazaar.core.types import Stock


def seed_stock(stock: Stock) -> dict[str, Any]:
    """Return a stock as `GET /query` shows it."""
    return {
        "data": {
            "stock_name": stock.name,
            "price": stock.price,
            "trade_volume": stock.trade_volume,
            "quantity": stock.quantity,
        }
    }
