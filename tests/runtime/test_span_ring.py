"""What a process remembers of trades: bounded, found by key, with its parts, and nothing else."""

from uuid import UUID

import pytest

from bazaar.core.types import Trade, TradeType
from bazaar.protocol.traces import SPANS_MAX, SpanBody, SpansWantedBody
from bazaar.protocol.tracing import Span, read_headers
from bazaar.runtime import span_ring
from bazaar.runtime.span_ring import SLOW_S, SpanRing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def ring() -> SpanRing:
    return SpanRing(100)


def ended(ring: SpanRing, name: str, within: Span | None = None, **attributes: str | int) -> Span:
    """End a span and have it kept; it took a millisecond."""
    asked = within.context if within else read_headers(PARENT, None)
    span = Span(name, asked, trades=[trade(1), trade(2)] if name == "place trades" else ())
    span.attributes.update(attributes)
    span.ended_s = span.began_s + 0.001
    ring.take(span)
    return span


def trade(number: int) -> Trade:
    return Trade(UUID(int=number), "GameStart", TradeType.BUY, 1)


def find(ring: SpanRing, number: int) -> list[SpanBody]:
    return ring.find(SpansWantedBody(key=UUID(int=number), parents=()))


def test_a_request_is_found_by_its_key_with_its_parts(ring: SpanRing) -> None:
    request = ended(ring, "POST /orders", key=str(UUID(int=1)), status=200)
    forward = ended(ring, "forward trades", request)
    ended(ring, "send trades", forward)
    ended(ring, "POST /orders", key=str(UUID(int=9)))
    found = find(ring, 1)
    assert [one.name for one in found] == ["POST /orders", "forward trades", "send trades"]
    assert [one.has_key for one in found] == [True, False, False]
    assert found[0].attributes == {"key": str(UUID(int=1)), "status": 200}
    assert found[1].parent_id == found[0].span_id


@pytest.mark.parametrize("number", [1, 2])
def test_a_batch_is_found_by_each_of_its_keys(ring: SpanRing, number: int) -> None:
    ended(ring, "place trades")
    assert [(one.name, one.has_key) for one in find(ring, number)] == [("place trades", True)]
    assert find(ring, 3) == []


def test_parts_of_spans_of_others_are_found_by_those(ring: SpanRing) -> None:
    sent = Span("send trades", read_headers(PARENT, None))
    request = ended(ring, "POST /trades", sent)
    ended(ring, "place trades", request)
    wanted = SpansWantedBody(key=None, parents=(sent.context.span_id,))
    assert [one.name for one in ring.find(wanted)] == ["POST /trades", "place trades"]
    assert ring.find(SpansWantedBody(key=None, parents=())) == []


def test_marks_and_errors_are_kept_and_a_long_error_is_cut(ring: SpanRing) -> None:
    span = Span("send trades", read_headers(PARENT, None))
    span.attributes["key"] = str(UUID(int=1))
    span.marks = (("decided", 5.0),)
    span.end("x" * 1000)
    ring.take(span)
    (found,) = find(ring, 1)
    assert found.marks == (("decided", 5.0),)
    assert found.error == "x" * span_ring.ERROR_CHARS_MAX


def test_what_is_no_part_of_a_trade_is_not_kept(ring: SpanRing) -> None:
    for name in ("GET /stocks", "POST /read", "GET /orders"):
        ended(ring, name, key=str(UUID(int=1)))
    ended(ring, "POST /orders")  # its body was refused: it was no trade
    assert find(ring, 1) == []


def test_the_oldest_are_forgotten_and_elections_are_kept_apart() -> None:
    ring = SpanRing(2)
    election = ended(ring, "election")
    for number in range(3):
        ended(ring, "POST /orders", key=str(UUID(int=number)))
    assert [one.name for one in find(ring, 0)] == ["election"]
    assert [one.name for one in find(ring, 2)] == ["POST /orders", "election"]
    assert find(ring, 2)[1].span_id == election.context.span_id
    ring.limit(0)
    ended(ring, "POST /orders", key=str(UUID(int=1)))
    assert find(ring, 1) == []


def test_an_answer_is_bounded() -> None:
    ring = SpanRing(2 * SPANS_MAX)
    for _ in range(SPANS_MAX + 1):
        ended(ring, "POST /orders", key=str(UUID(int=1)))
    assert len(find(ring, 1)) == SPANS_MAX


def test_slow_and_failed_trades_are_noted(ring: SpanRing) -> None:
    for number, took_s, error in ((1, SLOW_S / 2, ""), (2, SLOW_S * 2, ""), (3, 0.0, "status 503")):
        span = Span("POST /orders", read_headers(PARENT, None))
        span.attributes["key"] = str(UUID(int=number))
        span.ended_s, span.error = span.began_s + took_s, error
        ring.take(span)
    assert list(ring.noted) == [str(UUID(int=2)), str(UUID(int=3))]
