"""Front ends of several processes: all are known, and reads stay coherent while some fail."""

import random
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from bazaar.clock import wait_until
from tests.cluster.coherence import Faults
from tests.cluster.conftest import LiveCluster, SharedCluster
from tests.cluster.load import Load
from tests.cluster.pages import DashboardUser
from tests.cluster.proof import assert_proof, ledger_keys

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

SECONDS = 5.0
CLIENTS = 8
SHOWN_S = 20.0


@pytest.fixture(scope="module")
def _many_workers(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[SharedCluster]:
    folder = tmp_path_factory.mktemp("workers")
    shared = SharedCluster(folder, prepared, "--workers", "2", front_ends=2)
    yield shared
    shared.end()


@pytest.fixture
def many_workers(_many_workers: SharedCluster) -> LiveCluster:
    """Return a cluster whose two front ends have two workers each, healthy."""
    return _many_workers.healthy()


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


def test_every_worker_is_polled_and_reached_from_the_api_page(many_workers: LiveCluster) -> None:
    """The dashboard knows each, whichever has the port of the role."""
    user = DashboardUser(many_workers)

    def list_caches() -> list[int]:
        return [cache["id"] for cache in user.read("/api/cache")["caches"]]

    assert wait_until(lambda: list_caches() == [1, 1, 2, 2], SHOWN_S), list_caches()
    names = [role["name"] for role in user.read("/api/cluster")["roles"]]
    workers = [name for name in names if name.startswith("worker-")]
    assert len(workers) == 2, "the second one of each front end"
    page = user.call("GET", "/api")
    for name in names:
        path = f"/api/{name}/control/status"
        assert f'href="{path}"' in page
        assert "200 OK" in user.call("GET", path)
