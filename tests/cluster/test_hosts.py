"""One description on several hosts: each runs its part, and every host sees the whole."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bazaar.cluster import exits
from bazaar.cluster.ports import free_topology
from bazaar.cluster.snapshot import ProcessState
from bazaar.cluster.temporary import COMMAND_TIMEOUT_S
from bazaar.protocol.cluster_report import Health
from bazaar.settings import env
from bazaar.topology import role_of
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import ask_at
from tests.cluster.three_hosts import ADDRESSES, ThreeHosts, run_hosts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
TRADE = {"stock_name": "MenhirCo", "trade_type": "buy", "quantity": 1}


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeHosts]:
    with run_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made


@pytest.fixture
def hosts(_started: ThreeHosts) -> ThreeHosts:
    """Return the three hosts, healthy."""
    _started.heal()
    return _started


def manage(host: LiveCluster, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a host."""
    return subprocess.run(
        [sys.executable, str(env.ROOT / "manage.py"), *words],
        env=host.environ,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


def place(hosts: ThreeHosts, number: int) -> Any:
    """Trade at the front end of a host."""
    node, content = hosts.topology.front_ends[number], {"Content-Type": "application/json"}
    return ask_at(node.address, "POST", "/orders", json.dumps(TRADE), content)


def test_each_host_has_what_it_needs_and_one_of_them_the_rest(hosts: ThreeHosts) -> None:
    found = [sorted(path.name for path in host.data.root.glob("*.sqlite3")) for host in hosts.hosts]
    first = ["catalog.sqlite3", "dashboard.sqlite3", "order-1.sqlite3"]
    assert found == [first, ["order-2.sqlite3"], ["order-3.sqlite3"]]
    admins = [(host.data.root / "dashboard.password").exists() for host in hosts.hosts]
    assert admins == [True, False, False], "one dashboard, one admin"
    for name in ("cluster.secret", "cluster.id", "metrics.token"):
        assert len({(host.data.root / name).read_text() for host in hosts.hosts}) == 1


def test_every_host_sees_the_whole_cluster(hosts: ThreeHosts) -> None:
    for number, host in enumerate(hosts.hosts, start=1):
        status = host.status()
        assert status["health"] == Health.HEALTHY, status
        assert all(one["is_well"] for one in status["processes"]), status
        ours = {one["name"] for one in status["processes"] if one["is_ours"]}
        rest = {"catalog", "dashboard"} if number == 1 else set()
        assert ours == {f"order-{number}", f"frontend-{number}", *rest}


def test_a_trade_at_one_host_is_audited_and_proved_from_another(hosts: ThreeHosts) -> None:
    assert place(hosts, 1).status == 200
    audit = manage(hosts.hosts[2], "audit")
    assert audit.returncode == exits.OK, audit.stdout
    words = ("--duration", "2s", "--clients", "2", "--quiet")
    load = manage(hosts.hosts[1], "loadtest", *words)
    assert load.returncode == exits.OK, load.stdout + load.stderr


def test_a_process_of_another_host_is_ended_through_its_control_port(hosts: ThreeHosts) -> None:
    first, third = hosts.first, hosts.hosts[2]
    pid = third.view("order-3").pid
    killed = first.run("kill", "order-3")
    assert (killed.returncode, f"pid {pid}" in killed.stdout) == (exits.OK, True), killed.stderr
    third.wait_for(lambda snapshot: snapshot.replicas[2].state is ProcessState.EXITED)
    shown = first.run("status")
    assert f"order-3 on {ADDRESSES[2]} does not answer: {ADDRESSES[2]}:" in shown.stdout
    assert shown.returncode != exits.OK
    for verb in ("start", "stop", "restart", "logs", "rebuild", "kill"):
        refused = first.run(verb, "order-3")
        assert refused.returncode == exits.USAGE
        assert f"order-3 is on the host {ADDRESSES[2]}" in refused.stderr, refused.stderr
        assert f"type `manage.py cluster {verb} order-3` there" in refused.stderr
    third.start("order-3")
    paused = first.run("kill", "order-3", "--signal", "STOP")
    assert paused.returncode == exits.USAGE
    assert "kill -STOP" in paused.stderr


def test_a_host_that_is_gone_is_named_and_the_others_go_on(hosts: ThreeHosts) -> None:
    first, third = hosts.first, hosts.hosts[2]
    third.end()
    first.wait_for(lambda snapshot: snapshot.leader is not None)
    shown = first.run("status")
    assert f"Nothing answers on the host {ADDRESSES[2]}: {ADDRESSES[2]}:" in shown.stdout
    assert shown.returncode == exits.ERRORS, shown.stdout
    assert place(hosts, 0).status == 200
    audit = manage(first, "audit")
    assert audit.returncode == exits.UNREACHABLE, audit.stdout
    assert "order-3 cannot be read" in audit.stdout
    down = third.run("status")
    assert down.returncode == exits.ERRORS, "it still sees the others"
    assert third.try_up(), third.read_output()


def test_a_host_without_the_secret_is_told_where_to_get_it(
    hosts: ThreeHosts, new_cluster: Any
) -> None:
    newcomer = LiveCluster(new_cluster().folder.parent, nodes=hosts.topology)
    refused = newcomer.run("init", "--host", ADDRESSES[1])
    assert refused.returncode == exits.USAGE
    assert f"made on its first host, {ADDRESSES[0]}" in refused.stderr
    assert "secret import" in refused.stderr
    unknown = newcomer.run("init", "--host", "10.9.9.9")
    assert f"its hosts are {', '.join(ADDRESSES)}" in unknown.stderr


def test_a_lost_catalog_is_not_begun_anew_beside_replicas_of_other_hosts(
    hosts: ThreeHosts,
) -> None:
    """I3: nothing in the folder of its host tells of them."""
    first = hosts.first
    first.end()
    aside = first.data.root / "kept"
    aside.mkdir()
    for path in [*first.data.root.glob("catalog.*"), *first.data.root.glob("order-1.*")]:
        path.rename(aside / path.name)
    refused = first.run("init")
    assert refused.returncode == exits.USAGE
    assert f"catalog has no database, but order-2 on {ADDRESSES[1]} has" in refused.stderr
    for path in aside.iterdir():
        path.rename(first.data.root / path.name)
    aside.rmdir()
    assert first.try_up(), first.read_output()


def test_roles_that_nobody_supervises_are_seen(new_cluster: Any) -> None:
    cluster: LiveCluster = new_cluster(nodes=free_topology(replicas=1))
    done = cluster.run("init")
    assert done.returncode == exits.OK, done.stderr
    launch = [sys.executable, "-m", "bazaar.cluster.launch"]
    processes = []
    assert cluster.status()["health"] == Health.DOWN
    try:
        for name, node in cluster.topology.nodes():
            command = [*launch, role_of(name), "--id", str(node.id)]
            processes.append(
                subprocess.Popen(
                    command, env=cluster.environ, cwd=env.ROOT, stderr=subprocess.DEVNULL
                )
            )
        cluster.attach()
        cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
        status = cluster.status()
        assert {one["name"]: one["pid"] for one in status["processes"]}["order-1"] in {
            process.pid for process in processes
        }
        refused = cluster.run("kill", "order-1")
        assert (refused.returncode, "BAZAAR_FAULT_BUTTONS is not 1" in refused.stderr) == (2, True)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(COMMAND_TIMEOUT_S)
