"""An answer of a catalog that was lost meanwhile: I1, I3."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.sim.disk import make_template
from tests.sim.stored_cluster import StoredCluster

LATE_S = 2.3
"""Longer than a recovery, shorter than a leader waits for its batch."""
STEP_S = 0.01


@pytest.fixture
def cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> Iterator[StoredCluster]:
    with django_db_blocker.unblock():
        folder = tmp_path / "template"
        folder.mkdir()
        cluster = StoredCluster(3, tmp_path, make_template(folder), monkeypatch)
        yield cluster
        cluster.close()


def test_what_a_lost_catalog_has_decided_is_not_stored_after_the_next_one_has_asked(
    cluster: StoredCluster,
) -> None:
    """The new ledger does without it, so nobody may be told that it happened."""
    cluster.run_for(6.0)
    leader = cluster.stored.leadership.leader
    assert leader is not None, "a calm cluster has a leader"
    placed = cluster.checks.last
    cluster.network.slow_s["catalog", f"replica {leader}"] = LATE_S
    cluster.add_client(trades=1)
    for _ in range(200):
        cluster.run_for(STEP_S)
        if cluster.checks.last > placed:
            break
    assert cluster.checks.last == placed + 1
    cluster.network.slow_s.clear()
    cluster.losses.wipe_catalog()
    cluster.stored.start()
    cluster.settle()
    cluster.check_end()
    assert cluster.checks.losses == 1, "the ledger does without the order"
