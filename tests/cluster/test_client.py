"""`manage.py client` against real processes that are killed while it works."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bazaar.clock import wait_until
from bazaar.cluster import exits
from bazaar.settings.env import ROOT
from tests.cluster.conftest import LiveCluster

pytestmark = pytest.mark.cluster

PROGRESS_TIMEOUT_S = 30.0
END_TIMEOUT_S = 90.0
START = [sys.executable, str(ROOT / "manage.py"), "client"]


def run(cluster: LiveCluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, at the front ends of the data folder."""
    return subprocess.run(
        [*START, *arguments],
        env=cluster.environ,
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT_S,
        check=False,
    )


class Simulation:
    """A simulation that runs beside the test."""

    def __init__(self, cluster: LiveCluster, *arguments: str) -> None:
        self.kept: Path = cluster.data.root / "client-orders.jsonl"
        command = [*START, "simulate", "--p", "1", *arguments]
        self.process = subprocess.Popen(
            command, env=cluster.environ, stdout=subprocess.PIPE, text=True
        )

    def count(self) -> int:
        """Return how many orders are kept."""
        return len(self.kept.read_bytes().splitlines()) if self.kept.exists() else 0

    def has_kept(self, count: int) -> None:
        """Wait until so many more are kept. Raises AssertionError: it does not go on."""
        wanted = self.count() + count
        assert wait_until(lambda: self.count() >= wanted, PROGRESS_TIMEOUT_S), self.count()

    def end(self) -> tuple[int, str]:
        """Wait for its end; return exit code and output."""
        output, _ = self.process.communicate(timeout=END_TIMEOUT_S)
        return self.process.returncode, output


def last_order(cluster: LiveCluster) -> int:
    """Return the number of the newest order."""
    return max(view.status.last for view in cluster.look().processes if view.status)


def test_a_simulation_outlives_its_leader_and_its_front_end(cluster: LiveCluster) -> None:
    """I2, I3: every order it was acknowledged is there, and is there once."""
    last_before = last_order(cluster)
    simulation = Simulation(cluster, "--requests", "250", "--seed", "4", "--new")
    simulation.has_kept(40)
    cluster.kill("leader")
    simulation.has_kept(40)
    cluster.kill("frontend-1")
    simulation.has_kept(40)
    status, output = simulation.end()
    assert status == exits.OK, output
    assert f"{simulation.count()} orders kept" in output
    checked = run(cluster, "check")
    assert checked.returncode == exits.OK, checked.stdout + checked.stderr
    assert checked.stdout.count("order info match with local!") == simulation.count()
    assert last_order(cluster) - last_before == simulation.count(), "no trade was made twice"


def test_an_interrupted_simulation_tells_and_keeps_what_it_did(cluster: LiveCluster) -> None:
    simulation = Simulation(cluster, "--requests", "100000", "-q", "--new")
    simulation.has_kept(20)
    simulation.process.send_signal(signal.SIGINT)
    status, output = simulation.end()
    assert status == exits.INTERRUPTED
    assert f"{simulation.count()} orders kept" in output
    assert "trade: " in output
    assert run(cluster, "check", "-q").returncode == exits.OK


def test_an_order_that_differs_from_the_kept_one_is_status_3(cluster: LiveCluster) -> None:
    kept = cluster.data.root / "altered.jsonl"
    arguments = ("--orders", str(kept))
    assert run(cluster, "simulate", "--requests", "3", "--p", "1", *arguments).returncode == 0
    kept.write_text(kept.read_text().replace('"quantity":', '"quantity":1', 1))
    checked = run(cluster, "check", *arguments)
    assert checked.returncode == exits.INCONSISTENT
    assert "1 differ" in checked.stdout
