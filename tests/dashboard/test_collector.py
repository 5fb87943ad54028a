"""All roles are asked once, whoever looks, and what they told is kept."""

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec

from bazaar.clock import monotonic_s
from bazaar.core.failures import Unreachable
from bazaar.protocol.statuses import Status
from bazaar.topology import Node, local
from dashboard.collector import (
    CLOSE_POLL_S,
    LOOK_AGE_S,
    POLL_S,
    POLL_TIMEOUT_S,
    Collector,
)
from dashboard.feed import Happening
from tests.dashboard.conftest import catalog
from tests.dashboard.tellers import event, telling
from tests.support.waits import WAIT_S, run_together, wait_until

ROLES = 5


class FakeCluster:
    """Answers for every role, on a clock that the test moves; counts how often."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.asked = 0
        self.timeouts_s: set[float] = set()
        self.status: Status = catalog()
        self.on_ask: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def ask(self, role: str, node: Node, timeout_s: float) -> Status:
        with self._lock:
            self.asked += 1
            self.timeouts_s.add(timeout_s)
        self.on_ask()
        if role == "order" and node.id == 3:
            raise Unreachable("refused")
        return self.status

    def collector(self, kept: list[Happening] | None = None) -> Collector:
        keep: Callable[[Sequence[Happening]], None] | None = None if kept is None else kept.extend
        return Collector(local(3), self.ask, keep, lambda: self.now_s)


def test_a_dead_role_is_a_finding_beside_the_others() -> None:
    cluster = FakeCluster()
    look = cluster.collector().look()
    assert [finding.name for finding in look.findings if finding.status is None] == ["order-3"]
    assert len(look.findings) == ROLES
    assert look.at_s == cluster.now_s
    assert cluster.timeouts_s == {POLL_TIMEOUT_S}


def test_many_who_look_at_once_ask_once() -> None:
    cluster = FakeCluster()
    collector, together = cluster.collector(), threading.Barrier(20)

    def look() -> float:
        together.wait(WAIT_S)
        return collector.look().at_s

    assert set(run_together([look] * 20)) == {cluster.now_s}
    for _ in range(100):
        collector.look()
    assert cluster.asked == ROLES


def test_who_looks_is_not_held_up_by_an_asking_under_way() -> None:
    cluster = FakeCluster()
    collector, release = cluster.collector(), threading.Event()
    before = collector.look()
    cluster.on_ask = lambda: release.wait(WAIT_S)
    asking = threading.Thread(target=collector.collect)
    asking.start()
    wait_until(lambda: cluster.asked > ROLES)
    assert collector.look() is before
    release.set()
    asking.join()


def test_old_findings_are_not_shown_while_new_ones_can_be_had() -> None:
    cluster = FakeCluster()
    collector = cluster.collector()
    before = collector.look()
    cluster.now_s += LOOK_AGE_S + 0.1
    assert collector.look().at_s > before.at_s
    cluster.now_s -= 3600  # a clock that was set back
    assert collector.look().at_s == cluster.now_s
    assert cluster.asked == 3 * ROLES


def test_every_asking_is_a_point_and_its_events_are_kept_once() -> None:
    cluster, kept = FakeCluster(), list[Happening]()
    collector = cluster.collector(kept)
    for number in (1, 2, 3):
        cluster.now_s += 1
        cluster.status = telling(event(1, 900.0), event(number, 900.0 + number))
        collector.collect()
    assert [point.at_s for point in collector.history.points()] == [1001.0, 1002.0, 1003.0]
    assert [point.up for point in collector.history.points()] == [ROLES - 1] * 3
    assert collector.feed.newest() == sorted(kept)
    assert sorted({one.no for one in kept}) == [1, 2, 3]
    assert len({(one.source, one.no) for one in kept}) == len(kept) == 3 * (ROLES - 1)


def test_a_started_collector_asks_by_itself_whatever_breaks() -> None:
    cluster = FakeCluster()

    def break_once() -> None:
        if cluster.asked <= ROLES:
            raise ZeroDivisionError

    cluster.on_ask = break_once
    collector = cluster.collector()
    collector.start()
    wait_until(collector.history.points)
    assert cluster.asked >= 2 * ROLES


def test_after_a_fault_all_are_asked_at_once_and_more_often_than_else() -> None:
    cluster, rounds = FakeCluster(), list[float]()
    collector = cluster.collector()
    collector.start()
    wait_until(lambda: collector.due_s() > CLOSE_POLL_S)

    def note() -> None:
        if cluster.asked % ROLES == 0:
            rounds.append(monotonic_s())

    cluster.on_ask = note
    collector.watch_closely()
    assert collector.due_s() <= CLOSE_POLL_S
    wait_until(lambda: len(rounds) >= 4)
    assert min(later - sooner for sooner, later in pairwise(rounds[1:])) < 0.75 * POLL_S


def test_workers_that_only_the_catalog_knows_are_asked_as_long_as_it_names_them() -> None:
    cluster, (known, *_) = FakeCluster(), local(1).front_ends
    addresses = (known.control_address, ("127.0.0.1", 40_123))
    cluster.status = msgspec.structs.replace(catalog(), holder_addresses=addresses)
    collector = cluster.collector()
    assert len(collector.collect()) == ROLES
    *_, worker = collector.collect()
    assert (worker.name, worker.role, worker.status) == ("worker-40123", "worker", cluster.status)
    cluster.status = catalog()
    collector.collect()
    assert len(collector.collect()) == ROLES
