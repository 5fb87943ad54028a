"""A cluster begins and ends as a whole, whatever is killed, taken or broken."""

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

from bazaar.clock import wait_until
from bazaar.cluster.ports import free_topology, is_open
from bazaar.protocol.cluster_report import Health
from bazaar.settings import env
from bazaar.settings.typed import make_anew
from bazaar.topology import Role
from tests.cluster.conftest import LiveCluster, SharedCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
GONE_TIMEOUT_S = 10.0
NewCluster = Callable[..., LiveCluster]


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
    members = set(small.members())
    assert small.process is not None
    small.process.kill()
    small.process.wait()
    assert small.try_up(), small.read_output()
    assert members.isdisjoint(small.members())


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
