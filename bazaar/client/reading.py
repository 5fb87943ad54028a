"""
Read answers: bytes in, a value or a `ClientError` out (docs/DESIGN.md 6).

Every answer is compared with its call, so an answer to another call is noticed. How a body looks
is the dialect's matter (`client_dialects`).
"""

import re
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import TypeVar

import msgspec

from bazaar.client.answers import (
    BadAnswer,
    ClientError,
    ClusterAnswer,
    Indefinite,
    LeaderAnswer,
    NoAnswer,
    OrderAnswer,
    OrderPage,
    Refused,
    StockAnswer,
    StockPage,
)
from bazaar.client.client_dialects import V1, ClientDialect, ShownStock, decode_cluster
from bazaar.core.types import Trade
from bazaar.protocol.http1 import Reply
from bazaar.protocol.traces import TradeTrace

RETRY_AFTER_S = 1.0
"""Before another attempt, when the answer has no Retry-After."""
RETRY_AFTER_S_MAX = 3600.0
MESSAGE_CHARS_MAX = 300
"""Of a server's text in a message of ours."""
CACHE_WORDS_MAX = 1000
_STALE_CODE = "110"
_PROBLEM_PAGES = "/problems/"
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
_KIND = re.compile(r"[a-z_]{1,40}")
_SECONDS = re.compile(r"[0-9]{1,9}")

T = TypeVar("T")


class _StockList(msgspec.Struct):
    stocks: tuple[ShownStock, ...]
    next_cursor: str | None


class _ErrorPart(msgspec.Struct):
    message: str


class _ErrorBody(msgspec.Struct):
    """An error of a look-up, of a trade of the seed's, or a problem document."""

    error: _ErrorPart | None = None
    message: str = ""
    detail: str = ""
    type: str = ""


_STOCKS = msgspec.json.Decoder(_StockList)
_TRACE = msgspec.json.Decoder(TradeTrace)
_ORDERS = msgspec.json.Decoder(OrderPage)
_ERROR = msgspec.json.Decoder(_ErrorBody)


def read_stock(dialect: ClientDialect, stock_name: str, reply: Reply) -> StockAnswer:
    """Return the requested stock. Raises ClientError."""
    _check_ok(reply)
    headers = reply.headers
    body = _decode(dialect.decode_stock, reply)
    tag = dialect.tag.fullmatch(headers.get("etag", ""))
    if tag is None:
        raise BadAnswer("The answer names no version (ETag).", status=reply.status)
    _check_whole(dialect, body, reply)
    version = int(tag[1])
    if body.stock_name != stock_name or body.version not in (None, version):
        raise BadAnswer(
            f"The answer is of {body.stock_name!r} in version {body.version}, "
            f"asked was {stock_name!r}, and its tag says {version}.",
            status=reply.status,
        )
    return StockAnswer(
        stock_name,
        body.price,
        body.quantity,
        body.trade_volume,
        version,
        int(_seconds(headers.get("age", "")) or 0),
        body.stale or headers.get("warning", "").startswith(_STALE_CODE),
        cache_word(headers.get("cache-status", "")),
    )


def read_order(dialect: ClientDialect, order_no: int, reply: Reply) -> OrderAnswer:
    """Return the requested order. Raises ClientError."""
    _check_ok(reply)
    shown = _decode(dialect.decode_order, reply)
    if shown.order_no != order_no:
        raise BadAnswer(
            f"The answer is of order {shown.order_no}, asked was {order_no}.", status=reply.status
        )
    return shown


def read_placed(dialect: ClientDialect, asked: Trade, reply: Reply) -> OrderAnswer:
    """Return the order that a trade became. Raises ClientError."""
    key = str(asked.key)
    _check_ok(reply, key, dialect.placed_status)
    named = reply.headers.get("idempotency-key", key)
    if named != key:
        raise BadAnswer(f"The answer is of the trade {named}.", status=reply.status, key=key)
    placed = _decode(dialect.decode_placed, reply, key)
    trade = asked.stock_name, asked.trade_type, asked.quantity
    if not isinstance(placed, OrderAnswer):
        return OrderAnswer(placed, *trade)
    shown = placed.stock_name, placed.trade_type, placed.quantity, placed.idempotency_key
    if shown != (*trade, asked.key):
        raise BadAnswer(
            f"The answer is of another trade: order {placed.order_no}, {placed.trade_type} "
            f"{placed.quantity} {placed.stock_name}.",
            status=reply.status,
            key=key,
        )
    return placed


def read_leadership(dialect: ClientDialect, reply: Reply) -> LeaderAnswer:
    """Return the leader. Raises ClientError; NoAnswer: there is none now."""
    _check_ok(reply)
    leader = _decode(dialect.decode_leader, reply)
    if leader is None:
        raise NoAnswer(
            "No replica leads now.",
            status=reply.status,
            failure="no_leader",
            retry_s=RETRY_AFTER_S,
        )
    return leader


def read_cluster(reply: Reply) -> ClusterAnswer:
    """Return the order replicas, of v1. Raises ClientError."""
    _check_ok(reply)
    return _decode(decode_cluster, reply)


def read_stock_page(cursor: str | None, reply: Reply) -> StockPage:
    """Return the page of stocks that begins at a cursor, of v1. Raises ClientError."""
    _check_ok(reply)
    page = _decode(_STOCKS.decode, reply)
    _check_goes_on(cursor, page.next_cursor, reply)
    return StockPage(tuple(_list_stock(one, reply) for one in page.stocks), page.next_cursor)


def read_order_page(cursor: str | None, reply: Reply) -> OrderPage:
    """Return the page of orders that begins at a cursor, of v1. Raises ClientError."""
    _check_ok(reply)
    page = _decode(_ORDERS.decode, reply)
    _check_goes_on(cursor, page.next_cursor, reply)
    return page


def _list_stock(body: ShownStock, reply: Reply) -> StockAnswer:
    """Return a stock of a list: the catalog's, past every cache."""
    _check_whole(V1, body, reply)
    numbers = body.quantity, body.trade_volume, body.version or 0
    return StockAnswer(body.stock_name, body.price, *numbers, 0, body.stale, "bypass")


def _check_whole(dialect: ClientDialect, body: ShownStock, reply: Reply) -> None:
    if not (body.price.is_finite() and body.is_complete(dialect)):
        raise BadAnswer(
            f"The answer is no whole stock: {body.stock_name!r} at {body.price}.",
            status=reply.status,
        )


def _check_goes_on(cursor: str | None, next_cursor: str | None, reply: Reply) -> None:
    if next_cursor is not None and next_cursor == cursor:
        raise BadAnswer(f"The page after {cursor!r} is that page again.", status=reply.status)


def read_trace(reply: Reply) -> TradeTrace:
    """Return the trace of a trade. Raises ClientError."""
    _check_ok(reply)
    return _decode(_TRACE.decode, reply)


@lru_cache(CACHE_WORDS_MAX)
def cache_word(status: str) -> str:
    """Return where an answer came from, by its Cache-Status (RFC 9211)."""
    for member in status.split(","):
        name, _, rest = member.strip().partition("; ")
        if name == _CACHE:
            return _CACHE_WORDS.get(rest, "unknown")
    return "unknown"


def _decode(decode: Callable[[bytes], T], reply: Reply, key: str = "") -> T:
    try:
        return decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadAnswer(
            f"The answer is none of a front end: {error}.", status=reply.status, key=key
        ) from error


def _check_ok(reply: Reply, key: str = "", expected: HTTPStatus = HTTPStatus.OK) -> None:
    """Raise what another status than the expected one means; key: the trade's, if it is one."""
    status = reply.status
    if status == expected:
        return
    definite = reply.headers.get("bazaar-definite")
    failure = reply.headers.get("bazaar-failure", "")
    message, problem = _explanation(reply)
    if not problem and _KIND.fullmatch(failure):
        problem = f"{_PROBLEM_PAGES}{failure}"  # the older dialects name the kind, not its page
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
    more = {"failure": failure, "key": key, "problem": problem}
    raise kind(message, status=status, retry_s=retry_s, **more)


def _explanation(reply: Reply) -> tuple[str, str]:
    """Return the message of an error, and the address of the page that explains it."""
    problem = ""
    try:
        body = _ERROR.decode(reply.body)
        text = body.detail or (body.error.message if body.error else body.message)
        problem = body.type if body.type.startswith(_PROBLEM_PAGES) else ""
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = reply.body[: 4 * MESSAGE_CHARS_MAX].decode("utf-8", "replace")
    return one_line(text) or f"status {reply.status}", one_line(problem)


def one_line(text: str) -> str:
    """Return foreign text as one short line that is safe on a terminal."""
    short = " ".join(text[: 4 * MESSAGE_CHARS_MAX].split())[:MESSAGE_CHARS_MAX]
    return "".join(char if char.isprintable() else "?" for char in short)


def _retry_s(reply: Reply) -> float:
    return min(_seconds(reply.headers.get("retry-after", "")) or RETRY_AFTER_S, RETRY_AFTER_S_MAX)


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None
