"""Processes die under load, and no order is lost, doubled or misnumbered (I1-I4, I8)."""

import os
import sqlite3
import threading
from contextlib import closing, suppress
from uuid import uuid4

import psutil
import pytest

from bazaar.clock import wait_until
from bazaar.protocol.cluster_report import Health
from tests.cluster.conftest import LiveCluster
from tests.cluster.damage import aside_of, forget_repairs
from tests.cluster.load import Load
from tests.cluster.pages import PATHS, DashboardUser
from tests.cluster.proof import assert_proof
from tests.cluster.requests import buy, look_up

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

KILLS = int(os.environ.get("BAZAAR_TEST_KILLS", "3"))
PATIENCE_S = 30.0


def test_killing_the_leader_again_and_again_loses_nothing(cluster: LiveCluster) -> None:
    """I1, I2, I3, I4, I6, I8, I9: clients see slower answers, never an error."""
    with Load([cluster.base_url]) as load:
        for _ in range(KILLS):
            load.await_progress()
            victim = cluster.leader()
            cluster.kill(victim)
            load.await_progress()
            cluster.start(victim)
    assert load.errors == []
    assert_proof(cluster, load)


def test_killing_a_follower_does_not_stop_trades(cluster: LiveCluster) -> None:
    """I3, I8: the follower leaves the in-sync set, and comes back level."""
    follower = next(view.name for view in cluster.look().replicas if not view.is_leading)
    with Load([cluster.base_url]) as load:
        load.await_progress()
        cluster.kill(follower)
        load.await_progress()
        cluster.start(follower)
        load.await_progress()
    assert load.errors == []
    assert_proof(cluster, load)


def test_with_two_of_three_dead_trades_and_look_ups_go_on(cluster: LiveCluster) -> None:
    """I3: the last one has every acknowledged order."""
    first = buy(cluster, "GameStart").body["order_no"]
    for _ in range(2):
        cluster.kill(cluster.leader())
    answer = buy(cluster, "GameStart")
    assert answer.status == 200
    assert look_up(cluster, answer.body["order_no"]).status == 200
    assert look_up(cluster, first).body["data"]["stock_name"] == "GameStart"
    assert_proof(cluster)


def test_trades_wait_for_a_catalog_that_comes_back(cluster: LiveCluster) -> None:
    """I2, I3: a crash between the commit and its answer does not double a trade."""
    with Load([cluster.base_url]) as load:
        load.await_progress()
        cluster.kill("catalog")
        cluster.start("catalog")
        load.await_progress()
    assert load.errors == []
    assert_proof(cluster, load)


def test_everything_killed_at_once_comes_back_with_every_order(cluster: LiveCluster) -> None:
    """I3, I6: every acknowledged order is there, and terms go on from where they were."""
    with Load([cluster.base_url]) as load:
        load.await_progress()
        term = cluster.look().term
        for member in cluster.members():
            with suppress(psutil.NoSuchProcess):  # it was tied to one that is gone already
                member.kill()
        assert wait_until(lambda: not cluster.members(), PATIENCE_S)
        assert cluster.process is not None
        cluster.process.wait(PATIENCE_S)
        cluster.up()
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
    assert cluster.look().term >= term
    for one in load.acknowledged[-10:]:
        assert one.order_no is not None
        data = look_up(cluster, one.order_no).body["data"]
        assert (data["stock_name"], data["quantity"]) == (one.stock_name, one.shares)
    assert_proof(cluster, load)


def test_the_same_key_sent_by_many_at_once_places_one_order(cluster: LiveCluster) -> None:
    """I2: whatever is repeated at the same moment."""
    key, answers = str(uuid4()), []
    threads = [
        threading.Thread(target=lambda: answers.append(buy(cluster, "GameStart", key=key)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert {one.status for one in answers} == {200}
    assert len({one.body["order_no"] for one in answers}) == 1
    other = buy(cluster, "GameStart", quantity=2, key=key)
    assert other.status == 422
    assert_proof(cluster)


def test_a_wiped_replica_is_rebuilt_from_the_others(cluster: LiveCluster) -> None:
    """I8: an empty database ends up equal to the ledger."""
    with Load([cluster.base_url]) as load:
        load.await_progress(50)
    follower = next(view for view in cluster.look().replicas if not view.is_leading)
    done = cluster.run("rebuild", follower.name)
    assert done.returncode == 0, done.stderr
    assert_proof(cluster, load)


def test_an_altered_log_is_begun_anew_at_the_start(cluster: LiveCluster) -> None:
    """I8: a replica whose log does not fit its digests serves, follows and leads only then."""
    with Load([cluster.base_url]) as load:
        load.await_progress()
    replica_id = max(node.id for node in cluster.topology.replicas)
    name = f"order-{replica_id}"
    cluster.stop(name)
    _alter_one_order(cluster, replica_id)
    forget_repairs(cluster)
    cluster.cluster.supervisor.start(name)  # `cluster start` would not wait for the repair
    aside = aside_of(cluster, name)
    cluster.wait_for(lambda _: aside.exists() and cluster.view(name).is_well)
    with closing(sqlite3.connect(aside)) as database:
        query = "SELECT quantity FROM order_app_logentry WHERE order_no = 3"
        assert database.execute(query).fetchone(), "the damaged log is kept"
    assert buy(cluster, "GameStart").status == 200
    assert_proof(cluster, load)


def _alter_one_order(cluster: LiveCluster, replica_id: int) -> None:
    path = cluster.data.root / f"order-{replica_id}.sqlite3"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE order_app_logentry SET quantity = quantity + 1 WHERE order_no=3")
    connection.close()


def test_the_dashboard_outlives_everybody_else_and_says_so(cluster: LiveCluster) -> None:
    user = DashboardUser(cluster)
    others = [view.name for view in cluster.look().processes if view.name != "dashboard"]
    pid = cluster.view("dashboard").pid
    for name in others:
        cluster.kill(name)

    def up() -> list[str]:
        return [role["name"] for role in user.read("/api/cluster")["roles"] if role["is_up"]]

    assert wait_until(lambda: not up(), PATIENCE_S)
    for path in PATHS:
        assert "bz-live" in user.call("GET", path)
    page = user.call("GET", "/")
    assert '<strong id="health">no leader</strong>: nobody leads' in page
    for name in others:
        assert f"{name} does not answer" in page
    assert cluster.cluster.mend(others) == []
    assert wait_until(lambda: sorted(up()) == sorted(others), PATIENCE_S)
    assert cluster.view("dashboard").pid == pid


def test_nobody_notices_that_the_dashboard_is_dead(cluster: LiveCluster) -> None:
    """What ends late of an earlier fault (an old lease) is not of the dashboard."""

    def others() -> dict[str, tuple[object, ...]]:
        return {
            view.name: (view.pid, view.state, view.status and view.status.is_ready)
            for view in cluster.look().processes
            if view.name != "dashboard"
        }

    def said(name: str) -> str:
        return cluster.data.log_path(name).read_text()

    dashboard = cluster.cluster.nodes["dashboard"]
    ports = (dashboard.address[1], dashboard.control_address[1])
    words = ["dashboard", *(f":{port}" for port in ports if port)]
    with Load([cluster.base_url]) as load:
        load.await_progress()
        before, logs = others(), {name: len(said(name)) for name in others()}
        cluster.kill("dashboard")
        load.await_progress(200)
        assert others() == before
    assert load.errors == []
    for name, length in logs.items():
        assert [word for word in words if word in said(name)[length:]] == []


@pytest.mark.parametrize("name", ["catalog", "frontend-1"])
def test_a_process_is_paused_and_resumed_from_the_page(cluster: LiveCluster, name: str) -> None:
    user = DashboardUser(cluster)
    for verb, state in (("pause", "paused"), ("resume", "running")):
        user.do("/faults", "/", {"verb": verb, "name": name})
        assert cluster.view(name).state == state
    done = [(one["source"], one["text"]) for one in user.read("/api/events?q=" + name)["events"]]
    assert [(source, text.partition(":")[0]) for source, text in done if source == "admin"] == [
        ("admin", f"resume {name}"),
        ("admin", f"pause {name}"),
    ]
