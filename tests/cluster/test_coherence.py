"""Reads stay coherent on front ends of several processes, while one pauses and the leader dies."""

import random
from uuid import UUID

import pytest

from tests.cluster.coherence import Faults
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof, ledger_keys

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

SECONDS = 5.0
CLIENTS = 8


def test_reads_stay_coherent_on_every_front_end_under_faults(many_workers: LiveCluster) -> None:
    """I7: the history of every stock is linearizable, but for what is marked stale."""
    keys = ledger_keys(many_workers)
    faults = Faults(many_workers, apart=None, chance=random.Random())
    with Load(faults.urls, CLIENTS, is_full=True, is_half_hasty=True) as load:
        faults.run(SECONDS, [faults.pause_front_end, faults.kill_leader])
    assert_proof(many_workers, load)
    reads = [one for one in load.done if one.kind == "query" and one.outcome == "ok"]
    assert sum(one.cache == "hit" for one in reads) >= CLIENTS, "memory has answered"
    assert len(load.acknowledged) >= CLIENTS, "there is something to be coherent with"
    assert {one.url for one in reads} == {0, 1}, "every front end has answered"
    asked = {UUID(one.key) for one in load.done if one.key}
    assert ledger_keys(many_workers) - keys - asked == set(), "I2: nobody asked for these orders"
