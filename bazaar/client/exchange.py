"""
API calls to front ends, without I/O, with retries (docs/DESIGN.md 6, I9).

An `ApiCall` is one request and the way to read its answer. `attempts` is a flow, as in
`bazaar.core.flow`: it yields `Attempt` and `Pause`, is sent the `Reply` or has `AttemptFailed`
thrown into it, and ends with the answer or a `ClientError`. `run` drives it for a caller that may
block; a load generator has a driver of its own. Every attempt of a trade carries the same key, so
it happens once (I2).

A refusal is about one request (docs/PROTOCOL.md, "What definite means"). After an attempt without
an answer it settles nothing, and the trade ends as indefinite.
"""

from collections.abc import Callable, Generator
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from bazaar.client import reading
from bazaar.client.answers import (
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
from bazaar.client.client_dialects import V1, ClientDialect
from bazaar.core.types import Trade, TradeType
from bazaar.protocol.http1 import Reply
from bazaar.protocol.traces import TradeTrace

QUERIES_MAX = 20_000
"""Calls for stocks that are cached ready-made."""
PAUSE_S = 0.1
"""Once every front end has failed; doubles from round to round."""
PAUSE_S_MAX = 1.0
TIMEOUT_S_MIN = 0.05
"""For an attempt that begins just before the deadline."""
Headers = tuple[tuple[str, str], ...]
_JSON = ("Content-Type", "application/json")
_FRESH: Headers = (("Cache-Control", "no-cache"),)

T = TypeVar("T")


class ApiRequest(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request without Host and Content-Length; `target` is encoded."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""


class ApiCall(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A request and the reader of its answer; `read` raises ClientError."""

    request: ApiRequest
    read: Callable[[Reply], T]
    key: str = ""
    """The idempotency key of a trade."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long to try, in seconds."""

    deadline_s: float = 30.0
    """A whole call, with all attempts."""
    silence_s: float = 30.0
    """The same, as long as no front end could even be connected to."""
    read_s: float = 5.0
    """One attempt to read."""
    trade_s: float = 12.0
    """One attempt to trade; a front end tries for 10 s itself."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """Send the request to front end `url`; answers Reply. Fails AttemptFailed."""

    url: int
    request: ApiRequest
    timeout_s: float


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Let time pass; answers None."""

    seconds: float


class AttemptFailed(Exception):  # noqa: N818 - it is a fact about the world
    """An attempt without an answer; was_sent: the request may have arrived."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.message, self.was_sent = message, was_sent


Steps = Generator[Attempt | Pause, Reply | None, T]
"""A call in progress, which returns its answer in the end."""


@lru_cache(QUERIES_MAX)
def build_query(
    dialect: ClientDialect, stock_name: str, *, is_fresh: bool = False
) -> ApiCall[StockAnswer]:
    """Return the call for one stock; is_fresh: past every cache."""
    target = dialect.stock_target + _quote(stock_name)
    request = ApiRequest("GET", target, _FRESH if is_fresh else ())
    return ApiCall(request, partial(reading.read_stock, dialect, stock_name))


def build_order_query(
    dialect: ClientDialect, order_no: int, *, is_fresh: bool = False
) -> ApiCall[OrderAnswer]:
    """Return the call for one order; is_fresh: past every cache."""
    target = f"{dialect.order_target}{order_no}"
    request = ApiRequest("GET", target, _FRESH if is_fresh else ())
    return ApiCall(request, partial(reading.read_order, dialect, order_no))


def build_trade(dialect: ClientDialect, trade: Trade) -> ApiCall[OrderAnswer]:
    """Return the call that places one trade, once, however often it is sent."""
    values = trade.stock_name, trade.trade_type, trade.quantity
    body = msgspec.json.encode(dict(zip(dialect.trade_fields, values, strict=True)))
    key = str(trade.key)
    request = ApiRequest("POST", dialect.trade_target, (_JSON, ("Idempotency-Key", key)), body)
    return ApiCall(request, partial(reading.read_placed, dialect, trade), key)


def build_leader_query(dialect: ClientDialect) -> ApiCall[LeaderAnswer]:
    """Return the call for the leader."""
    request = ApiRequest("GET", dialect.leader_target)
    return ApiCall(request, partial(reading.read_leadership, dialect))


def build_cluster_query() -> ApiCall[ClusterAnswer]:
    """Return the call for all order replicas; v1 only."""
    return ApiCall(ApiRequest("GET", V1.leader_target), reading.read_cluster)


def build_stock_list(text: str | None, cursor: str | None, limit: int) -> ApiCall[StockPage]:
    """Return the call for a page of stocks; v1 only. text: what their names contain."""
    target = _list_target("/api/v1/stocks", q=text, limit=limit, cursor=cursor)
    return ApiCall(ApiRequest("GET", target), partial(reading.read_stock_page, cursor))


def build_order_list(
    stock_name: str | None, trade_type: TradeType | None, cursor: str | None, limit: int
) -> ApiCall[OrderPage]:
    """Return the call for a page of orders, the newest first; v1 only."""
    chosen = {"stock_name": stock_name, "trade_type": trade_type}
    target = _list_target(V1.trade_target, **chosen, limit=limit, cursor=cursor)
    return ApiCall(ApiRequest("GET", target), partial(reading.read_order_page, cursor))


def _list_target(path: str, **options: object) -> str:
    """Return a path with those options that are given."""
    given = {name: value for name, value in options.items() if value is not None}
    return f"{path}?{urlencode(given)}"


def _quote(stock_name: str) -> str:
    """Encode a name; one of dots alone would be taken for a step in a path."""
    quoted = quote(stock_name, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def build_trace_query(wanted: int | UUID) -> ApiCall[TradeTrace]:
    """Return the call for the trace of a trade, by order number or key; v1 only."""
    path = f"traces/{wanted}" if isinstance(wanted, UUID) else f"orders/{wanted}/trace"
    return ApiCall(ApiRequest("GET", f"/api/v1/{path}"), reading.read_trace)


class _Retries:
    """The attempts of one call so far, and what follows from them."""

    def __init__(self, key: str, urls: int, timeouts: Timeouts, start_s: float) -> None:
        self.key, self.urls, self.timeouts, self.start_s = key, urls, timeouts, start_s
        self.is_connected = self.is_pending = False
        self.failures = 0

    def timeout_s(self, now_s: float) -> float:
        """Return how long the next attempt may take."""
        one_s = self.timeouts.trade_s if self.key else self.timeouts.read_s
        return max(TIMEOUT_S_MIN, min(one_s, self.start_s + self.timeouts.deadline_s - now_s))

    def pause_after(self, error: ClientError | AttemptFailed, now_s: float) -> float | None:
        """Count a failed attempt; return the pause before the next one, if there is one."""
        self.failures += 1
        if isinstance(error, AttemptFailed):
            self.is_connected |= error.was_sent
            self.is_pending |= error.was_sent
        else:
            self.is_connected = True
            self.is_pending |= not error.is_definite
        most_s = self.timeouts.deadline_s
        if not self.is_connected:
            most_s = min(most_s, self.timeouts.silence_s)
        left_s = self.start_s + most_s - now_s - TIMEOUT_S_MIN
        if isinstance(error, AttemptFailed):
            rounds, rest = divmod(self.failures, self.urls)
            pause_s = 0.0 if rest else min(PAUSE_S * 2 ** min(rounds - 1, 10), PAUSE_S_MAX)
            return min(pause_s, left_s) if left_s >= 0 else None
        return error.retry_s if error.retry_s is not None and error.retry_s <= left_s else None

    def end(self, error: ClientError | AttemptFailed) -> ClientError:
        """Return what the last failed attempt means for the call."""
        key = self.key
        if isinstance(error, AttemptFailed):
            if key and self.is_pending:
                return Indefinite(f"{error.message} The trade may have happened.", key=key)
            return NoAnswer(error.message, key=key)
        is_temporary = isinstance(error, Refused) and error.status in _TEMPORARY_STATUSES
        if key and self.is_pending and is_temporary:
            return Indefinite(
                f"{error.message} An earlier attempt without an answer may still happen.",
                status=error.status,
                failure=error.failure,
                key=key,
                problem=error.problem,
            )
        return error


_TEMPORARY_STATUSES = frozenset(
    {
        *(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        *(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),  # a token may have been good before
        HTTPStatus.CONFLICT,  # too few shares now, in v1; 404 in the older dialects
    }
)
"""Another request with the same body may succeed; other refusals are about the body."""


def attempts(
    call: ApiCall[T],
    timeouts: Timeouts,
    now_s: Callable[[], float],
    *,
    urls: int = 1,
    first: int = 0,
) -> Steps[T]:
    """
    Try until there is an answer, a final refusal, or no time; return the answer.

    urls: how many front ends there are; first: the one to begin with. When one fails, the next is
    tried. Raises Refused, NoAnswer (definite); Indefinite, BadAnswer (indefinite).
    """
    retries = _Retries(call.key, urls, timeouts, now_s())
    url = first % urls
    while True:
        error: ClientError | AttemptFailed
        try:
            reply = yield Attempt(url, call.request, retries.timeout_s(now_s()))
            assert reply is not None, "an Attempt is answered with a Reply"
            return call.read(reply)
        except (ClientError, AttemptFailed) as caught:
            error = caught
        pause_s = retries.pause_after(error, now_s())
        if pause_s is None:
            raise retries.end(error) from error
        if pause_s:
            yield Pause(pause_s)
        url = (url + 1) % urls


def run(steps: Steps[T], send: Callable[[Attempt], Reply], pause: Callable[[float], None]) -> T:
    """Drive a call to its end; `send` raises AttemptFailed. Raises ClientError."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Pause):
                pause(step.seconds)
                step = steps.send(None)
                continue
            try:
                reply = send(step)
            except AttemptFailed as failed:
                step = steps.throw(failed)
            else:
                step = steps.send(reply)
    except StopIteration as end:
        answer: T = end.value
        return answer
