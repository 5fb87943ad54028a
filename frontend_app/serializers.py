"""The front end's requests and answers in the seed's dialect (DESIGN 6)."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from bazaar.core.types import QUANTITY_MAX, QUANTITY_MIN, Order, Stock, TradeType
from bazaar.web.rest import check_stock_name
from frontend_app.readings import Reading


class NameField(serializers.Field[str, str, str, Any]):
    """A stock's name, exactly as given: nothing is trimmed or folded."""

    default_error_messages = {"invalid": "This must be a string."}

    def to_internal_value(self, data: Any) -> str:
        """Return the name. Raises ValidationError (400)."""
        if not isinstance(data, str):
            self.fail("invalid")
        return check_stock_name(data)

    def to_representation(self, value: str) -> str:
        """Return the name."""
        return value


class SharesField(serializers.Field[int, int, int, Any]):
    """A whole number of shares, 1 to 10**9; JSON numbers only, so true, 1.0 and "1" are refused."""

    default_error_messages = {
        "invalid": "This must be a whole number.",
        "range": f"This must be from {QUANTITY_MIN} to {QUANTITY_MAX}.",
    }

    def to_internal_value(self, data: Any) -> int:
        """Return the number. Raises ValidationError (400)."""
        if type(data) is not int:
            self.fail("invalid")
        if not QUANTITY_MIN <= data <= QUANTITY_MAX:
            self.fail("range")
        return int(data)

    def to_representation(self, value: int) -> int:
        """Return the number."""
        return value


class TradeTypeField(serializers.ChoiceField):
    """Which way the shares go: "buy" or "sell", a JSON string only."""

    default_error_messages = {"invalid": "This must be a string."}

    def to_internal_value(self, data: Any) -> str:
        """Return the direction. Raises ValidationError (400)."""
        if not isinstance(data, str):  # DRF would turn anything into text, however deep it is
            self.fail("invalid")
        return str(super().to_internal_value(data))


class PlaceOrder(serializers.Serializer[Any]):
    """The body of `POST /orders`."""

    stock_name = NameField()
    trade_type = TradeTypeField(choices=[kind.value for kind in TradeType])
    quantity = SharesField()


# One instance for all requests: validating changes nothing in it, and building one costs more.
_PLACE_ORDER = PlaceOrder()


def read_order(data: Any) -> Mapping[str, Any]:
    """Return the checked fields of a trade. Raises ValidationError (400)."""
    fields: Mapping[str, Any] = _PLACE_ORDER.run_validation(data)
    return fields


def show_stock(stock: Stock) -> dict[str, Any]:
    """Return a stock as `GET /stocks` shows it."""
    return {
        "stock_name": stock.name,
        "price": stock.price,
        "trade_volume": stock.trade_volume,
        "quantity": stock.quantity,
    }


def show_reading(reading: Reading) -> dict[str, Any]:
    """Return a stock as one reader gets it; an answer that may be old says so."""
    shown = show_stock(reading.kept.stock)
    return {**shown, "stale": True} if reading.is_stale else shown


def show_order(order: Order) -> dict[str, Any]:
    """Return an order as `GET /orders` shows it."""
    return {
        "data": {
            "order_no": order.order_no,
            "stock_name": order.stock_name,
            "trade_type": order.trade_type,
            "quantity": order.quantity,
        }
    }
