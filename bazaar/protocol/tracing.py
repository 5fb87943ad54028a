"""
One request followed through every process: request ids, trace contexts, spans.

A trace context is that of W3C (https://www.w3.org/TR/trace-context/): the ids of a trace and of the
span in it that asked. A *span* is one piece of work for a request, in one process. The thread that
does the work has the span as its current one: log lines name its ids, and every call to another
process carries its context. Ended spans go to whoever has subscribed: the export, for example
(docs/adr/0041). Nothing here has a part in what is decided: a trade is known by its key (I2).
Left out: `tracestate`, which is not passed on.
"""

import itertools
import os
import re
from collections.abc import Sequence
from contextlib import nullcontext
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol

from msgspec import Struct

from bazaar import clock
from bazaar.core.types import Trade

NOT_SAMPLED, SAMPLED = "00", "01"
"""The flags of traces that begin here."""
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-[!-~]*)?"
)
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_IDS_A_DRAW = 256
"""Random ids are drawn from the system so many at a time: each request takes two or more."""
_REQUEST_ID = re.compile(r"[0-9A-Za-z._:/+=@~-]{1,128}")
_NO_TRACE, _NO_SPAN = "0" * _TRACE_DIGITS, "0" * _SPAN_DIGITS

Attribute = str | int

_numbers = itertools.count(1)
_process_id = ""
_trace_ids, _span_ids = list[str](), list[str]()


def _begin_process() -> None:
    global _process_id  # noqa: PLW0603 - a process has one, a forked one another
    _trace_ids.clear()
    _span_ids.clear()
    _process_id = make_span_id()


def _draw(ids: list[str], digits: int) -> str:
    """Return a random id, and keep others for those who come next."""
    text = os.urandom(digits // 2 * _IDS_A_DRAW).hex()
    first, *rest = (text[at : at + digits] for at in range(0, len(text), digits))
    ids.extend(rest)
    return first


def make_trace_id() -> str:
    """Return a new trace id, which also serves as a request id: 32 hex digits."""
    try:
        return _trace_ids.pop()
    except IndexError:
        return _draw(_trace_ids, _TRACE_DIGITS)


def make_request_id() -> str:
    """Return an id for a request without a trace: a count after a random prefix."""
    return f"{_process_id}-{next(_numbers)}"


def make_span_id() -> str:
    """Return a new span id: 16 hex digits."""
    try:
        return _span_ids.pop()
    except IndexError:
        return _draw(_span_ids, _SPAN_DIGITS)


_begin_process()
os.register_at_fork(after_in_child=_begin_process)


class TraceContext(Struct, frozen=True, gc=False):
    """Where a piece of work belongs: its request, its trace, and who asked for it."""

    trace_id: str
    span_id: str
    """Of the span that asked for it. Empty: none did; the work begins the trace."""
    flags: str
    request_id: str

    @property
    def traceparent(self) -> str:
        """The value of the header `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    @property
    def text(self) -> str:
        """The whole context, as `read_text` takes it."""
        if self.request_id == self.trace_id:
            return self.traceparent
        return f"{self.traceparent} {self.request_id}"

    @property
    def headers(self) -> dict[str, str]:
        """What a request inside the cluster carries; a made request id is the trace id."""
        if self.request_id == self.trace_id:
            return {"traceparent": self.traceparent}
        return {"traceparent": self.traceparent, "X-Request-ID": self.request_id}

    @property
    def is_sampled(self) -> bool:
        """Whether spans of it are exported."""
        return bool(int(self.flags, 16) & 1)


def is_request_id(text: str) -> bool:
    """Tell whether a request id that was sent can be taken."""
    return _REQUEST_ID.fullmatch(text) is not None


def read_headers(traceparent: str | None, request_id: str | None) -> TraceContext:
    """Return the context that a request brings; what is absent or wrong is made anew."""
    parsed = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if parsed is None or _is_wrong(parsed):
        trace_id, span_id, flags = make_trace_id(), "", _subscribers.flags
    else:
        trace_id, span_id, flags = parsed.group("trace", "span", "flags")
    if request_id is None or not is_request_id(request_id):
        request_id = trace_id
    return TraceContext(trace_id, span_id, flags, request_id)


def _is_wrong(parsed: re.Match[str]) -> bool:
    """Tell whether a traceparent says nothing, or has more than its version allows."""
    is_longer = parsed["version"] == "00" and parsed["more"] is not None
    return is_longer or parsed["trace"] == _NO_TRACE or parsed["span"] == _NO_SPAN


def read_text(text: str) -> TraceContext:
    """Return a context from the text that it was sent as; a wrong one is made anew."""
    traceparent, _, request_id = text.partition(" ")
    return read_headers(traceparent, request_id)


class Span:
    """
    One piece of work for a request.

    As a context manager it is the current one of its thread, and then ends.
    """

    __slots__ = (
        *("attributes", "began_s", "context", "ended_s", "error", "is_recorded", "is_server"),
        *("marks", "name", "parent_id", "trades", "_token"),
    )

    def __init__(
        self,
        name: str,
        asked: TraceContext,
        *,
        trades: Sequence[Trade] = (),
        is_server: bool = False,
        is_recorded: bool = True,
    ) -> None:
        """
        Begin now.

        asked: the context of who asked for it. trades: those that a batch is about.
        is_recorded: whether subscribers get it.
        """
        self.name, self.parent_id, self.trades = name, asked.span_id, trades
        self.context = TraceContext(asked.trace_id, make_span_id(), asked.flags, asked.request_id)
        self.is_server, self.is_recorded = is_server, is_recorded
        self.attributes: dict[str, Attribute] = {}
        """What is known of it: `key`, `term`, `order_no` are in its log lines, too."""
        self.began_s, self.ended_s = clock.wall_s(), 0.0
        self.error = ""
        """Why it failed; empty: it did not."""
        self.marks: tuple[tuple[str, float], ...] = ()
        """Moments in it, each with its time in seconds since 1970."""
        self._token: Token[Span | None] | None = None

    @property
    def links(self) -> list[TraceContext]:
        """The requests that it works for."""
        return [read_text(trade.context) for trade in self.trades if trade.context]

    def end(self, error: BaseException | str | None = None) -> None:
        """End now; the first end counts."""
        if self.ended_s:
            return
        self.ended_s = clock.wall_s()
        if error:
            self.error = str(error) or type(error).__name__
        if self.is_recorded:
            _subscribers.take(self)

    def record(self) -> None:
        """Give it to the subscribers, although it ended as one that is not recorded."""
        assert self.ended_s, "it has ended"
        assert not self.is_recorded, "they have it"
        self.is_recorded = True
        _subscribers.take(self)

    def __enter__(self) -> "Span":
        """Become the current span of this thread."""
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the place back, and end."""
        assert self._token is not None, "it was entered"
        _current.reset(self._token)
        self._token = None
        self.end(error)


class BoundSpan:
    """A block in which a span is the current one; it does not end with it."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span | None) -> None:
        """Take the span; None: the block works for no request."""
        self._span = span

    def __enter__(self) -> None:
        self._token = _current.set(self._span)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


class SpanSubscriber(Protocol):
    """Takes the spans of this process as they end."""

    def take(self, span: Span) -> None:
        """Take an ended span at once, in the thread that did its work; never raises."""

    def close(self) -> None:
        """Finish what was taken; the process ends."""


class _Subscribers:
    """All subscribers of this process, and whether new traces are sampled."""

    def __init__(self) -> None:
        self.all: tuple[SpanSubscriber, ...] = ()
        self.flags = NOT_SAMPLED

    def take(self, span: Span) -> None:
        for one in self.all:
            one.take(span)


_current: ContextVar[Span | None] = ContextVar("bazaar.span", default=None)
_subscribers = _Subscribers()


def subscribe(subscriber: SpanSubscriber, *, is_sampling: bool = False) -> None:
    """
    Give ended spans to a subscriber.

    is_sampling: new traces say that they are recorded.
    """
    _subscribers.all = (*_subscribers.all, subscriber)
    if is_sampling:
        _subscribers.flags = SAMPLED


def unsubscribe_all() -> None:
    """Close all subscribers, and have none."""
    subscribers, _subscribers.all, _subscribers.flags = _subscribers.all, (), NOT_SAMPLED
    for one in subscribers:
        one.close()


def current() -> Span | None:
    """Return the span that this thread works for."""
    return _current.get()


bind = BoundSpan
"""Returns a block in which a span is the current one."""


def note(**attributes: Attribute) -> None:
    """Note what became known about the current span, if there is one."""
    if span := _current.get():
        span.attributes.update(attributes)


def note_error(message: str) -> None:
    """Note why the current span failed, if there is one."""
    if span := _current.get():
        span.error = message


def mark(name: str) -> None:
    """Note the time of a moment in the current span, if there is one."""
    if span := _current.get():
        span.marks = (*span.marks, (name, clock.wall_s()))


def note_trades(term: int, trades: Sequence[Trade]) -> None:
    """Note which trades the current span is about."""
    if span := _current.get():
        span.attributes.update(_describe(trades), term=term)


def _describe(trades: Sequence[Trade]) -> dict[str, Attribute]:
    """Return the key of a lone trade, or how many there are."""
    if len(trades) == 1:
        return {"key": str(trades[0].key)}
    return {"trades": len(trades)}


def begin_batch(name: str, trades: Sequence[Trade], **attributes: Attribute) -> Span:
    """
    Begin the span of a batch, linked to each of its trades.

    It is within the current span; without one it follows from the first trade.
    """
    within = _current.get()
    asked = within.context if within else read_text(trades[0].context)
    span = Span(name, asked, trades=trades, is_recorded=within is None or within.is_recorded)
    span.attributes.update(_describe(trades), **attributes)
    return span


def begin_child(name: str, **attributes: Attribute) -> Span | None:
    """Begin a span within the current one; None: there is none."""
    within = _current.get()
    if within is None:
        return None
    span = Span(name, within.context, is_recorded=within.is_recorded)
    span.attributes.update(within.attributes, **attributes)
    return span


def child(name: str, **attributes: Attribute) -> Span | nullcontext[None]:
    """Return a block that is a span within the current one, if there is one."""
    return begin_child(name, **attributes) or nullcontext()
