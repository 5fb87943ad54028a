"""The last 15 minutes in numbers: the differences between polls."""

import msgspec
import pytest

from dashboard.cluster_view import ClusterView, PollResult
from dashboard.traffic_history import (
    HISTORY_S,
    POINTS_MAX,
    TrafficHistory,
    TrafficPoint,
    TrafficRate,
)
from tests.dashboard.statuses import catalog, operation, replica, result, serving


def after(*polls: list[PollResult], every_s: float = 1.0) -> TrafficPoint:
    """Return the newest point after these polls."""
    history = TrafficHistory()
    for at, results in enumerate(polls):
        history.add(ClusterView(results, 100.0 + at * every_s))
    return history.points()[-1]


def test_a_point_has_leader_term_and_the_largest_lag() -> None:
    point = after(
        [
            result("catalog", catalog(term=4, leader=3, last=12)),
            result("order-1", msgspec.structs.replace(replica(1, term=3), lag_orders=3)),
            result("order-2", None),
            result("order-3", replica(3, term=4, leader=3, last=12)),
        ]
    )
    assert (point.at_s, point.term, point.leader, point.up, point.lag) == (100.0, 4, 3, 3, 3)
    assert (point.reads, point.hit_percent) == (TrafficRate(), None)


def test_without_any_answer_there_is_a_point_all_the_same() -> None:
    point = after([result("catalog", None)])
    assert (point.term, point.leader, point.up, point.lag) == (0, None, 0, 0)


def test_traffic_is_the_difference_between_two_points() -> None:
    old = [operation("GET /stocks hit", [0.5] * 50), operation("POST /orders placed", [0.5])]
    new = [
        operation("GET /stocks hit", [0.5] * 50 + [0.001] * 30),
        operation("GET /stocks miss", [0.001] * 9 + [0.1]),
        operation("POST /orders placed", [0.5, 0.01, 0.01]),
        operation("POST /orders", [0.02], failed=1),
        operation("GET /leader", [9.0]),
    ]
    point = after([result("frontend-1", serving(*old))], [result("frontend-1", serving(*new))])
    assert (point.reads.per_s, point.reads.failed) == (40, 0)
    assert point.reads.p50 == pytest.approx(1, rel=0.42)
    assert point.reads.p99 == pytest.approx(100, rel=0.42)
    assert (point.trades.per_s, point.trades.failed) == (3, 1)


def test_front_ends_are_added_up() -> None:
    quiet = [result(name, serving()) for name in ("frontend-1", "frontend-2")]
    busy = [
        result("frontend-1", serving(operation("GET /stocks hit", [0.001] * 60), hits=60)),
        result("frontend-2", serving(operation("GET /stocks", [0.1] * 40, refused=4), misses=40)),
    ]
    point = after(quiet, busy, every_s=2.0)
    assert (point.reads.per_s, point.reads.refused, point.hit_percent) == (50, 2, 60)
    assert point.reads.p50 == pytest.approx(1, rel=0.42)
    assert point.reads.p95 == pytest.approx(100, rel=0.42)


def test_a_front_end_that_was_restarted_counts_from_0() -> None:
    old = serving(operation("GET /stocks", [0.1] * 500), hits=500, began_s=1.0)
    new = serving(operation("GET /stocks", [0.1] * 20), hits=20, began_s=100.5)
    point = after([result("frontend-1", old)], [result("frontend-1", new)])
    assert (point.reads.per_s, point.hit_percent) == (20, 100)


def test_the_work_of_a_silent_front_end_is_spread_over_its_silence() -> None:
    point = after(
        [result("frontend-1", serving())],
        [result("frontend-1", None)],
        [result("frontend-1", serving(operation("GET /stocks", [0.1] * 20)))],
    )
    assert point.reads.per_s == 10


def test_fifteen_minutes_are_kept_and_no_more() -> None:
    """I10."""
    history = TrafficHistory()
    for at in range(POINTS_MAX + 50):
        history.add(ClusterView([], float(at)))
    assert len(history.points()) == POINTS_MAX
    history.add(ClusterView([], 2 * HISTORY_S))
    assert history.points()[0].at_s == HISTORY_S + 1
    history.add(ClusterView([], 9 * HISTORY_S))
    assert len(history.points()) == 1


def test_points_from_before_the_clock_was_set_back_are_dropped() -> None:
    history = TrafficHistory()
    for at_s in (1000.0, 1001.0, 5.0, 6.0):
        history.add(ClusterView([], at_s))
    assert [point.at_s for point in history.points()] == [5.0, 6.0]


def test_a_poll_right_after_a_point_joins_the_next() -> None:
    """After a fault polls are more frequent; a rate over a quarter of a second says little."""
    polls = [[result("frontend-1", serving(hits=hits))] for hits in (0, 25, 50, 75, 100)]
    history = TrafficHistory()
    for at, results in enumerate(polls):
        history.add(ClusterView(results, 100.0 + at * 0.25))
    assert [point.at_s for point in history.points()] == [100.0, 100.75]
