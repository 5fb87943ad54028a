"""`manage.py cluster` with real processes: what a verb does, shows and refuses."""

import os
import signal

import psutil
import pytest
from django.core.management import CommandError, call_command

from bazaar.clock import wait_until
from bazaar.cluster import only_copy
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.ports import is_open
from bazaar.cluster.snapshot import ProcessState
from bazaar.cluster.stopping import is_alive
from bazaar.protocol.cluster_report import Health
from tests.cluster.conftest import LiveCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
GONE_TIMEOUT_S = 10.0


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
    pids = [one["pid"] for one in found["processes"]]
    assert [os.getsid(pid) for pid in pids] == pids, "each has its share of a busy machine"


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
        assert wait_until(lambda at=address: not is_open(at), GONE_TIMEOUT_S)  # type: ignore[misc]
    cluster.start("frontend-1")


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
