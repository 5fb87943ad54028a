"""The last 15 minutes in numbers, made of what came between two askings."""

import pytest

from dashboard.findings import Finding
from dashboard.history import HISTORY_S, POINTS_MAX, History, Lag, Pace, Point
from tests.dashboard.conftest import catalog, replica
from tests.dashboard.tellers import asked, find, serving


def after(*polls: list[Finding], every_s: float = 1.0) -> Point:
    """Return the newest point after asking so often."""
    history = History()
    for at, findings in enumerate(polls):
        history.add(findings, 100.0 + at * every_s)
    return history.points()[-1]


def test_a_point_tells_who_leads_and_who_lags() -> None:
    point = after(
        [
            find("catalog", catalog(term=4, leader=3, last=12)),
            find("order-1", replica(1, term=3, leader=2, last=9)),
            find("order-2", None),
        ]
    )
    assert (point.at_s, point.term, point.leader, point.last, point.up) == (100.0, 4, 3, 12, 2)
    assert point.lags == {"order-1": Lag(0, 0.5)}
    assert (point.reads, point.hit_ratio) == (Pace(), None)


def test_nobody_answers_and_there_is_a_point_all_the_same() -> None:
    point = after([find("catalog", None)])
    assert (point.term, point.leader, point.last, point.up, point.lags) == (0, None, 0, 0, {})


def test_traffic_is_what_came_between_two_points() -> None:
    old = [asked("GET /stocks hit", [0.5] * 50), asked("POST /orders placed", [0.5])]
    new = [
        asked("GET /stocks hit", [0.5] * 50 + [0.001] * 30),
        asked("GET /stocks miss", [0.001] * 9 + [0.1]),
        asked("POST /orders placed", [0.5, 0.01, 0.01]),
        asked("POST /orders", [0.02], failed=1),
        asked("GET /leader", [9.0]),
    ]
    point = after([find("frontend-1", serving(*old))], [find("frontend-1", serving(*new))])
    assert (point.reads.per_s, point.reads.failed_per_s) == (40, 0)
    assert point.reads.p50_ms == pytest.approx(1, rel=0.42)
    assert point.reads.p99_ms == pytest.approx(100, rel=0.42)
    assert (point.trades.per_s, point.trades.failed_per_s) == (3, 1)


def test_front_ends_are_added_up() -> None:
    quiet = [find(name, serving()) for name in ("frontend-1", "frontend-2")]
    busy = [
        find("frontend-1", serving(asked("GET /stocks hit", [0.001] * 60), hits=60)),
        find("frontend-2", serving(asked("GET /stocks", [0.1] * 40, refused=4), misses=40)),
    ]
    point = after(quiet, busy, every_s=2.0)
    assert (point.reads.per_s, point.reads.refused_per_s, point.hit_ratio) == (50, 2, 0.6)
    assert (point.reads.p50_ms < 2, point.reads.p95_ms > 50) == (True, True)


def test_a_front_end_that_was_restarted_counts_from_nothing() -> None:
    old = serving(asked("GET /stocks", [0.1] * 500), hits=500, began_s=1.0)
    new = serving(asked("GET /stocks", [0.1] * 20), hits=20, began_s=100.5)
    point = after([find("frontend-1", old)], [find("frontend-1", new)])
    assert (point.reads.per_s, point.hit_ratio) == (20, 1)


def test_what_a_silent_front_end_did_is_spread_over_its_silence() -> None:
    point = after(
        [find("frontend-1", serving())],
        [find("frontend-1", None)],
        [find("frontend-1", serving(asked("GET /stocks", [0.1] * 20)))],
    )
    assert point.reads.per_s == 10


def test_fifteen_minutes_are_kept_and_no_more() -> None:
    """I10."""
    history = History()
    for at in range(POINTS_MAX + 50):
        history.add([], float(at))
    assert len(history.points()) == POINTS_MAX
    history.add([], 2 * HISTORY_S)
    assert history.points()[0].at_s == HISTORY_S + 1
    history.add([], 9 * HISTORY_S)
    assert len(history.points()) == 1


def test_points_from_before_the_clock_was_set_back_are_dropped() -> None:
    history = History()
    for at_s in (1000.0, 1001.0, 5.0, 6.0):
        history.add([], at_s)
    assert [point.at_s for point in history.points()] == [5.0, 6.0]


def test_what_comes_right_after_a_point_joins_the_next() -> None:
    """After a fault roles are asked more often; a rate over a quarter of a second says little."""
    polls = [[find("frontend-1", serving(hits=hits))] for hits in (0, 25, 50, 75, 100)]
    history = History()
    for at, findings in enumerate(polls):
        history.add(findings, 100.0 + at * 0.25)
    assert [point.at_s for point in history.points()] == [100.0, 100.75]
