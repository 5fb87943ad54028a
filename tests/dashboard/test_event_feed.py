"""The events of all processes, each once and by time."""

from hypothesis import given
from hypothesis import strategies as st

from bazaar.protocol.statuses import EVENTS_MAX
from dashboard.event_feed import FEED_EVENTS_MAX, EventFeed
from tests.dashboard.statuses import event, reporting, result


def numbers(feed: EventFeed) -> list[int]:
    return [one.no for one in feed.newest()]


def test_an_event_that_is_reported_again_is_taken_once() -> None:
    feed = EventFeed()
    first = feed.take([result("catalog", reporting(event(1, 10.0), event(2, 11.0)))], 12.0)
    second = feed.take([result("catalog", reporting(event(2, 11.0), event(3, 12.5)))], 13.0)
    assert ([one.no for one in first], [one.no for one in second]) == ([1, 2], [3])
    assert numbers(feed) == [1, 2, 3]
    newest = feed.newest()[-1]
    assert (newest.source, newest.phrase, newest.text) == ("catalog", "elected", "term=3")


def test_events_of_all_processes_are_in_the_order_of_their_time() -> None:
    feed = EventFeed()
    feed.take(
        [
            result("catalog", reporting(event(1, 10.0), event(2, 30.0))),
            result("order-1", reporting(event(1, 20.0))),
        ],
        31.0,
    )
    assert [one.at_s for one in feed.newest()] == [10.0, 20.0, 30.0]


def test_an_event_that_is_reported_late_gets_the_place_of_its_time() -> None:
    feed = EventFeed()
    feed.take([result("catalog", reporting()), result("order-1", reporting())], 5.0)
    feed.take([result("catalog", reporting(event(1, 20.0))), result("order-1", None)], 21.0)
    feed.take([result("catalog", reporting()), result("order-1", reporting(event(1, 10.0)))], 30.0)
    assert [(one.at_s, one.phrase) for one in feed.newest()] == [
        *((10.0, "elected"), (20.0, "elected"), (21.0, "lost"), (30.0, "back")),
    ]


def test_a_process_that_was_restarted_counts_from_one_again() -> None:
    feed = EventFeed()
    feed.take([result("order-1", reporting(event(1, 10.0), event(2, 11.0), began_s=9.0))], 12.0)
    feed.take([result("order-1", None)], 13.0)
    fresh = feed.take([result("order-1", reporting(event(1, 14.0), began_s=14.0))], 15.0)
    assert [(one.phrase, one.no) for one in fresh] == [("elected", 1), ("restarted", 2)]
    assert len({(one.source, one.began_s, one.no) for one in feed.newest()}) == 5


def test_a_restart_between_two_polls_is_noticed() -> None:
    feed = EventFeed()
    feed.take([result("order-1", reporting(began_s=9.0))], 12.0)
    (fresh,) = feed.take([result("order-1", reporting(began_s=12.5))], 13.0)
    assert (fresh.source, fresh.phrase) == ("dashboard", "restarted")


def test_a_process_that_stays_silent_is_one_event() -> None:
    feed = EventFeed()
    feed.take([result("order-1", None)], 1.0)
    assert feed.newest() == []
    feed.take([result("order-1", reporting())], 2.0)
    for at_s in (3.0, 4.0, 5.0):
        feed.take([result("order-1", None)], at_s)
    feed.take([result("order-1", reporting())], 6.0)
    texts = [(one.at_s, one.text) for one in feed.newest()]
    assert texts == [
        (2.0, "order-1 answers (pid 4242)"),
        (3.0, "order-1 does not answer: refused"),
        (6.0, "order-1 answers (pid 4242)"),
    ]


def test_the_feed_is_bounded_and_keeps_the_newest() -> None:
    feed, each = EventFeed(), EVENTS_MAX
    for first in range(0, FEED_EVENTS_MAX + 5 * each, each):
        status = reporting(*(event(no, float(no)) for no in range(first + 1, first + each + 1)))
        feed.take([result("catalog", status)], float(first))
    assert len(feed.newest()) == FEED_EVENTS_MAX
    assert numbers(feed)[-1] == FEED_EVENTS_MAX + 5 * each
    assert numbers(feed)[0] == 5 * each + 1
    assert len(feed.newest(7)) == 7


@given(ends=st.lists(st.integers(0, 30), min_size=1, max_size=20), ring=st.integers(1, 8))
def test_whatever_is_polled_each_reported_event_is_taken_once(ends: list[int], ring: int) -> None:
    feed, reported = EventFeed(), set[int]()
    for at, end in enumerate(sorted(ends)):
        newest = range(max(1, end - ring + 1), end + 1)
        reported.update(newest)
        feed.take(
            [result("catalog", reporting(*(event(no, float(no)) for no in newest)))], float(at)
        )
    assert numbers(feed) == sorted(reported)
