"""Reads stay coherent on front ends of several processes, while one pauses and the leader dies."""

import random
from collections.abc import Callable
from uuid import UUID

import pytest

from bazaar.cluster.ports import free_topology
from tests.cluster.coherence import Faults
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof, ledger_keys

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

SECONDS = 6.0
CLIENTS = 8


def test_reads_stay_coherent_on_every_front_end_under_faults(
    new_cluster: Callable[..., LiveCluster],
) -> None:
    """I7: the history of every stock is linearizable, but for what is marked stale."""
    cluster = new_cluster("--workers", "2", nodes=free_topology(front_ends=2))
    cluster.up()
    faults = Faults(cluster, apart=None, chance=random.Random())
    with Load(faults.urls, CLIENTS, is_half_hasty=True) as load:
        faults.run(SECONDS, [faults.pause_front_end, faults.kill_leader])
    assert_proof(cluster, load)
    reads = [one for one in load.done if one.kind == "query" and one.outcome == "ok"]
    assert sum(one.cache == "hit" for one in reads) >= CLIENTS, "memory has answered"
    assert len(load.acknowledged) >= CLIENTS, "there is something to be coherent with"
    assert {one.url for one in reads} == {0, 1}, "every front end has answered"
    asked = {UUID(one.key) for one in load.done if one.key}
    assert ledger_keys(cluster) - asked == set(), "I2: nobody asked for these orders"
