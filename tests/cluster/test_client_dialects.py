"""Our own client and load test in each dialect, on a cluster that asks for tokens."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bazaar.client.answers import Refused
from bazaar.client.client import Client
from bazaar.clock import wait_until
from bazaar.cluster import exits
from bazaar.core.types import TradeType
from bazaar.loadtest.summary import Summary
from bazaar.settings.env import ROOT
from tests.cluster.conftest import LiveCluster
from tests.cluster.proof import assert_proof
from tests.support.summaries import read_summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

LOAD_TIMEOUT_S = 100.0
TAKEN_UP_S = 10.0


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[LiveCluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAZAAR_ANONYMOUS_TRADES", "0")
        cluster = LiveCluster.from_prepared(tmp_path_factory.mktemp("closed") / "1", prepared)
    yield cluster
    cluster.end()


@pytest.fixture
def closed(_started: LiveCluster) -> LiveCluster:
    """Return a running cluster in which nobody trades without a token."""
    _started.heal()
    return _started


def manage(cluster: LiveCluster, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the cluster's data folder to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        env={**cluster.environ, **environ},
        capture_output=True,
        text=True,
        timeout=LOAD_TIMEOUT_S,
        check=False,
    )


def load(cluster: LiveCluster, path: Path, *words: str) -> tuple[int, Summary, str, set[str]]:
    """Load it; return exit code, summary, output, and the command lines of all it started."""
    command = [*(sys.executable, str(ROOT / "manage.py"), "loadtest", "--quiet")]
    process = subprocess.Popen(
        [*command, "--json", str(path), *words],
        env=cluster.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: set[str] = set()

    def is_over() -> bool:
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                lines.add(" ".join(child.cmdline()))
        return process.poll() is not None

    is_ended = wait_until(is_over, LOAD_TIMEOUT_S)
    if not is_ended:
        process.kill()
    said, _ = process.communicate()
    assert is_ended, said
    assert path.exists(), said
    return process.returncode, read_summary(path), said, lines


def check_lists(client: Client, least: int) -> None:
    """Hold the lists against each other; least: orders of ann that are there at least."""
    orders = list(client.orders())
    assert [one.order_no for one in orders] == list(range(len(orders), 0, -1))
    assert sum(one.placed_by == "ann" for one in orders) >= least
    assert {one.placed_by for one in orders} <= {"ann", "bob"}
    names = [stock.name for stock in client.stocks(limit=3)]
    assert len(names) == 10
    assert names == sorted(names)
    boars = [one for one in orders if one.stock_name == "BoarCo"]
    assert list(client.orders("BoarCo", limit=7)) == boars
    assert len(client.cluster().replicas) == 3


def test_each_dialect_is_loaded_with_a_token_and_proved(
    closed: LiveCluster, tmp_path: Path
) -> None:
    """I1 to I3, I7: the audit at the end holds what each dialect showed against the servers."""
    refused, summary, _, _ = load(
        *(closed, tmp_path / "refused", "--dialect", "v1", "--duration", "1s", "--p", "1")
    )
    assert refused == exits.ERRORS
    assert summary.operations["trade"].ok == 0
    assert set(summary.operations["trade"].errors) == {"denied"}

    token = manage(closed, "token", "create", "ann").stdout.strip()
    client = Client([closed.base_url], token=token)
    with client:

        def is_taken_up() -> bool:
            with suppress(Refused):
                return client.trade("BoarCo", TradeType.BUY, 1).placed_by == "ann"
            return False

        assert wait_until(is_taken_up, TAKEN_UP_S)
        placed = 1
        for dialect in ("v1", "course"):
            status, summary, said, lines = load(
                *(closed, tmp_path / dialect, "--dialect", dialect, "--token", token),
                *("--duration", "3s", "--rate", "150", "--p", "0.5"),
                *("--chaos", "kill-leader", "--chaos-interval", "1s"),
                *("--threshold", "hit_ratio>10%"),
            )
            assert status == exits.OK, said
            assert (summary.proof, summary.proof_gaps, summary.error_count) == ((), (), 0)
            assert "kill-leader" in [mark.what for mark in summary.marks]
            assert any("bazaar.loadtest.worker" in line for line in lines)
            assert not any(token in line for line in lines)
            placed += summary.operations["trade"].ok
        check_lists(client, placed)
    assert_proof(closed)


def test_a_token_of_a_file_trades_and_a_refusal_names_its_page(
    closed: LiveCluster, tmp_path: Path
) -> None:
    trade = ("client", "trade", "BoarCo", "buy", "1", "--deadline", "5")
    refused = manage(closed, *trade)
    assert refused.returncode == exits.ERRORS
    page = f"{closed.base_url}/problems/token_required"
    assert f"See {page}" in refused.stdout
    path = tmp_path / "token"
    path.write_text(manage(closed, "token", "create", "bob").stdout)

    def is_placed() -> bool:
        return manage(closed, *trade, BAZAAR_TOKEN_FILE=str(path)).returncode == exits.OK

    assert wait_until(is_placed, TAKEN_UP_S)
    with Client([closed.base_url]) as client:
        assert next(client.orders()).placed_by == "bob"
