"""Ids of requests: what is taken, what is made anew, and where a span belongs."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.types import Trade, TradeType
from bazaar.protocol import tracing
from bazaar.protocol.messages import TradeBody
from bazaar.protocol.tracing import Span, TraceContext, read_headers, read_text
from bazaar.protocol.transport import HttpTransport
from tests.support.servers import ScriptedServer, answer
from tests.support.waits import WAIT_S

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Collector:
    """A subscriber that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.is_closed = False

    def take(self, span: Span) -> None:
        self.spans.append(span)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture(autouse=True)
def _subscribed(collector: Collector) -> object:
    tracing.subscribe(collector)
    yield
    tracing.unsubscribe_all()


def make_trade(number: int, context: str = "") -> Trade:
    return Trade(UUID(int=number), "GameStart", TradeType.BUY, 1, context=context)


def test_a_right_traceparent_and_id_are_taken() -> None:
    assert read_headers(PARENT, "id.of:a-client") == TraceContext(
        TRACE, SPAN, "01", "id.of:a-client"
    )


def test_a_later_version_may_say_more() -> None:
    assert read_headers(f"cc-{TRACE}-{SPAN}-01-what-ever", None).trace_id == TRACE
    assert read_headers(f"cc-{TRACE}-{SPAN}-01", None).trace_id == TRACE


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "x", PARENT.upper(), f" {PARENT}", f"{PARENT}-more", f"ff-{TRACE}-{SPAN}-01"),
        *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}-1"),
        *(f"{PARENT}, {PARENT}", PARENT[:-1] + "\xff", f"cc-{TRACE}-{SPAN}-01more", "0" * 60_000),
    ],
)
def test_a_wrong_traceparent_is_replaced(wrong: str) -> None:
    made = read_headers(wrong, None)
    assert made.trace_id != TRACE
    assert re.fullmatch("[0-9a-f]{32}", made.trace_id)
    assert (made.span_id, made.request_id) == ("", made.trace_id)


@pytest.mark.parametrize("wrong", ["", "a b", "a\tb", "x" * 129, "é", 'a"b', "a\r\nb: c", "a,b"])
def test_a_wrong_request_id_is_replaced_by_the_trace_id(wrong: str) -> None:
    assert read_headers(PARENT, wrong).request_id == TRACE


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_comes_a_context_is_made_of_plain_characters(parent: str, given_id: str) -> None:
    found = Span("x", read_headers(parent, given_id)).context
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", found.traceparent)
    assert re.fullmatch("[!-~]{1,128}", found.request_id)
    assert read_text(found.text) == found


def test_made_ids_differ() -> None:
    assert len({tracing.make_trace_id() for _ in range(1000)}) == 1000


def test_a_span_belongs_to_the_one_that_asked(collector: Collector) -> None:
    with Span("POST /orders", read_headers(PARENT, "mine")) as span:
        assert tracing.current() is span
        child = tracing.begin_child("append", replica=2)
        assert child
        child.end()
    assert tracing.current() is None
    assert [one.name for one in collector.spans] == ["append", "POST /orders"]
    assert (span.parent_id, child.parent_id) == (SPAN, span.context.span_id)
    assert {span.context.trace_id, child.context.trace_id} == {TRACE}
    assert child.context.request_id == "mine"
    assert span.ended_s >= span.began_s
    assert tracing.begin_child("of nothing") is None


def test_a_span_that_fails_says_why_and_ends_once(collector: Collector) -> None:
    def fail() -> None:
        with Span("x", read_headers(PARENT, None)) as span:
            span.end("first")
            raise ValueError("second")

    with pytest.raises(ValueError, match="second"):
        fail()
    assert [one.error for one in collector.spans] == ["first"]


def test_a_span_that_is_not_recorded_reaches_no_subscriber(collector: Collector) -> None:
    with Span("GET /ping", read_headers(None, None), is_recorded=False):
        tracing.begin_batch("x", [make_trade(1)]).end()
    assert collector.spans == []


def test_a_span_that_ended_unrecorded_can_be_recorded_after_all(collector: Collector) -> None:
    with Span("GET /query", read_headers(None, None), is_recorded=False) as span:
        pass
    span.record()
    assert collector.spans == [span]


def test_a_batch_links_to_each_of_its_trades() -> None:
    spans = [Span("POST /orders", read_headers(None, f"r{number}")) for number in range(3)]
    trades = [make_trade(number, span.context.text) for number, span in enumerate(spans)]
    batch = tracing.begin_batch("place trades", [*trades, make_trade(9)], term=4)
    assert list(batch.links) == [span.context for span in spans]
    assert batch.context.trace_id == spans[0].context.trace_id
    assert batch.parent_id == spans[0].context.span_id
    assert batch.attributes == {"trades": 4, "term": 4}
    assert tracing.begin_batch("x", trades[:1]).attributes == {"key": str(trades[0].key)}


def test_a_batch_within_a_request_belongs_to_it() -> None:
    with Span("POST /batch", read_headers(PARENT, None)) as request:
        batch = tracing.begin_batch("decide trades", [make_trade(1)])
    assert (batch.parent_id, batch.links) == (request.context.span_id, [])


def test_the_context_of_a_trade_travels_and_is_no_part_of_it() -> None:
    text = Span("x", read_headers(PARENT, "mine")).context.text
    trade = make_trade(1, text)
    assert TradeBody.from_core(trade).to_core().context == text
    assert trade == make_trade(1)
    assert hash(trade) == hash(make_trade(1))


def test_subscribers_are_closed_in_the_end(collector: Collector) -> None:
    tracing.subscribe(Collector(), is_sampling=True)
    assert read_headers(None, None).is_sampled
    tracing.unsubscribe_all()
    assert collector.is_closed
    assert not read_headers(None, None).is_sampled


def test_a_call_for_a_request_carries_its_ids() -> None:
    """A made request id is the trace id, so it is not sent twice; others have nothing to say."""
    server = ScriptedServer([answer(), answer(), answer()])
    client = HttpTransport(server.address, "order-2", b"s" * 32, lambda: 1.0)
    spans = [Span("x", read_headers(None, request_id)) for request_id in (None, "mine")]
    for span in spans:
        with span:
            client.call("GET", "/ping", timeout_s=WAIT_S)
    client.call("GET", "/ping", timeout_s=WAIT_S)
    client.close()
    server.close()
    made, given, other = (request.decode() for request in server.requests)
    assert f"\r\ntraceparent: {spans[0].context.traceparent}\r\n" in made
    assert f"\r\ntraceparent: {spans[1].context.traceparent}\r\nX-Request-ID: mine\r\n" in given
    assert "X-Request-ID" not in made
    assert "traceparent" not in other
