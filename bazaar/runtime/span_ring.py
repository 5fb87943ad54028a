"""
The newest spans of trades and elections of this process (docs/adr/0043).

Whoever ends a span pays for one tuple. It is looked through, and made a message, when somebody
asks for the trace of a trade. What is no part of a trade is not kept, so queries wash nothing out.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

from bazaar.protocol.traces import (
    OF_ELECTIONS,
    OF_TRADES,
    REQUESTS,
    SPANS_MAX,
    SpanBody,
    SpansWantedBody,
)
from bazaar.protocol.tracing import Attribute, Span

ELECTION_SPANS_MAX = 400
ERROR_CHARS_MAX = 300
"""Characters of what failed."""
NOTED_MAX = 1000
"""Slow or failed trades that wait to be looked after."""
SLOW_S = 0.25
"""A trade that took longer is remembered for longer, as one that failed is."""

_Rest = tuple[str, str, float, float, str, dict[str, Attribute], tuple[tuple[str, float], ...]]
"""Name, trace, begin, end, error, attributes, marks."""
KeptSpan = tuple[str, str, str, bytes, _Rest]
"""Its id, that of its parent, the key of its trade, the keys of its trades, and the rest."""


class SpanRing:
    """Keeps ended spans, a bounded number; safe for many threads. See `SpanSubscriber`."""

    def __init__(self, spans_max: int = 0) -> None:
        """Begin with an empty memory; see `limit`."""
        self.limit(spans_max)

    def limit(self, spans_max: int) -> None:
        """Forget all; from now on keep so many spans of trades."""
        self._trades: deque[KeptSpan] = deque(maxlen=spans_max)
        self._elections: deque[KeptSpan] = deque(maxlen=min(spans_max, ELECTION_SPANS_MAX))
        self.noted: deque[str] = deque(maxlen=NOTED_MAX)
        """Keys of trades of this front end that were slow or failed, the oldest first."""

    def take(self, span: Span) -> None:
        """Keep a span, if it is one of a trade or of an election."""
        name = span.name
        if name in OF_TRADES:
            if name in REQUESTS:
                if "key" not in span.attributes:
                    return  # it was no trade
                if span.error or span.ended_s - span.began_s > SLOW_S:
                    self.noted.append(str(span.attributes["key"]))
            self._trades.append(_pack(span))
        elif name in OF_ELECTIONS:
            self._elections.append(_pack(span))

    def find(self, wanted: SpansWantedBody) -> list[SpanBody]:
        """Return the spans that somebody wants, at most SPANS_MAX."""
        found = self._find_trade(wanted.key) if wanted.key else []
        return [*found, *self._find_parts(wanted.parents)][-SPANS_MAX:]

    def close(self) -> None:
        """Do nothing: what is in memory ends with the process."""

    def _find_trade(self, key: UUID) -> list[SpanBody]:
        """Return the spans that a trade is in, with their parts, and all elections."""
        text, packed = str(key), key.bytes
        spans = [*self._trades.copy()]
        roots = {
            span_id
            for span_id, _, one, many, _ in spans
            if one == text or (many and packed in many)
        }
        found = [*_within(spans, set(roots)), *self._elections.copy()]
        return [_unpack(span, has_key=span[0] in roots) for span in found]

    def _find_parts(self, parents: Iterable[str]) -> list[SpanBody]:
        """Return what was done for some spans of other processes."""
        asked = set(parents)
        if not asked:
            return []
        spans = [*self._trades.copy(), *self._elections.copy()]
        ids = {span_id for span_id, parent_id, _, _, _ in spans if parent_id in asked}
        return [_unpack(span) for span in _within(spans, ids)]


def _pack(span: Span) -> KeptSpan:
    context, trades, attributes = span.context, span.trades, span.attributes
    keys = b"".join([trade.key.bytes for trade in trades]) if len(trades) > 1 else b""
    times, error = (span.began_s, span.ended_s), span.error[:ERROR_CHARS_MAX]
    rest = (span.name, context.trace_id, *times, error, attributes, span.marks)
    return context.span_id, span.parent_id, str(attributes.get("key", "")), keys, rest


def _within(spans: Sequence[KeptSpan], ids: set[str]) -> list[KeptSpan]:
    """
    Return some spans and their parts, in their order.

    ids: grows by those of the parts. A part has ended before the whole as a rule, so one look from
    the end finds nearly all.
    """
    before = 0
    while before != len(ids):
        before = len(ids)
        for span_id, parent_id, _, _, _ in reversed(spans):
            if parent_id in ids:
                ids.add(span_id)
    return [span for span in spans if span[0] in ids]


def _unpack(span: KeptSpan, *, has_key: bool = False) -> SpanBody:
    span_id, parent_id, _, _, (name, trace_id, began_s, ended_s, error, attributes, marks) = span
    return SpanBody(
        name=name,
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        began_s=began_s,
        ended_s=ended_s,
        error=error,
        attributes=attributes,
        marks=marks,
        has_key=has_key,
    )


span_ring = SpanRing()
"""The one of this process; `bazaar.wsgi` says how much it keeps."""
