"""`cluster restart --all`: every process is another one afterwards, and no request has failed."""

import psutil
import pytest

from bazaar.cluster.readiness import read_readiness
from bazaar.cluster.rolling import RollingRestart
from bazaar.protocol.cluster_report import Health
from tests.cluster.conftest import LiveCluster
from tests.cluster.plain_load import PlainLoad
from tests.cluster.proof import assert_proof

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
REST_S = 0.02
"""So that the machine is left to the processes that start."""


def serving_pids(cluster: LiveCluster) -> dict[str, set[int]]:
    """Return the pids of the workers of each process, by its name; its own if it has none."""
    return {
        view.name: {one.pid for one in psutil.Process(view.pid).children()} or {view.pid}
        for view in cluster.look().processes
    }


def count_claims(cluster: LiveCluster) -> int:
    """Return how often the front ends have begun an election."""
    logs = [cluster.data.log_path(f"frontend-{one.id}") for one in cluster.topology.front_ends]
    return sum(log.read_text().count(" claiming term=") for log in logs)


def test_a_rolling_restart_fails_no_request(cluster: LiveCluster) -> None:
    before, term, claims = serving_pids(cluster), cluster.look().term, count_claims(cluster)
    urls = [node.url for node in cluster.topology.front_ends]
    with PlainLoad(urls, clients=8, rest_s=REST_S) as load:
        load.await_progress()
        lines = list(RollingRestart(cluster.cluster).run())
        load.await_progress()
    assert load.failures == []
    after = serving_pids(cluster)
    assert before.keys() == after.keys()
    assert not any(before[name] & after[name] for name in before), (
        "each is another one, or has other workers"
    )
    handed_over = [line for line in lines if " restarted (" not in line]
    assert len(lines) - len(handed_over) == len(before), "one line for each"
    assert len(handed_over) == 1, "the leadership was handed over, once"
    old, new = handed_over[0].split(" hands over to ")
    assert old != new
    assert {old, new} < {view.name for view in cluster.look().replicas}
    cluster.wait_for(lambda after: after.health is Health.HEALTHY)
    if claims == count_claims(cluster):  # on a busy machine a front end may suspect a leader
        assert cluster.look().term == term + 1
    front_end = cluster.view("frontend-1")
    assert front_end.status is not None
    assert {front_end.status.pid} == after["frontend-1"], "the control port is the new worker's"
    assert_proof(cluster)


def test_a_cluster_that_is_not_healthy_is_not_restarted(cluster: LiveCluster) -> None:
    cluster.kill("1")
    done = cluster.run("restart", "--all")
    assert done.returncode == 2
    assert "order-1: it does not answer" in done.stderr
    assert all(view.is_up for view in cluster.look().processes if view.name != "order-1")


def test_ready_is_what_can_do_its_job(cluster: LiveCluster) -> None:
    """A front end without any replica is alive and not ready, and says why."""
    replicas = [view.name for view in cluster.look().replicas]
    for name in replicas:
        cluster.kill(name)
    node = cluster.topology.front_ends[0]
    cluster.wait_for(lambda _: not read_readiness(node).is_ready)
    (reason,) = read_readiness(node).reasons
    assert "does not answer" in reason
    assert read_readiness(cluster.topology.catalog).is_ready
    cluster.cluster.mend(replicas)
    cluster.wait_for(
        lambda _: all(read_readiness(node).is_ready for _, node in cluster.topology.nodes())
    )
