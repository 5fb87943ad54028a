"""The seed's dialect: how a trade is read, and how answers look."""

from http import HTTPStatus
from typing import Any

import msgspec

from bazaar.core.types import QUANTITY_MAX, QUANTITY_MIN, Order, Stock, Trade, TradeType
from bazaar.protocol import tracing
from bazaar.protocol.clients import encode
from bazaar.protocol.messages import Name, Quantity
from bazaar.web.decoding import EndpointRefusedError, bad_request, check_stock_name, decode_json
from bazaar.web.endpoint import ANSWER_HEADERS, CLIENT_NAME, Environ
from frontend_app.entries import StockEntry
from frontend_app.headers import KEY_HEADER, hit_headers, read_key

SEED = "seed"
"""The name of the dialect in `StockEntry.answers`."""


class TradeRequest(msgspec.Struct, frozen=True):
    """The body of `POST /orders`."""

    stock_name: Name
    trade_type: TradeType
    quantity: Quantity


_decode = msgspec.json.Decoder(TradeRequest).decode


def read_trade(body: bytes, environ: Environ) -> Trade:
    """
    Return the trade that a request asks for, with its key.

    Raises EndpointRefusedError (400).
    """
    key = read_key(environ)
    try:
        wanted = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise explain(body) from error
    check_stock_name(wanted.stock_name)
    tracing.note(key=str(key))
    span = tracing.current()
    return Trade(
        key,
        wanted.stock_name,
        wanted.trade_type,
        wanted.quantity,
        placed_by=environ.get(CLIENT_NAME),
        context=span.context.text if span else "",
    )


def explain(body: bytes) -> EndpointRefusedError:
    """Return what is wrong with a body, with the name of each field that is."""
    try:
        fields = decode_json(body, Any) if body else {}
    except EndpointRefusedError as refused:
        return refused
    if not isinstance(fields, dict):
        return bad_request("A JSON object is required as the body.")
    checks = (
        ("stock_name", _find_name_fault),
        ("trade_type", _find_type_fault),
        ("quantity", _find_quantity_fault),
    )
    faults = ((name, _find_fault(fields, name) or find(fields[name])) for name, find in checks)
    return bad_request(" ".join(f"{name}: {fault}" for name, fault in faults if fault))


def _find_fault(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        return "This field is required."
    return "This field may not be null." if fields[name] is None else ""


def _find_name_fault(value: Any) -> str:
    if not isinstance(value, str):
        return "This must be a string."
    try:
        check_stock_name(value)
    except EndpointRefusedError as refused:
        return refused.message.removeprefix("stock_name: ")
    return ""


def _find_type_fault(value: Any) -> str:
    if not isinstance(value, str):
        return "This must be a string."
    return "" if value in tuple(TradeType) else f'"{value[:40]}" is not a valid choice.'


def _find_quantity_fault(value: Any) -> str:
    if type(value) is not int:
        return "This must be a whole number."
    is_right = QUANTITY_MIN <= value <= QUANTITY_MAX
    return "" if is_right else f"This must be from {QUANTITY_MIN} to {QUANTITY_MAX}."


def shape_failed_trade(code: int, message: str, environ: Environ) -> dict[str, Any]:
    """Return a failed trade; with the key where it is worth repeating."""
    key = (environ.get(ANSWER_HEADERS) or {}).get(KEY_HEADER)
    if key and code == HTTPStatus.SERVICE_UNAVAILABLE:
        message = f"{message} Repeat it with {KEY_HEADER}: {key}"
    return {"order_no": -1, "message": message}


class EncodedStock:
    """A stock in this dialect, encoded once."""

    __slots__ = ("body", "hit_headers")

    def __init__(self, stock: Stock) -> None:
        self.body = encode(show_stock(stock))
        self.hit_headers = hit_headers(stock.version, self.body)


def stock_answer(entry: StockEntry) -> EncodedStock:
    """Return the answer for a stock; encoded when it is wanted for the first time."""
    answer: EncodedStock | None = entry.answers.get(SEED)
    if answer is None:
        answer = entry.answers[SEED] = EncodedStock(entry.stock)
    return answer


def show_stock(stock: Stock) -> dict[str, Any]:
    """Return a stock as `GET /stocks` shows it."""
    return {
        "stock_name": stock.name,
        "price": stock.price,
        "trade_volume": stock.trade_volume,
        "quantity": stock.quantity,
    }


def encode_stale(stock: Stock) -> bytes:
    """Return the answer for a stock that may be old; it says so."""
    return encode({**show_stock(stock), "stale": True})


def encode_order(order: Order) -> bytes:
    """Return an order as `GET /orders` shows it."""
    return encode(
        {
            "data": {
                "order_no": order.order_no,
                "stock_name": order.stock_name,
                "trade_type": order.trade_type,
                "quantity": order.quantity,
            }
        }
    )
