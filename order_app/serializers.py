"""An order replica's answers in the seed's dialect."""

from typing import Any

from bazaar.core.types import Order


def seed_order(order: Order) -> dict[str, Any]:
    """Return an order as `GET /query` shows it."""
    return {
        "data": {
            "order_no": order.order_no,
            "stock_name": order.stock_name,
            "trade_type": order.trade_type,
            "quantity": order.quantity,
        }
    }
