"""The dashboard knows every worker of every front end, whichever has the port of the role."""

from collections.abc import Callable

import pytest

from bazaar.clock import wait_until
from bazaar.cluster.ports import free_topology
from tests.cluster.conftest import LiveCluster
from tests.cluster.pages import DashboardUser

pytestmark = pytest.mark.cluster
WORKERS, FRONT_ENDS = 2, 2
SHOWN_S = 20.0


def test_every_worker_is_polled_and_reached_from_the_api_page(
    new_cluster: Callable[..., LiveCluster],
) -> None:
    cluster = new_cluster("--workers", str(WORKERS), nodes=free_topology(front_ends=FRONT_ENDS))
    cluster.up()
    user = DashboardUser(cluster)

    def list_caches() -> list[int]:
        return [cache["id"] for cache in user.read("/api/cache")["caches"]]

    assert wait_until(lambda: list_caches() == [1, 1, 2, 2], SHOWN_S), list_caches()
    names = [role["name"] for role in user.read("/api/cluster")["roles"]]
    workers = [name for name in names if name.startswith("worker-")]
    assert len(workers) == (WORKERS - 1) * FRONT_ENDS
    page = user.call("GET", "/api")
    for name in names:
        path = f"/api/{name}/control/status"
        assert f'href="{path}"' in page
        assert "200 OK" in user.call("GET", path)
