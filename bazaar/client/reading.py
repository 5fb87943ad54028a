"""
Read answers: bytes in, a value or a `ClientError` out (docs/DESIGN.md 6).

Every answer is compared with its call, so an answer to another call is noticed.
"""

import re
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, TypeVar

import msgspec

from bazaar.client.answers import (
    BadAnswer,
    ClientError,
    Indefinite,
    LeaderAnswer,
    NoAnswer,
    Number,
    OrderAnswer,
    Refused,
    StockAnswer,
)
from bazaar.core.types import TradeType
from bazaar.protocol.http1 import Reply
from bazaar.protocol.traces import TradeTrace

RETRY_AFTER_S = 1.0
"""Before another attempt, when the answer has no Retry-After."""
RETRY_AFTER_S_MAX = 3600.0
MESSAGE_CHARS_MAX = 300
"""Of a server's text in a message of ours."""
CACHE_WORDS_MAX = 1000
_STALE_CODE = "110"
_CACHE = "bazaar"
_CACHE_WORDS = {
    "hit": "hit",
    "fwd=miss; stored": "miss",
    "fwd=miss": "miss",
    "fwd=miss; collapsed": "shared",
    "fwd=request": "request",
    "fwd=bypass": "bypass",
    "hit; detail=stale": "stale",
}
_ETAG = re.compile(r'(?:W/)?"([0-9]{1,19})"')  # a proxy that packs answers makes the tag a weak one
_SECONDS = re.compile(r"[0-9]{1,9}")

T = TypeVar("T")
Count = Annotated[int, msgspec.Meta(ge=0)]


class _StockBody(msgspec.Struct):
    stock_name: str
    price: Decimal
    trade_volume: Count
    quantity: Count
    stale: bool = False


class _FoundBody(msgspec.Struct):
    data: OrderAnswer


class _PlacedBody(msgspec.Struct):
    order_no: Number


class _ErrorPart(msgspec.Struct):
    message: str


class _ErrorBody(msgspec.Struct):
    """An error of a look-up, of a trade, or a problem document."""

    error: _ErrorPart | None = None
    message: str = ""
    detail: str = ""


_STOCK = msgspec.json.Decoder(_StockBody)
_FOUND = msgspec.json.Decoder(_FoundBody)
_PLACED = msgspec.json.Decoder(_PlacedBody)
_LEADERSHIP = msgspec.json.Decoder(LeaderAnswer)
_TRACE = msgspec.json.Decoder(TradeTrace)
_ERROR = msgspec.json.Decoder(_ErrorBody)


def read_stock(stock_name: str, reply: Reply) -> StockAnswer:
    """Return the requested stock. Raises ClientError."""
    _check_ok(reply)
    headers = reply.headers
    body = _decode(_STOCK, reply)
    tag = _ETAG.fullmatch(headers.get("etag", ""))
    if tag is None:
        raise BadAnswer("The answer names no version (ETag).", status=reply.status)
    if body.stock_name != stock_name or not body.price.is_finite():
        raise BadAnswer(
            f"The answer is of {body.stock_name!r} at {body.price}, asked was {stock_name!r}.",
            status=reply.status,
        )
    return StockAnswer(
        stock_name,
        body.price,
        body.quantity,
        body.trade_volume,
        int(tag[1]),
        int(_seconds(headers.get("age", "")) or 0),
        body.stale or headers.get("warning", "").startswith(_STALE_CODE),
        cache_word(headers.get("cache-status", "")),
    )


def read_order(order_no: int, reply: Reply) -> OrderAnswer:
    """Return the requested order. Raises ClientError."""
    _check_ok(reply)
    shown = _decode(_FOUND, reply).data
    if shown.order_no != order_no:
        raise BadAnswer(
            f"The answer is of order {shown.order_no}, asked was {order_no}.", status=reply.status
        )
    return shown


def read_placed(
    stock_name: str, trade_type: TradeType, quantity: int, key: str, reply: Reply
) -> OrderAnswer:
    """Return the order that a trade became. Raises ClientError."""
    _check_ok(reply, key)
    named = reply.headers.get("idempotency-key", key)
    if named != key:
        raise BadAnswer(f"The answer is of the trade {named}.", status=reply.status, key=key)
    return OrderAnswer(_decode(_PLACED, reply, key).order_no, stock_name, trade_type, quantity)


def read_leadership(reply: Reply) -> LeaderAnswer:
    """Return the leader. Raises ClientError."""
    _check_ok(reply)
    return _decode(_LEADERSHIP, reply)


def read_trace(reply: Reply) -> TradeTrace:
    """Return the trace of a trade. Raises ClientError."""
    _check_ok(reply)
    return _decode(_TRACE, reply)


@lru_cache(CACHE_WORDS_MAX)
def cache_word(status: str) -> str:
    """Return where an answer came from, by its Cache-Status (RFC 9211)."""
    for member in status.split(","):
        name, _, rest = member.strip().partition("; ")
        if name == _CACHE:
            return _CACHE_WORDS.get(rest, "unknown")
    return "unknown"


def _decode(decoder: msgspec.json.Decoder[T], reply: Reply, key: str = "") -> T:
    try:
        return decoder.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadAnswer(
            f"The answer is none of a front end: {error}.", status=reply.status, key=key
        ) from error


def _check_ok(reply: Reply, key: str = "") -> None:
    """Raise what a status other than 200 means; key: the trade's, if it is one."""
    status = reply.status
    if status == HTTPStatus.OK:
        return
    definite = reply.headers.get("bazaar-definite")
    failure = reply.headers.get("bazaar-failure", "")
    message = _message(reply)
    is_server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    is_busy = status == HTTPStatus.TOO_MANY_REQUESTS
    kind: type[ClientError]
    if is_busy or is_server_error:
        is_harmless = definite == "true" or (is_busy and definite is None)
        kind = Refused if is_harmless else Indefinite if key else NoAnswer
    elif definite == "true" and status >= HTTPStatus.BAD_REQUEST:
        kind = Refused
    else:
        kind = BadAnswer
        message = f"No front end answers {status} like this: {message}"
    retry_s = _retry_s(reply) if is_busy or is_server_error else None
    raise kind(message, status=status, failure=failure, key=key, retry_s=retry_s)


def _message(reply: Reply) -> str:
    """Return the message of an error."""
    try:
        body = _ERROR.decode(reply.body)
        text = body.error.message if body.error else body.message or body.detail
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = reply.body[: 4 * MESSAGE_CHARS_MAX].decode("utf-8", "replace")
    return one_line(text) or f"status {reply.status}"


def one_line(text: str) -> str:
    """Return foreign text as one short line that is safe on a terminal."""
    short = " ".join(text[: 4 * MESSAGE_CHARS_MAX].split())[:MESSAGE_CHARS_MAX]
    return "".join(char if char.isprintable() else "?" for char in short)


def _retry_s(reply: Reply) -> float:
    return min(_seconds(reply.headers.get("retry-after", "")) or RETRY_AFTER_S, RETRY_AFTER_S_MAX)


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None
