"""
Talk to front ends without I/O: questions, answers, and when to ask again (DESIGN 6, I9).

A `Question` is one request and the way to read its answer. `attempts` is a flow, as in
`bazaar.core.flow`: it yields `Call` and `Pause`, is sent the `Reply` or has `Lost` thrown into it,
and ends with the answer or a `ClientError`. `run` drives it for who may wait; a load generator has
a driver of its own. Every attempt of a trade carries the same key, so it happens once (I2).

A refusal speaks of one request (docs/PROTOCOL.md, "What definite means"). After an attempt whose
answer nobody saw it settles nothing, and the trade ends as indefinite.
"""

from collections.abc import Callable, Generator
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Generic, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec

from bazaar.client import reading
from bazaar.client.answers import (
    ClientError,
    Indefinite,
    Leadership,
    Order,
    Refused,
    Stock,
    Unreachable,
)
from bazaar.core.types import TradeType
from bazaar.protocol.http1 import Reply

QUESTIONS_MAX = 20_000
"""Questions for stocks that are remembered ready-made."""
PAUSE_S = 0.1
"""After every front end has failed once; doubles from round to round."""
PAUSE_S_MAX = 1.0
TIMEOUT_S_MIN = 0.05
"""Of an attempt that begins when the time is nearly up."""
Headers = tuple[tuple[str, str], ...]
_JSON = ("Content-Type", "application/json")
_FRESH: Headers = (("Cache-Control", "no-cache"),)

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request, but for Host and Content-Length; `target` is encoded."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""


class Question(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A request, and what reads its answer; `read` raises ClientError."""

    request: Request
    read: Callable[[Reply], T]
    key: str = ""
    """The idempotency key of a trade."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long to try, in seconds."""

    deadline_s: float = 30.0
    """A whole question, with all attempts."""
    silence_s: float = 30.0
    """The same, while nobody could even be connected to."""
    read_s: float = 5.0
    """One attempt to read."""
    trade_s: float = 12.0
    """One attempt to trade; a front end tries for 10 s itself."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """Send the request to front end number `url`; answers Reply. Fails Lost."""

    url: int
    request: Request
    timeout_s: float


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Let time pass; answers None."""

    seconds: float


class Lost(Exception):  # noqa: N818 - it is a fact about the world
    """An attempt that got no answer; was_sent: the request may have arrived all the same."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.message, self.was_sent = message, was_sent


Steps = Generator[Call | Pause, Reply | None, T]
"""A question under way, which returns its answer in the end."""


@lru_cache(QUESTIONS_MAX)
def ask_stock(stock_name: str, *, is_fresh: bool = False) -> Question[Stock]:
    """Return the question for one stock; is_fresh: past every cache."""
    target = f"/stocks?stock_name={quote(stock_name, safe='')}"
    request = Request("GET", target, _FRESH if is_fresh else ())
    return Question(request, partial(reading.read_stock, stock_name))


def ask_order(order_no: int, *, is_fresh: bool = False) -> Question[Order]:
    """Return the question for one order; is_fresh: past every cache."""
    request = Request("GET", f"/orders?order_no={order_no}", _FRESH if is_fresh else ())
    return Question(request, partial(reading.read_order, order_no))


def ask_trade(key: UUID, stock_name: str, trade_type: TradeType, quantity: int) -> Question[Order]:
    """Return the question that places one trade, once, whoever asks it how often."""
    wish = {"stock_name": stock_name, "trade_type": trade_type, "quantity": quantity}
    named = str(key)
    headers = (_JSON, ("Idempotency-Key", named))
    request = Request("POST", "/orders", headers, msgspec.json.encode(wish))
    read = partial(reading.read_placed, stock_name, trade_type, quantity, named)
    return Question(request, read, named)


def ask_leader() -> Question[Leadership]:
    """Return the question who leads."""
    return Question(Request("GET", "/leader"), reading.read_leadership)


class _Course:
    """What a question has met with so far, and what follows from it."""

    def __init__(self, key: str, urls: int, limits: Limits, start_s: float) -> None:
        self.key, self.urls, self.limits, self.start_s = key, urls, limits, start_s
        self.is_connected = self.is_pending = False
        self.failures = 0

    def time_left(self, now_s: float) -> float:
        """Return how long to go on; nothing is left when it is not positive."""
        limits = self.limits
        most_s = (
            limits.deadline_s if self.is_connected else min(limits.silence_s, limits.deadline_s)
        )
        return self.start_s + most_s - now_s

    def timeout_s(self, now_s: float) -> float:
        """Return how long the next attempt may take."""
        one_s = self.limits.trade_s if self.key else self.limits.read_s
        return max(TIMEOUT_S_MIN, min(one_s, self.start_s + self.limits.deadline_s - now_s))

    def pause_after(self, error: ClientError | Lost, now_s: float) -> float | None:
        """Take a failed attempt in; return the pause before the next, None when there is none."""
        self.failures += 1
        if isinstance(error, Lost):
            self.is_connected |= error.was_sent
            self.is_pending |= error.was_sent
            rounds, rest = divmod(self.failures, self.urls)
            pause_s = 0.0 if rest else min(PAUSE_S * 2 ** min(rounds - 1, 10), PAUSE_S_MAX)
            left_s = self.time_left(now_s) - TIMEOUT_S_MIN
            return min(pause_s, left_s) if left_s >= 0 else None
        self.is_connected = True
        self.is_pending |= not error.is_definite
        left_s = self.time_left(now_s) - TIMEOUT_S_MIN
        return error.retry_s if error.retry_s is not None and error.retry_s <= left_s else None

    def end(self, error: ClientError | Lost) -> ClientError:
        """Return what a failed attempt, the last one, means for the question."""
        key = self.key
        if isinstance(error, Lost):
            if key and self.is_pending:
                return Indefinite(f"{error.message} The trade may have happened.", key=key)
            return Unreachable(error.message, key=key)
        is_open = isinstance(error, Refused) and error.status in _REFUSALS_OF_THE_MOMENT
        if key and self.is_pending and is_open:
            return Indefinite(
                f"{error.message} An earlier attempt without an answer may still happen.",
                status=error.status,
                failure=error.failure,
                key=key,
            )
        return error


_REFUSALS_OF_THE_MOMENT = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
)
"""Another request with the same body may fare otherwise; every other refusal is of the body."""


def attempts(
    question: Question[T],
    limits: Limits,
    now_s: Callable[[], float],
    *,
    urls: int = 1,
    first: int = 0,
) -> Steps[T]:
    """
    Ask until there is an answer, a refusal that stands, or no time; return the answer.

    urls: how many front ends there are; first: the one to begin with. When one fails, the next is
    asked. Raises Refused, Unreachable (definite); Indefinite, BadAnswer (indefinite).
    """
    course = _Course(question.key, urls, limits, now_s())
    url = first % urls
    while True:
        error: ClientError | Lost
        try:
            reply = yield Call(url, question.request, course.timeout_s(now_s()))
            assert reply is not None, "a Call is answered with a Reply"
            return question.read(reply)
        except (ClientError, Lost) as caught:
            error = caught
        pause_s = course.pause_after(error, now_s())
        if pause_s is None:
            raise course.end(error) from error
        if pause_s:
            yield Pause(pause_s)
        url = (url + 1) % urls


def run(steps: Steps[T], call: Callable[[Call], Reply], pause: Callable[[float], None]) -> T:
    """Drive a question to its end; `call` raises Lost. Raises ClientError."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Pause):
                pause(step.seconds)
                step = steps.send(None)
                continue
            try:
                reply = call(step)
            except Lost as lost:
                step = steps.throw(lost)
            else:
                step = steps.send(reply)
    except StopIteration as end:
        answer: T = end.value
        return answer
