"""`manage.py loadtest` on real clusters: load, faults, and the proof in the end."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bazaar.cluster import exits
from bazaar.loadtest.summary import Summary
from bazaar.proof.records import Done, Mark, Sample, read_history
from bazaar.settings.env import ROOT
from tests.cluster.conftest import LiveCluster
from tests.support.summaries import read_summary

pytestmark = pytest.mark.cluster

LOAD_TIMEOUT_S = 100.0
Load = Callable[..., tuple[int, Summary, str]]


@pytest.fixture
def load(cluster: LiveCluster, tmp_path: Path) -> Load:
    """Run a load on the cluster; return exit code, summary and what was printed."""

    def run(*options: str) -> tuple[int, Summary, str]:
        path = tmp_path / "summary.json"
        done = subprocess.run(
            [*(sys.executable, "manage.py", "loadtest", "--quiet", "--json", str(path)), *options],
            cwd=ROOT,
            env=cluster.environ,
            capture_output=True,
            text=True,
            timeout=LOAD_TIMEOUT_S,
            check=False,
        )
        assert path.exists(), done.stdout + done.stderr
        return done.returncode, read_summary(path), done.stdout + done.stderr

    return run


def test_a_load_is_measured_proved_and_written_down(
    cluster: LiveCluster, load: Load, tmp_path: Path
) -> None:
    leader = cluster.view(cluster.leader()).node.id
    history = tmp_path / "history"
    status, summary, said = load(
        *("--duration", "2s", "--warmup", "1s", "--p", "0.5", "--processes", "2"),
        *("--history", str(history), "--threshold", "errors<1", "--threshold", "hit_ratio>10%"),
    )
    assert status == exits.OK, said
    assert set(summary.operations) == {"query", "trade", "order"}
    assert summary.proof == ()
    assert summary.proof_gaps == ()
    records = list(read_history(history))
    noted = [one for one in records if isinstance(one, Done)]
    assert sum(not one.is_warmup for one in noted) == summary.count
    samples = [one for one in records if isinstance(one, Sample)]
    assert {one.leader for one in samples} == {leader}
    assert all(set(one.lag_orders) == {"order-1", "order-2", "order-3"} for one in samples)


def test_an_open_loop_keeps_its_rate_and_past_the_caches_nothing_is_a_hit(load: Load) -> None:
    status, summary, said = load(
        *("--rate", "60", "--duration", "2s", "--clients", "30", "--p", "0.1", "--no-cache")
    )
    assert status == exits.OK, said
    assert summary.count + summary.unsent == 120, "a machine that stands still may send fewer"
    assert (summary.count > 0, summary.hit_ratio) == (True, 0.0)


def test_a_cluster_under_faults_keeps_its_word(load: Load, tmp_path: Path) -> None:
    history = tmp_path / "history"
    status, summary, said = load(
        *("--duration", "5s", "--chaos", "kill-leader", "--chaos-interval", "2s"),
        *("--rate", "200"),
        *("--history", str(history)),
    )
    assert status == exits.OK, said
    marks = [one for one in read_history(history) if isinstance(one, Mark)]
    assert msgspec.to_builtins(marks) == msgspec.to_builtins(list(summary.marks))
    whats = [one.what for one in marks]
    assert 0 < whats.count("kill-leader") == whats.count("healed")
    elected = [one.term for one in marks if one.what == "elected"]
    assert 0 < len(elected) == len(set(elected)) <= summary.failovers
    assert summary.error_count == 0
    assert summary.proof == ()
