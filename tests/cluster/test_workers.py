"""The dashboard knows every worker of every front end, whichever has the port of the role."""

import pytest

from bazaar.clock import wait_until
from tests.cluster.conftest import LiveCluster
from tests.cluster.pages import DashboardUser

pytestmark = pytest.mark.cluster
SHOWN_S = 20.0


def test_every_worker_is_polled_and_reached_from_the_api_page(many_workers: LiveCluster) -> None:
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
