"""All processes are polled once, however many look, and what they report is kept."""

import threading
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import Unreachable
from bazaar.protocol.cluster_report import STATUS_TIMEOUT_S
from bazaar.protocol.statuses import Status
from bazaar.topology import Node, local
from dashboard.collector import FAST_POLL_S, POLL_S, VIEW_AGE_S_MAX, Collector
from dashboard.event_feed import ClusterEvent
from tests.dashboard.statuses import catalog, event, reporting
from tests.support.waits import WAIT_S, run_together, wait_until

PROCESSES = 5


class FakeCluster:
    """Answers for every process, on a clock that the test moves; counts the calls."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.calls = 0
        self.timeouts_s: set[float] = set()
        self.status: Status = catalog()
        self.on_call: Callable[[], object] = lambda: None
        self.roles: list[str] = []
        self.failure = Unreachable("refused")
        self._lock = threading.Lock()

    def fetch_status(self, role: str, node: Node, timeout_s: float) -> Status:
        with self._lock:
            self.calls += 1
            self.timeouts_s.add(timeout_s)
            self.roles.append(role)
        self.on_call()
        if role == "order" and node.id == 3:
            raise self.failure
        return self.status

    def collector(self, stored: list[ClusterEvent] | None = None) -> Collector:
        store = [] if stored is None else stored
        return Collector(local(3), self.fetch_status, store.extend, lambda: self.now_s)


def test_a_dead_process_is_a_result_beside_the_others() -> None:
    cluster = FakeCluster()
    view = cluster.collector().view()
    assert [one.name for one in view.results if one.status is None] == ["order-3"]
    assert [one.role for one in view.results] == ["catalog", *["order"] * 3, "frontend"]
    assert view.at_s == cluster.now_s
    assert cluster.timeouts_s == {STATUS_TIMEOUT_S}


def test_all_processes_are_polled_side_by_side_and_then_the_catalog() -> None:
    """
    A silent one costs the page its timeout once, however many there are.

    The catalog's answer is the newest, so no log seems to have what the ledger lacks.
    """
    cluster, together = FakeCluster(), threading.Barrier(PROCESSES - 1)
    cluster.on_call = lambda: cluster.roles[-1] == "catalog" or together.wait(WAIT_S)
    assert len(cluster.collector().poll().results) == PROCESSES
    assert sorted(cluster.roles[:-1]) == ["frontend", *["order"] * 3]
    assert cluster.roles[-1] == "catalog"


@pytest.mark.parametrize("is_refused", [True, False])
def test_what_is_killed_and_what_is_paused_are_told_apart(*, is_refused: bool) -> None:
    """The machine of a killed process refuses; that of a paused one says nothing."""
    cluster = FakeCluster()
    cluster.failure = Unreachable("no answer", is_refused=is_refused)
    (dead,) = (one for one in cluster.collector().poll().results if one.name == "order-3")
    assert dead.state == ("not running" if is_refused else "paused or cut off")


def test_many_callers_at_once_share_one_poll() -> None:
    cluster = FakeCluster()
    collector, together = cluster.collector(), threading.Barrier(20)

    def view() -> float:
        together.wait(WAIT_S)
        return collector.view().at_s

    assert set(run_together([view] * 20)) == {cluster.now_s}
    for _ in range(100):
        collector.view()
    assert cluster.calls == PROCESSES


def test_a_caller_does_not_wait_for_a_poll_under_way() -> None:
    cluster = FakeCluster()
    collector, release = cluster.collector(), threading.Event()
    before = collector.view()
    cluster.on_call = lambda: release.wait(WAIT_S)
    poll = threading.Thread(target=collector.poll)
    poll.start()
    wait_until(lambda: cluster.calls > PROCESSES)
    assert collector.view() is before
    release.set()
    poll.join()


def test_an_old_view_is_not_shown_while_a_new_one_can_be_had() -> None:
    cluster = FakeCluster()
    collector = cluster.collector()
    before = collector.view()
    cluster.now_s += VIEW_AGE_S_MAX + 0.1
    assert collector.view().at_s > before.at_s
    cluster.now_s -= 3600  # a clock that was set back
    assert collector.view().at_s == cluster.now_s
    assert cluster.calls == 3 * PROCESSES


def test_every_poll_is_a_point_and_its_events_are_stored_once() -> None:
    cluster, stored = FakeCluster(), list[ClusterEvent]()
    collector = cluster.collector(stored)
    for number in (1, 2, 3):
        cluster.now_s += 1
        cluster.status = reporting(event(1, 900.0), event(number, 900.0 + number))
        collector.poll()
    points = collector.history.points()
    assert [point.at_s for point in points] == [1001.0, 1002.0, 1003.0]
    assert [point.up for point in points] == [PROCESSES - 1] * 3
    assert collector.feed.newest() == sorted(stored)
    assert sorted({one.no for one in stored}) == [1, 2, 3]
    assert len({(one.source, one.no) for one in stored}) == len(stored) == 3 * (PROCESSES - 1)


def test_a_started_collector_polls_by_itself_whatever_breaks() -> None:
    cluster = FakeCluster()

    def break_once() -> None:
        if cluster.calls <= PROCESSES:
            raise ZeroDivisionError

    cluster.on_call = break_once
    collector = cluster.collector()
    collector.start()
    wait_until(collector.history.points)
    assert cluster.calls >= 2 * PROCESSES


def test_after_a_fault_all_are_polled_at_once_and_more_often() -> None:
    cluster, rounds = FakeCluster(), list[float]()
    collector = cluster.collector()
    collector.start()
    wait_until(lambda: collector.due_s() > FAST_POLL_S)

    def note() -> None:
        if cluster.calls % PROCESSES == 0:
            rounds.append(monotonic_s())

    cluster.on_call = note
    collector.poll_faster()
    assert collector.due_s() <= FAST_POLL_S
    wait_until(lambda: len(rounds) >= 4)
    assert min(later - sooner for sooner, later in pairwise(rounds[1:])) < 0.75 * POLL_S


def test_workers_are_polled_as_long_as_the_catalog_names_them() -> None:
    cluster, (known, *_) = FakeCluster(), local(1).front_ends
    addresses = (known.control_address, ("127.0.0.1", 40_123))
    cluster.status = msgspec.structs.replace(catalog(), holder_addresses=addresses)
    collector = cluster.collector()
    assert len(collector.poll().results) == PROCESSES
    *_, worker = collector.poll().results
    assert (worker.name, worker.role, worker.status) == ("worker-40123", "worker", cluster.status)
    cluster.status = catalog()
    collector.poll()
    assert len(collector.poll().results) == PROCESSES
