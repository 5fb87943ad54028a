"""Reads on several front ends of several processes, while one pauses and the leader dies (I7)."""

import random
from collections.abc import Callable

import pytest

from bazaar.cluster.ports import free_topology
from bazaar.proof.linearizability import check
from tests.cluster.coherence import Scene
from tests.cluster.conftest import LiveCluster
from tests.cluster.verdict import list_openings, prove
from tests.cluster.visitors import Visitors

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

SECONDS = 6.0
CLIENTS = 8


def test_reads_stay_coherent_on_every_front_end_under_faults(
    new_cluster: Callable[..., LiveCluster],
) -> None:
    """I7: the history of every stock is linearizable; what may be old says so twice."""
    cluster = new_cluster("--workers", "2", nodes=free_topology(front_ends=2))
    cluster.up()
    scene = Scene(cluster, apart=None, chance=random.Random())
    openings = list_openings(cluster.data.root)
    with Visitors(scene.plan(openings, CLIENTS), processes=4) as visitors:
        scene.play(SECONDS, [scene.pause_front_end, scene.kill_leader])
    notes = visitors.notes
    history = prove(cluster, openings, notes)
    report = check(history)
    assert report.violations == (), [one.describe() for one in report.violations]
    assert notes.counts["mismarked"] == 0
    assert report.writes >= CLIENTS, "there is something to be coherent with"
    assert notes.counts["hits"] >= CLIENTS, "memory has answered"
