"""Spans of many processes become one trace: who had a part, when, by one clock."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from bazaar.core.clock_offsets import Links, find_offsets
from bazaar.core.failures import UnknownTrace
from bazaar.protocol.traces import SpanBody, TradeTrace
from frontend_app import trace_assembly
from frontend_app.trace_assembly import AskedProcess, assemble, list_parents, merge

KEY = UUID(int=1)
STORED = {"stored_from": 5, "stored": 5}
REASON = "127.0.0.1:21003 did not answer: refused"


@dataclass
class Story:
    """What each process remembers; times in milliseconds after the trade began."""

    ahead_ms: dict[str, float] = field(default_factory=dict)
    """How far clocks are ahead."""
    spans: dict[str, list[SpanBody]] = field(default_factory=dict)
    count: int = 0

    def add(
        self, process: str, name: str, span: tuple[float, float], parent: str = "", **more: object
    ) -> str:
        """Add a span; return its id. Each election is a trace of its own."""
        self.count += 1
        trace_id = f"election {self.count}" if name == "election" else "t"
        ahead_ms = self.ahead_ms.get(process, 0)
        began_s, ended_s = (1000 + (at_ms + ahead_ms) / 1000 for at_ms in span)
        made = SpanBody(
            name=name,
            trace_id=trace_id,
            span_id=f"{self.count:016x}",
            parent_id=parent,
            began_s=began_s,
            ended_s=ended_s,
            **more,  # type: ignore[arg-type]
        )
        self.spans.setdefault(process, []).append(made)
        return made.span_id

    def asked(self, **reasons: str) -> list[AskedProcess]:
        """Return what the processes answer; reasons: of those that do not."""
        gone = {name.replace("_", "-"): reason for name, reason in reasons.items()}
        answers = [
            AskedProcess(
                *(name, f"host of {name}", gone.get(name, "")),
                spans=() if name in gone else tuple(spans),
                sent_s=2000.0,
                answered_s=2000.001 + self.ahead_ms.get(name, 0) / 1000,
                returned_s=2000.002,
            )
            for name, spans in self.spans.items()
        ]
        others = gone.keys() - self.spans.keys()
        return answers + [AskedProcess(name, "far", gone[name]) for name in others]

    def assemble(self, **reasons: str) -> TradeTrace:
        return assemble(KEY, self.asked(**reasons))


def tell(**ahead_ms: float) -> Story:
    """Tell of a trade that order-3 takes, the catalog decides and order-2 copies."""
    story = Story({name.replace("_", "-"): value for name, value in ahead_ms.items()})
    told = {"order_no": 7, "status": 200}
    request = story.add("frontend-1", "POST /orders", (0, 20), attributes=told, has_key=True)
    forward = story.add("frontend-1", "forward trades", (2, 19), request, has_key=True)
    attempt = {"replica": 3, "term": 4, "trades": 5}
    sent = story.add("frontend-1", "send trades", (3, 18), forward, attributes=attempt)
    came = story.add("order-3", "POST /trades", (4, 17), sent)
    place = story.add(
        *("order-3", "place trades", (5, 16), came),
        has_key=True,
        attributes={"trades": 5, **STORED},
        marks=(("durable", mark("order-3", 14, story)),),
    )
    batch = story.add("order-3", "send batch", (6, 11), place, attributes={"trades": 5})
    taken = story.add("catalog", "POST /batch", (7, 10), batch)
    story.add(
        *("catalog", "decide trades", (7, 10), taken),
        has_key=True,
        attributes={"order_no": 5, "placed": 5, "trades": 5},
        marks=(("decided", mark("catalog", 8, story)), ("durable", mark("catalog", 9, story))),
    )
    append = story.add("order-3", "append", (12, 15), place, attributes={"replica": 2})
    story.add(
        *("order-2", "POST /sync", (13, 14), append),
        attributes=STORED,
        marks=(("durable", mark("order-2", 13.5, story)),),
    )
    return story


def decide_again(story: Story, at_ms: float, **attributes: str | int) -> None:
    """Add a batch of the catalog that has the trade, and is committed."""
    story.add(
        *("catalog", "decide trades", (at_ms, at_ms + 3)),
        has_key=True,
        attributes=attributes,
        marks=(
            ("decided", mark("catalog", at_ms + 1, story)),
            ("durable", mark("catalog", at_ms + 2, story)),
        ),
    )


def of_catalog(story: Story) -> list[str]:
    return [step.text for step in story.assemble().steps if step.process == "catalog"]


def mark(process: str, at_ms: float, story: Story) -> float:
    return 1000 + (at_ms + story.ahead_ms.get(process, 0)) / 1000


def times_of(trace: TradeTrace) -> list[tuple[str, str, float]]:
    return [(step.process, step.text, step.at_ms) for step in trace.steps]


def test_a_trade_is_told_from_the_request_to_the_answer() -> None:
    trace = tell().assemble()
    assert (trace.order_no, trace.outcome, trace.took_ms) == (7, "placed, status 200", 20.0)
    assert times_of(trace) == [
        ("frontend-1", "takes the trade: POST /orders", 0.0),
        ("frontend-1", "waits for its batch to be sent", 0.0),
        ("frontend-1", "sends 5 trades together to the leader of term 4", 3.0),
        ("order-3", "waits for its batch to begin", 4.0),
        ("order-3", "places 5 trades together", 5.0),
        ("order-3", "has the catalog decide 5 trades together", 6.0),
        ("catalog", "decides 5 trades together: this one is order 7", 7.0),
        ("catalog", "has decided; it commits when the front ends have forgotten the stocks", 8.0),
        ("catalog", "has committed it to the ledger", 9.0),
        ("order-3", "has the follower store the orders", 12.0),
        ("order-2", "has it in its order log", 13.5),
        ("order-3", "has it in its order log", 14.0),
        ("frontend-1", "answers with status 200", 20.0),
    ]
    assert [step.no for step in trace.steps] == list(range(1, 14))
    assert [step.process for step in trace.steps if step.is_durable] == [
        *("catalog", "order-2", "order-3")
    ]
    (append,) = [step for step in trace.steps if step.to == "order-2"]
    assert (append.received_ms, append.answered_ms, append.end_ms) == (13.0, 14.0, 15.0)
    assert [process.name for process in trace.processes] == [
        *("frontend-1", "catalog", "order-3", "order-2")
    ]


def test_clocks_that_differ_change_nothing() -> None:
    """Hours apart; the exchanges of this trade are even, so the estimate is right."""
    plain, skewed = (
        tell().assemble(),
        tell(order_3=5_000_000, catalog=-7_000, order_2=40).assemble(),
    )
    for (_, text, at_ms), (_, other, other_ms) in zip(
        times_of(plain), times_of(skewed), strict=True
    ):
        assert text == other
        assert at_ms == pytest.approx(other_ms, abs=1.0)
    offsets = {process.name: process.offset_ms for process in skewed.processes}
    assert offsets["order-3"] == pytest.approx(5_000_000, abs=1.0)
    assert offsets["catalog"] == pytest.approx(-7_000, abs=1.0)
    for step in skewed.steps:
        if step.received_ms is not None and step.answered_ms is not None:
            assert step.at_ms <= step.received_ms <= step.answered_ms <= step.end_ms


def test_the_offsets_of_clocks_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def find(first: str, links: Links) -> dict[str, float]:
        calls.append(first)
        return find_offsets(first, links)

    monkeypatch.setattr(trace_assembly, "find_offsets", find)
    tell(catalog=-7_000).assemble()
    assert len(calls) == 1


def test_a_process_that_is_gone_is_named_and_its_message_has_no_end() -> None:
    trace = tell().assemble(order_3=REASON)
    reasons = {process.name: process.reason for process in trace.processes}
    assert reasons["order-3"] == REASON
    (sent,) = [step for step in trace.steps if step.kind == "message"]
    assert (sent.to, sent.received_ms, sent.answered_ms) == ("order-3", None, None)
    assert "decides 5 trades together: this one is order 7" in [step.text for step in trace.steps]


def test_a_batch_of_others_in_the_same_trace_is_left_out() -> None:
    story = tell()
    sent = story.spans["frontend-1"][2].span_id
    story.add("order-3", "place trades", (16, 17), sent)
    story.add("frontend-1", "POST /orders", (1, 2), sent, attributes={"status": 200})
    assert len(story.assemble().steps) == len(tell().assemble().steps)


def test_an_election_counts_while_the_trade_waits() -> None:
    story = tell()
    for begin_ms in (-50, 5, 300):
        election = story.add(
            *("frontend-1", "election", (begin_ms, begin_ms + 3)),
            attributes={"term": 5, "replica": 2},
        )
        claim = story.add("frontend-1", "claim", (begin_ms + 1, begin_ms + 2), election)
        story.add("catalog", "POST /leadership", (begin_ms + 1, begin_ms + 2), claim)
    steps = [step for step in story.assemble().steps if step.kind == "election"]
    assert [(step.text, step.at_ms) for step in steps] == [("election: order-2 leads term 5", 5.0)]


def test_a_repeated_decision_says_that_the_order_was_there() -> None:
    """Others in its batch are committed; this one was, before."""
    story = tell()
    before = of_catalog(story)
    decide_again(story, 12, order_no=10, placed=2, trades=3)
    assert of_catalog(story) == [
        *before,
        "knows the key: it is order 7, which was decided before",
    ]


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        ({"key": str(KEY)}, "decides the trade: this one is refused"),
        (
            {"order_no": 5, "placed": 2, "trades": 3},
            "decides 3 trades together: this one is refused",
        ),
    ],
)
def test_a_refused_trade_is_not_committed(batch: dict[str, str | int], text: str) -> None:
    """Neither alone, nor in a batch whose other trades are."""
    story = Story()
    request = story.add(
        *("frontend-1", "POST /orders", (0, 9)), has_key=True, attributes={"status": 404}
    )
    stored = {"stored_from": 5, "stored": 2}
    place = story.add(
        *("order-3", "place trades", (1, 8), request),
        has_key=True,
        attributes=stored,
        marks=(("durable", mark("order-3", 7, story)),),
    )
    decide_again(story, 2, **batch)
    append = story.add("order-3", "append", (5, 7), place)
    story.add(
        *("order-2", "POST /sync", (5, 6), append),
        attributes=stored,
        marks=(("durable", mark("order-2", 6, story)),),
    )
    trace = story.assemble()
    assert (trace.order_no, trace.outcome) == (None, "refused, status 404")
    assert of_catalog(story) == [text]
    assert ("order-3", "tries to place the trade", 1.0) in times_of(trace)
    assert not [step for step in trace.steps if step.is_durable]
    assert {step.process for step in trace.steps if step.kind == "moment"} == {"frontend-1"}


def test_a_trade_that_was_refused_before_it_was_placed_was_no_order_then() -> None:
    story = tell()
    decide_again(story, -9, key=str(KEY))
    assert of_catalog(story)[0] == "decides the trade: this one is refused"


def test_a_client_that_repeats_its_key_is_told_twice() -> None:
    """The leader has the order in its log; the times are those of both requests together."""
    story = tell()
    told = {"order_no": 7, "status": 200}
    request = story.add("frontend-1", "POST /orders", (50, 55), attributes=told, has_key=True)
    story.add("order-3", "place trades", (52, 53), request, attributes={"key": "k"}, has_key=True)
    trace = story.assemble()
    assert (trace.outcome, trace.took_ms) == ("placed, status 200 (the last of 2 requests)", 55.0)
    assert ("order-3", "knows the key: order 7 is in its log", 52.0) in times_of(trace)


def test_a_trade_that_failed_says_its_status_once() -> None:
    story, told = Story(), {"status": 503}
    request = story.add(
        "frontend-1", "POST /orders", (0, 9), attributes=told, has_key=True, error="status 503"
    )
    story.add("order-3", "place trades", (2, 3), request, has_key=True, error="refused")
    steps = [(step.text, step.error) for step in story.assemble().steps]
    assert steps == [
        ("takes the trade: POST /orders", ""),
        ("places the trade", "refused"),
        ("answers that it failed", "status 503"),
    ]


def test_many_attempts_alike_are_told_in_few_steps() -> None:
    """A trade without a leader is sent two hundred times before it fails."""
    story = Story()
    request = story.add("frontend-1", "POST /orders", (0, 900), has_key=True, error="status 503")
    forward = story.add("frontend-1", "forward trades", (0, 900), request, has_key=True)
    sent = {"replica": 3, "term": 4, "trades": 1}
    for at_ms in range(100, 900, 100):
        story.add(
            *("frontend-1", "send trades", (at_ms, at_ms + 1), forward),
            attributes=sent,
            error=REASON,
        )
    for at_ms in range(150, 550, 100):
        story.add("frontend-1", "await leader", (at_ms, at_ms + 50), forward)
    trace = story.assemble()
    text = "sends the trade to the leader of term 4"
    assert [(step.at_ms, step.text) for step in trace.steps if step.to] == [
        (100.0, text),
        (200.0, text),
        (800.0, f"{text} (after 5 more like it, not shown)"),
    ]
    assert len([step for step in trace.steps if "another leader" in step.text]) == 4
    assert [step.no for step in trace.steps] == list(range(1, len(trace.steps) + 1))


def test_a_decision_that_failed_says_nothing_about_the_trade() -> None:
    story = tell()
    story.add("catalog", "decide trades", (12, 13), has_key=True, error="The term is 5")
    (step,) = [step for step in story.assemble().steps if step.error]
    assert (step.text, step.error) == ("decides the trade", "The term is 5")


def test_a_trade_that_is_placed_and_never_answered_has_its_number() -> None:
    """It was alone in its batch; of others in a batch nobody could tell."""
    for batch, order_no in (({"key": str(KEY)}, 5), ({"trades": 3}, None)):
        story = Story()
        attributes = {"status": 503}
        story.add("frontend-1", "POST /orders", (0, 9), has_key=True, attributes=attributes)
        decide_again(story, 2, order_no=5, placed=1, **batch)
        trace = story.assemble()
        durable = [step.text for step in trace.steps if step.is_durable]
        assert (trace.order_no, len(durable)) == (order_no, 1 if order_no else 0)


def test_a_trade_that_nobody_remembers_has_no_trace() -> None:
    story = Story()
    story.add("frontend-1", "election", (0, 1))
    with pytest.raises(UnknownTrace):
        story.assemble()


def test_the_messages_are_what_others_are_asked_for() -> None:
    story = tell()
    names = {span.span_id: span.name for spans in story.spans.values() for span in spans}
    assert sorted(names[one] for one in list_parents(story.asked())) == [
        *("append", "send batch", "send trades")
    ]


def test_what_was_kept_completes_what_is_known_now() -> None:
    """The leader was asked when the trade was slow; now it is gone."""
    kept = tell().asked()
    gone = tell().asked(order_3=REASON)
    trace = assemble(KEY, merge(gone, kept))
    assert len(trace.steps) == len(tell().assemble().steps)
    reasons = {process.name: process.reason for process in trace.processes}
    assert reasons["order-3"] == REASON


def test_what_was_kept_has_the_clocks_of_its_own_time() -> None:
    """The clock of order-3 was set after the trade; order-2 was not asked at that time."""
    story = tell(order_3=5_000, order_2=40)
    kept = [process for process in story.asked() if process.name != "order-2"]
    story.ahead_ms["order-3"] = 0
    merged = merge(story.asked(), kept)
    trace = assemble(KEY, merged)
    offsets = {process.name: process.offset_ms for process in trace.processes}
    assert offsets["order-3"] == pytest.approx(5_000, abs=1.0)
    assert offsets["order-2"] == pytest.approx(40, abs=1.0)
    assert times_of(trace) == times_of(assemble(KEY, tell(order_3=5_000, order_2=40).asked()))
    again = merge(story.asked(), merged)
    assert len(merge(story.asked(), again)) == len(again), "it does not grow each time"
