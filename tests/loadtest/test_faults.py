"""Chaos is a choice by seed, told apart from doing it."""

from itertools import islice

import pytest

from bazaar.cluster.exits import ClusterError
from bazaar.cluster.snapshot import ProcessState, Snapshot
from bazaar.loadtest.faults import (
    Fault,
    FaultInjection,
    FaultSchedule,
    check_possible,
    list_targets,
    parse_faults,
)
from tests.cluster_unit.test_snapshot import change, end, healthy

ALL = tuple(Fault)


def injections(seed: int, count: int, *snapshots: Snapshot) -> list[FaultInjection | None]:
    choice = FaultSchedule(ALL, seed)
    return [choice.next(snapshots[n % len(snapshots)]) for n in range(count)]


def test_the_same_seed_affects_the_same() -> None:
    assert injections(7, 50, healthy()) == injections(7, 50, healthy())
    assert injections(7, 50, healthy()) != injections(8, 50, healthy())


def test_the_faults_do_not_depend_on_what_the_cluster_does() -> None:
    other = change(healthy(2, 5), "order-1", state=ProcessState.EXITED, pid=0)
    calm = [injection and injection.fault for injection in injections(3, 40, healthy())]
    assert calm == [
        injection and injection.fault for injection in injections(3, 40, healthy(), other)
    ]


def test_every_fault_comes_once_in_every_round() -> None:
    found = injections(1, 5 * len(ALL), healthy())
    for n in range(5):
        rounds = found[n * len(ALL) : (n + 1) * len(ALL)]
        assert sorted(injection.fault for injection in rounds if injection) == sorted(ALL)


def test_every_replica_has_its_turn() -> None:
    choice = FaultSchedule((Fault.KILL_REPLICA,), 0)
    found = {injection.target for injection in islice(_all(choice), 40) if injection}
    assert found == {"order-1", "order-2", "order-3"}


def _all(choice: FaultSchedule) -> "list[FaultInjection | None]":
    return [choice.next(healthy()) for _ in range(40)]


@pytest.mark.parametrize(
    ("fault", "targets"),
    [
        (Fault.KILL_LEADER, [("order-3",)]),
        (Fault.PAUSE_LEADER, [("order-3",)]),
        (Fault.KILL_FOLLOWER, [("order-1",), ("order-2",)]),
        (Fault.KILL_REPLICA, [("order-1",), ("order-2",), ("order-3",)]),
        (Fault.KILL_CATALOG, [("catalog",)]),
        (Fault.KILL_FRONTEND, [("frontend-1",)]),
        (
            Fault.RESTART_ALL,
            [("catalog", "order-1", "order-2", "order-3", "frontend-1", "dashboard")],
        ),
    ],
)
def test_a_fault_affects_the_process_in_its_name(
    fault: Fault, targets: list[tuple[str, ...]]
) -> None:
    assert list_targets(fault, healthy()) == targets


def test_nobody_is_struck_who_is_not_there() -> None:
    leaderless = end(healthy(), "order-3")
    assert list_targets(Fault.KILL_LEADER, leaderless) == []
    assert list_targets(Fault.KILL_FOLLOWER, leaderless) == []
    assert list_targets(Fault.KILL_REPLICA, leaderless) == [("order-1",), ("order-2",)]
    assert list_targets(Fault.KILL_CATALOG, end(healthy(), "catalog")) == []
    assert FaultSchedule((Fault.KILL_LEADER,), 0).next(leaderless) is None


def test_faults_are_read_with_commas_between() -> None:
    assert parse_faults("kill-leader, pause-leader,kill-leader") == (
        Fault.KILL_LEADER,
        Fault.PAUSE_LEADER,
    )


@pytest.mark.parametrize("text", ["", "kill-leader,", "kill leader", "KILL-LEADER", "kill-dog"])
def test_what_is_no_fault_is_refused_by_name(text: str) -> None:
    with pytest.raises(ClusterError, match=r"is no fault; there are kill-leader, kill-follower"):
        parse_faults(text)


def test_a_follower_cannot_be_killed_where_there_is_none() -> None:
    check_possible(ALL, 2)
    check_possible((Fault.KILL_LEADER,), 1)
    with pytest.raises(ClusterError, match="one replica only"):
        check_possible(ALL, 1)
