"""The real supervisor, on programs that end at once: no role is needed to see it supervise."""

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.exits import ClusterDown
from bazaar.cluster.logs import tail
from bazaar.cluster.ports import free_topology
from bazaar.cluster.snapshot import Observer, ProcessState
from bazaar.cluster.starting import stages, start
from bazaar.cluster.stopping import stop_cluster
from bazaar.cluster.supervisor import Supervisor
from bazaar.cluster.supervisor_config import (
    supervisor_command,
    supervisor_environment,
    write_config,
)
from bazaar.protocol.cluster_report import Health
from bazaar.settings import env
from tests.support.disks import SmallDisk

TIMEOUT_S = 20.0
NO_TABLES = "the database lacks order_app.0001_initial"
"""What a replica says at once that was never initialized; for a taken port it waits before."""
HARD_NAMES = ["plain", '50% #1 ;x "it\'s" %(ENV_HOME)s', "x" * 120]


@contextlib.contextmanager
def supervised(data: DataDir) -> Iterator[Supervisor]:
    data.make()
    data.write_topology(free_topology(replicas=2))
    make_secret(data.root / "cluster.secret")
    write_config(data, dict(data.read_topology().nodes()), "granian")
    process = subprocess.Popen(
        supervisor_command(data), env=supervisor_environment(data, {}), cwd=env.ROOT
    )
    supervisor = Supervisor(data)
    try:
        assert wait_until(supervisor.is_running, TIMEOUT_S), process.poll()
        yield supervisor
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)


@pytest.mark.parametrize("name", HARD_NAMES)
def test_a_folder_of_any_name_is_supervised(tmp_path: Path, name: str) -> None:
    data = DataDir(tmp_path / name)
    with supervised(data) as supervisor:
        processes = supervisor.processes()
        expected = ["catalog", "order-1", "order-2", "frontend-1", "dashboard"]
        assert sorted(processes) == sorted(expected)
        assert not any(info.is_up for info in processes.values()), "nothing starts by itself"
        assert data.socket_path.stat().st_mode & 0o777 == 0o700
        assert supervisor.find_pid() == supervisor.pid()


def test_a_supervisor_without_its_up_is_ending(tmp_path: Path) -> None:
    """The next `cluster up` waits for it, though it has not handled its signal yet."""
    with supervised(DataDir(tmp_path)) as supervisor:
        assert supervisor.is_running()
        assert supervisor.is_ending()


def test_a_process_that_does_not_start_is_reported_with_its_log(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with supervised(data):
        found = data.read_topology()
        observer = Observer(data, {})
        data.log_path("order-2").write_text("from an earlier run\n")
        with socket.create_server(found.replica(2).address):
            failures = start(observer, ["order-2"])
        assert len(failures) == 1
        assert f"cannot listen on port {found.replica(2).port}" in str(failures[0])
        assert "earlier" not in str(failures[0])
        view = next(view for view in observer.take_snapshot().processes if view.name == "order-2")
        assert (view.state, view.exit_status, view.pid) == (ProcessState.EXITED, 2, 0)
        assert tail(data.log_path("order-2"), 1)[0].startswith("order-2 cannot listen")


def test_a_stopped_supervisor_is_down_not_an_error(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with supervised(data) as supervisor:
        assert not supervisor.stop("catalog"), "it does not run"
        stop_cluster(data)
        assert not supervisor.is_alive()
        assert Observer(data, {}).take_snapshot().health is Health.DOWN
        with pytest.raises(ClusterDown, match="cluster up"):
            supervisor.processes()


@pytest.mark.parametrize(
    "gone",
    [
        ("supervisor.sock",),
        ("supervisor.sock", "supervisord.pid"),
        ("supervisor.sock", "supervisord.pid", "cluster.lock"),
    ],
)
def test_a_supervisor_without_its_socket_runs_cannot_be_asked_and_can_be_stopped(
    tmp_path: Path, gone: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    data = DataDir(tmp_path / "data")
    with supervised(data) as supervisor:
        pid = supervisor.pid()
        for name in gone:
            (data.root / name).unlink(missing_ok=True)
        options = ("--data", str(data.root))
        with pytest.raises(SystemExit) as caught:
            call_command("cluster", "status", *options)
        assert caught.value.code == 2
        output = capsys.readouterr().out
        assert f"is running, cannot be asked: its supervisor (pid {pid})" in output
        assert f"cluster down --data {data.root}`" in output
        assert "stopped" not in output
        for verb in ("start", "kill", "restart", "stop"):
            with pytest.raises(CommandError, match="is running, cannot be asked"):
                call_command("cluster", verb, "2", *options)
        for line in ("up", "init", "rebuild 2"):
            with pytest.raises(CommandError, match=rf"is already up \(supervisor pid {pid}\)"):
                call_command("cluster", *line.split(), *options)
        call_command("cluster", "down", *options)
        assert capsys.readouterr().out == "stopped the supervisor\n"
        assert supervisor.find_pid() is None
        assert Observer(data, {}).take_snapshot().health is Health.DOWN


def test_a_process_starts_though_somebody_deleted_the_folder_of_the_logs(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with supervised(data):
        shutil.rmtree(data.logs)
        (failure,) = start(Observer(data, {}), ["order-2"])
        assert NO_TABLES in str(failure), "its log was written"


def test_a_full_disk_under_its_logs_does_not_end_it(tmp_path: Path) -> None:
    """Each process that starts and ends is a line in its log."""
    with SmallDisk(tmp_path / "data", 2**20) as disk:
        data = DataDir(disk.path)
        with supervised(data) as supervisor:
            disk.fill()
            with socket.create_server(data.read_topology().replica(2).address):
                supervisor.start("order-2")
                assert wait_until(lambda: not supervisor.processes()["order-2"].is_up, TIMEOUT_S)
            assert supervisor.is_running()
            disk.clear()
            supervisor.start("order-2")
            path = data.log_path("order-2")
            assert wait_until(lambda: NO_TABLES in " ".join(tail(path, 9)), TIMEOUT_S)


def test_stopping_nothing_is_harmless(tmp_path: Path) -> None:
    assert stop_cluster(DataDir(tmp_path)) == []


def test_roles_start_in_the_order_of_their_needs() -> None:
    assert list(stages(dict(free_topology(replicas=2, front_ends=2).nodes()))) == [
        ("catalog", "order-1", "order-2", "frontend-1", "frontend-2"),
        ("dashboard",),
    ]
