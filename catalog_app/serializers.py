"""The catalog's answers in the seed's dialect, and what a price may be."""

from decimal import Decimal
from typing import Any

from bazaar.core.types import Stock
from bazaar.web.decoding import bad_request

PRICE_DIGITS_MAX = 15
"""What every database keeps exactly: SQLite holds decimals as doubles."""
PRICE_DECIMALS_MAX = 4


def check_price(price: Decimal) -> Decimal:
    """Return a price that the database can hold. Raises EndpointRefusedError (400)."""
    if not price.is_finite() or price <= 0:
        raise bad_request("price: this must be greater than 0.")
    _, digits, exponent = price.as_tuple()
    assert isinstance(exponent, int), "a finite number has an exponent"
    whole = len(digits) + exponent
    if -exponent > PRICE_DECIMALS_MAX or whole > PRICE_DIGITS_MAX - PRICE_DECIMALS_MAX:
        raise bad_request(
            f"price: at most {PRICE_DIGITS_MAX - PRICE_DECIMALS_MAX} digits before the point "
            f"and {PRICE_DECIMALS_MAX} after it."
        )
    return price


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
