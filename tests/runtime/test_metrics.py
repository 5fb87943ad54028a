"""What a process keeps of itself is bounded, and told without gaps (I10)."""

import logging

import pytest

from bazaar.core.histogram import SIZE_BOUNDS, Histogram
from bazaar.protocol.statuses import EVENTS_MAX, FIELD_CHARS_MAX, Event
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import (
    REFUSAL_MAX_S,
    REFUSAL_S,
    Events,
    Meter,
    Operations,
    process_status,
    summarize_sizes,
)
from tests.support.written import lines_of

LOG = get_log("tests.recorder")


class FakeClock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events(clock: FakeClock) -> Events:
    return Events(clock)


def test_an_event_is_told_and_logged_with_its_fields(
    events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tests.recorder")
    events.emit(LOG, logging.WARNING, "follower lost", replica=3, reason="it is silent")
    events.emit(LOG, logging.INFO, "catalog in reach")
    fields: dict[str, str | int | float | None] = {"replica": 3, "reason": "it is silent"}
    assert events.snapshot() == (
        Event(no=1, at_s=1000.0, phrase="follower lost", fields=fields),
        Event(no=2, at_s=1000.0, phrase="catalog in reach"),
    )
    assert lines_of(caplog.records) == [
        "follower lost replica=3 reason=it is silent",
        "catalog in reach",
    ]


def test_the_oldest_events_go_first_and_numbers_go_on(events: Events) -> None:
    for number in range(EVENTS_MAX + 5):
        events.emit(LOG, logging.DEBUG, "something", number=number)
    told = events.snapshot()
    assert [event.no for event in told] == list(range(6, EVENTS_MAX + 6))


def test_a_text_from_anywhere_is_cut(events: Events) -> None:
    events.emit(LOG, logging.DEBUG, "something", reason="x" * 10_000, term=7, leader=None)
    (event,) = events.snapshot()
    assert event.fields == {"reason": "x" * FIELD_CHARS_MAX, "term": 7, "leader": None}


def test_many_refusals_of_one_kind_are_one_event_a_second(events: Events, clock: FakeClock) -> None:
    """Otherwise a stranger who knocks a hundred times empties the list."""
    for _ in range(500):
        events.emit_refusal(LOG, "busy")
    events.emit_refusal(LOG, "stale_term")
    clock.now_s += REFUSAL_S
    events.emit_refusal(LOG, "busy")
    assert [event.fields for event in events.snapshot()] == [
        {"kind": "busy", "times": 1},
        {"kind": "stale_term", "times": 1},
        {"kind": "busy", "times": 500},
    ]


def test_a_flood_of_refusals_is_said_less_and_less_often(events: Events, clock: FakeClock) -> None:
    """A hundred thousand in 400 s are a few lines; a second flood begins like the first."""
    for _ in range(100_000):
        events.emit_refusal(LOG, "busy")
        clock.now_s += 0.004
    assert len(events.snapshot()) < 20
    clock.now_s += REFUSAL_MAX_S
    events.snapshot()
    clock.now_s += REFUSAL_S
    said = [int(event.fields["times"] or 0) for event in events.snapshot()]
    assert sum(said) == 100_000, "none is forgotten"
    clock.now_s += REFUSAL_MAX_S
    for _ in range(2):
        events.emit_refusal(LOG, "busy")
        clock.now_s += REFUSAL_S
    assert [event.fields["times"] for event in events.snapshot()][-2:] == [1, 1]


def test_refusals_that_came_last_are_counted_when_their_second_is_over(
    events: Events, clock: FakeClock
) -> None:
    for _ in range(500):
        events.emit_refusal(LOG, "busy", level=logging.WARNING)
    assert len(events.snapshot()) == 1
    clock.now_s += REFUSAL_S
    for _ in range(2):
        assert [event.fields["times"] for event in events.snapshot()] == [1, 499]


def test_a_clock_that_was_set_back_does_not_hide_refusals(events: Events, clock: FakeClock) -> None:
    events.emit_refusal(LOG, "busy")
    clock.now_s -= 3600
    events.emit_refusal(LOG, "busy")
    assert len(events.snapshot()) == 2


def test_a_meter_counts_by_how_it_ended() -> None:
    meter = Meter("POST /orders")
    for status in (200, 201, 404, 429, 500, 503, 503):
        meter.add(0.004, status)
    told = meter.snapshot()
    assert (told.name, told.count, told.refused, told.failed) == ("POST /orders", 7, 2, 3)
    assert 2.8 < told.p50_ms <= told.p95_ms <= told.p99_ms < 5.7
    assert sum(told.buckets) == 7


def test_what_was_told_once_is_told_anew_only_when_something_came() -> None:
    meter = Meter("POST /orders")
    meter.add(0.001)
    told = meter.snapshot()
    assert meter.snapshot() is told
    for number, status in enumerate((200, 404, 503), 2):
        meter.add(1.0, status)
        newer = meter.snapshot()
        assert (newer.count, sum(newer.buckets)) == (number, number)
        assert newer.p99_ms > told.p99_ms
    assert (newer.refused, newer.failed) == (1, 1)


def test_one_name_has_one_meter_and_what_nobody_asked_for_is_not_told() -> None:
    operations = Operations()
    operations.meter("GET /never")
    operations.meter("GET /b").add(0.001)
    operations.meter("GET /a").add(0.001)
    operations.meter("GET /b").add(0.001)
    assert [(one.name, one.count) for one in operations.snapshot()] == [
        ("GET /a", 1),
        ("GET /b", 2),
    ]


def test_sizes_are_told_as_whole_numbers() -> None:
    sizes = Histogram(SIZE_BOUNDS)
    assert summarize_sizes(sizes).p99 == 0
    for size in [1] * 98 + [200, 256]:
        sizes.add(size)
    told = summarize_sizes(sizes)
    assert (told.p50, told.p95, told.buckets) == (1, 1, (98, *[0] * 7, 2))
    assert 128 < told.p99 <= 256


def test_a_process_tells_how_long_it_is_up() -> None:
    first, second = process_status(), process_status()
    assert 0 < first["uptime_s"] <= second["uptime_s"]
    assert first["up_since_s"] == second["up_since_s"]
