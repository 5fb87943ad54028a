"""`manage.py cluster` with real processes: what it starts it ends, whatever is killed."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command

from bazaar.clock import wait_until
from bazaar.cluster import only_copy
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.ports import free_topology
from bazaar.cluster.snapshot import ProcessState
from bazaar.cluster.stopping import is_alive
from bazaar.protocol.cluster_report import Health
from bazaar.settings import env
from bazaar.settings.typed import make_anew
from bazaar.topology import Role
from tests.cluster.conftest import LiveCluster, SharedCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
ORPHAN_TIMEOUT_S = 1.0
"""A worker whose main process was killed ends within this."""
GONE_TIMEOUT_S = 10.0
NewCluster = Callable[..., LiveCluster]


def is_open(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 0.5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def _small(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[SharedCluster]:
    shared = SharedCluster(tmp_path_factory.mktemp("small"), prepared, replicas=1)
    yield shared
    shared.end()


@pytest.fixture
def small(_small: SharedCluster) -> LiveCluster:
    """Return a cluster that starts quickly, healthy, for a test that ends it."""
    return _small.healthy()


@contextmanager
def taken(address: tuple[str, int]) -> Iterator[None]:
    with socket.create_server(address):
        yield


def test_status_of_a_healthy_cluster_names_the_leader_and_exits_0(cluster: LiveCluster) -> None:
    done = cluster.run("status")
    assert done.returncode == 0, done.stdout
    assert "(leader)" in done.stdout
    found = cluster.status()
    assert found["health"] == "healthy"
    assert found["in_sync"] == [1, 2, 3]
    leading = [one for one in found["processes"] if one["is_leader"]]
    assert [one["id"] for one in leading] == [found["leader"]]
    assert all(one["state"] == "running" and one["pid"] for one in found["processes"])


def test_a_killed_replica_stays_down_until_it_is_started(cluster: LiveCluster) -> None:
    term = cluster.look().term
    done = cluster.run("kill", "leader")
    assert done.returncode == 0, done.stderr
    assert "SIGKILL" in done.stdout
    name = done.stdout.partition(":")[0]
    cluster.wait_for(lambda snapshot: snapshot.leader is not None and snapshot.term > term)
    assert cluster.view(name).state is ProcessState.EXITED
    done = cluster.run("status")
    assert done.returncode == 1, done.stdout
    assert cluster.run("start", name.removeprefix("order-")).returncode == 0
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
    assert cluster.wait_for_output(f"{name} was killed")
    assert cluster.wait_for_output(f"in term {cluster.look().term}")


def test_a_paused_process_is_shown_as_paused_and_can_be_stopped(cluster: LiveCluster) -> None:
    assert cluster.run("kill", "order-1", "--signal", "STOP").returncode == 0
    assert cluster.view("1").state is ProcessState.PAUSED
    assert cluster.wait_for_output("order-1 paused")
    assert "CONT" in cluster.run("start", "1").stdout
    assert cluster.run("stop", "1").stdout == "order-1 stopped\n"
    assert cluster.view("1").state is ProcessState.STOPPED
    assert cluster.view("1").exit_status == 0, "it ended by itself, it was not killed"
    assert cluster.run("stop", "1").stdout == "order-1 is not running\n"


def test_a_signal_reaches_all_that_a_process_started(cluster: LiveCluster) -> None:
    main = psutil.Process(cluster.view("frontend-1").pid)
    started = main.children(recursive=True)
    assert started, "a server has a worker"
    cluster.pause("frontend-1")
    assert {one.status() for one in (main, *started)} == {psutil.STATUS_STOPPED}
    cluster.kill("frontend-1")
    assert wait_until(lambda: not any(is_alive(one.pid) for one in started), GONE_TIMEOUT_S)


def test_a_paused_process_goes_on_after_cont(cluster: LiveCluster) -> None:
    cluster.pause("2")
    assert cluster.run("kill", "2", "--signal", "sigcont").returncode == 0
    assert cluster.view("2").state is ProcessState.RUNNING
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)


def test_start_of_a_running_process_says_so(cluster: LiveCluster) -> None:
    pid = cluster.view("catalog").pid
    assert cluster.run("start", "catalog").stdout == f"catalog is already running (pid {pid})\n"


def test_restart_gives_a_process_another_pid(cluster: LiveCluster) -> None:
    pid = cluster.view("frontend-1").pid
    assert cluster.run("restart", "frontend-1").returncode == 0
    assert cluster.view("frontend-1").pid not in (0, pid)


def test_a_rebuilt_replica_has_a_new_database(cluster: LiveCluster) -> None:
    path = cluster.data.database("order-2")
    assert path is not None
    before = path.stat().st_ino
    path.with_name("keep").hardlink_to(path)  # or its number could be given to the new file
    done = cluster.run("rebuild", "2")
    assert done.returncode == 0, done.stderr
    assert path.stat().st_ino != before
    path.with_name("keep").unlink()
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)


def test_a_rebuild_that_is_refused_after_the_stop_starts_the_process_again(
    cluster: LiveCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I3: an order that only the ledger got before its end is no reason to stay down."""
    refusals = iter([None, ClusterError("the only copy")])

    def check(*_: object) -> None:
        if refusal := next(refusals):
            raise refusal

    monkeypatch.setattr(only_copy, "check", check)
    pid = cluster.view("catalog").pid
    with pytest.raises(ClusterError, match="the only copy"):
        cluster.cluster.rebuild("catalog")
    assert cluster.view("catalog").pid not in (0, pid)
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)


def test_logs_prints_the_end_of_a_log(cluster: LiveCluster) -> None:
    lines = cluster.run("logs", "catalog", "-n", "2").stdout.splitlines()
    assert len(lines) in (1, 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("kill", "7"), "'7' is no process of this cluster; it has catalog, order-1"),
        (("kill", "order-x"), "'order-x' is no process"),
        (("kill", "1", "--signal", "NOPE"), "'NOPE' is no signal; there are KILL, STOP, CONT"),
        (("up",), "is already up (supervisor pid"),
        (("init",), "is already up (supervisor pid"),
        (("rebuild", "frontend-1"), "frontend-1 cannot be rebuilt"),
        (("status", "-o", "xml"), "--output must be table or json"),
        (("logs", "1", "-n", "many"), "--lines must be a whole number"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_sentence_and_status_2(
    cluster: LiveCluster,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    for name, value in cluster.environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CommandError) as caught:
        call_command("cluster", *arguments)
    assert caught.value.returncode == 2
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_failed_command_prints_one_line_and_ends_with_its_status(cluster: LiveCluster) -> None:
    assert not cluster.cluster.supervisor.is_ending()
    done = cluster.run("up")
    assert done.returncode == 2
    assert "is already up (supervisor pid" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_worker_whose_main_process_was_killed_frees_its_ports(cluster: LiveCluster) -> None:
    view = cluster.view("frontend-1")
    os.kill(view.pid, signal.SIGKILL)  # the main process alone, not its group
    for address in (view.node.address, view.node.control_address):
        assert wait_until(lambda at=address: not is_open(at), ORPHAN_TIMEOUT_S)  # type: ignore[misc]
    cluster.start("frontend-1")


def test_up_ends_cleanly_when_asked_to(small: LiveCluster) -> None:
    small.pause("1")
    assert small.process is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        small.process.send_signal(number)
    assert small.process.wait(GONE_TIMEOUT_S) == 0
    assert small.members() == []
    assert "stopped catalog" in small.read_output()
    assert "Traceback" not in small.read_output()


def test_everything_ends_when_up_is_killed_and_the_next_up_waits_for_it(small: LiveCluster) -> None:
    small.pause("1")  # so that its end takes as long as it can
    members = small.members()
    assert small.process is not None
    small.process.kill()
    small.process.wait()
    assert small.try_up(), small.read_output()
    assert [member for member in members if member.is_running()] == []


def test_everything_ends_when_the_supervisor_is_killed(small: LiveCluster) -> None:
    small.pause("1")
    assert small.process is not None
    os.kill(small.cluster.supervisor.pid(), signal.SIGKILL)
    assert small.process.wait(GONE_TIMEOUT_S) == 1
    assert small.members() == []
    assert "the supervisor was lost" in small.read_output()


def test_everything_ends_when_up_and_supervisor_are_killed(small: LiveCluster) -> None:
    small.pause("1")
    assert small.process is not None
    supervisor = small.cluster.supervisor.pid()
    small.process.kill()
    os.kill(supervisor, signal.SIGKILL)
    small.process.wait()
    assert wait_until(lambda: not small.members(), GONE_TIMEOUT_S), small.members()


def test_down_stops_everything_and_says_what(small: LiveCluster) -> None:
    done = small.run("down")
    assert done.returncode == 0
    assert re.match(r"stopped catalog, .*order-1", done.stdout)
    assert small.process is not None
    assert small.process.wait(GONE_TIMEOUT_S) == 0
    assert small.members() == []
    assert small.run("down").stdout == "nothing is running\n"
    assert small.run("down", "--quiet").stdout == ""
    done = small.run("status")
    assert done.returncode == 2
    assert "down: nobody leads" in done.stdout
    assert "not running" in small.run("kill", "1").stderr
    assert small.run("rebuild", "1").returncode == 0


def test_autorestart_brings_a_killed_replica_back(new_cluster: NewCluster) -> None:
    live = new_cluster("--autorestart", "--server", "gunicorn", nodes=free_topology(replicas=1))
    live.up()
    pid = live.view("1").pid
    live.kill("1")
    live.wait_for(lambda snapshot: snapshot.replicas[0].pid not in (0, pid))
    live.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)


def test_a_taken_port_is_named_and_nothing_is_left_running(new_cluster: NewCluster) -> None:
    live = new_cluster(nodes=free_topology(replicas=2))
    node = live.topology.replica(2)
    with taken(node.control_address):
        assert not live.try_up()
    assert f"order-2 cannot listen on port {node.control_port}" in live.read_output()
    assert live.process is not None
    assert live.process.returncode == 2
    assert live.members() == []


def test_a_replica_with_an_empty_file_is_left_out(new_cluster: NewCluster) -> None:
    live = new_cluster(nodes=free_topology(replicas=2))
    path = live.data.database("order-2")
    assert path is not None
    path.write_bytes(b"")
    live.up()
    anew = make_anew(Role.ORDER, 2, live.data.root)
    assert f"`{anew}` makes it anew" in live.read_output()
    assert "order-2 did not start" in live.read_output()
    assert live.look().health is Health.DEGRADED
    assert live.run("rebuild", "2").returncode == 0
    live.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)


def test_every_file_of_a_cluster_is_for_its_owner_only(cluster: LiveCluster) -> None:
    """Whoever reads the dashboard's sessions signs in as its admin."""
    files = list(cluster.data.root.rglob("*"))
    assert "dashboard.sqlite3" in {file.name for file in files}
    assert [file for file in files if file.lstat().st_mode & 0o077 and not file.is_symlink()] == []


def test_no_process_of_a_cluster_is_open_to_others(cluster: LiveCluster) -> None:
    data = cluster.data
    assert data.root.stat().st_mode & 0o077 == 0
    assert data.socket_path.stat().st_mode & 0o077 == 0
    assert all(
        connection.laddr.ip == "127.0.0.1"
        for member in cluster.members()
        for connection in psutil.Process(member.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    )


def test_runserver_starts_its_loops_in_the_reloaded_process_only(new_cluster: NewCluster) -> None:
    live = new_cluster(nodes=free_topology(replicas=2))
    live.data.write_topology(live.topology)
    node = live.topology.catalog
    command = [sys.executable, "manage.py", "runserver", "--settings", "bazaar.settings.catalog"]
    with subprocess.Popen(command, env=live.environ, cwd=env.ROOT) as reloader:
        assert wait_until(lambda: is_open(node.address), GONE_TIMEOUT_S)
        assert is_open(node.control_address)
        listening = {
            member.pid
            for member in live.members()
            for connection in member.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert len(listening) == 1
        assert reloader.pid not in listening
        reloader.terminate()
    assert wait_until(lambda: not live.members(), GONE_TIMEOUT_S), "the child ends with it"
