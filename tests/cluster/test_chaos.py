"""Chaos on a real cluster: every fault is injected, and nothing of it is left in the end."""

import threading

import pytest

from bazaar import clock
from bazaar.loadtest.chaos import ChaosPlan, open_chaos
from bazaar.loadtest.faults import Fault
from bazaar.proof.records import Mark
from bazaar.protocol.cluster_report import Health
from tests.cluster.conftest import LiveCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

FAULTS = (Fault.KILL_LEADER, Fault.PAUSE_LEADER, Fault.KILL_CATALOG, Fault.RESTART_ALL)
INTERVAL_S = 0.4
ALL_TIMEOUT_S = 180.0


def test_every_fault_is_injected_and_healed(cluster: LiveCluster) -> None:
    marks: list[Mark] = []
    is_enough = threading.Event()

    def note(mark: Mark) -> None:
        marks.append(mark)
        if mark.what == "healed" and {one.what for one in marks} >= set(FAULTS):
            is_enough.set()

    plan = ChaosPlan(FAULTS, INTERVAL_S, seed=1)
    chaos = open_chaos(plan, cluster.data, cluster.environ, [cluster.base_url])
    before = cluster.look()
    chaos.start(clock.monotonic_s, note)
    was_enough = is_enough.wait(ALL_TIMEOUT_S)
    assert chaos.stop() == []
    assert was_enough, marks
    whats = [mark.what for mark in marks]
    assert set(FAULTS) <= set(whats)
    assert "elected" in whats
    cluster.wait_for(lambda after: after.health is Health.HEALTHY)
    assert cluster.look().term > before.term


def test_chaos_that_is_stopped_early_leaves_a_healthy_cluster(cluster: LiveCluster) -> None:
    has_begun = threading.Event()
    plan = ChaosPlan((Fault.PAUSE_LEADER,), INTERVAL_S)
    chaos = open_chaos(plan, cluster.data, cluster.environ, [cluster.base_url])
    chaos.start(clock.monotonic_s, lambda _: has_begun.set())
    assert has_begun.wait(ALL_TIMEOUT_S)
    assert chaos.stop() == []
    cluster.wait_for(lambda after: after.health is Health.HEALTHY)
