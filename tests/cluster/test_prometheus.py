"""A real Prometheus scrapes a real cluster: an alert fires when the leader is gone, and clears."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from bazaar.clock import wait_until
from bazaar.cluster.ports import free_ports, free_topology
from bazaar.settings import env
from bazaar.topology import Node, format_address
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import buy, query

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

FOLDER = env.ROOT / "docs" / "operations"
TOKEN_PATH = "/srv/bazaar/var/metrics.token"
SEEN_TIMEOUT_S = 90.0
END_TIMEOUT_S = 20.0
FAST = ("scrape_interval: 5s", "evaluation_interval: 5s", "refresh_interval: 5s")
FIRES_AFTER = "for: 10s"
"""How long a process is gone before its alert; tests/operations hold the rules to their times."""


def scrape(node: Node, token: str, path: str = "/metrics") -> str:
    """Return what a process answers Prometheus."""
    host, port = node.control_address if node.control_port else node.address
    request = urllib.request.Request(
        f"http://{format_address(host, port)}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return str(answer.read().decode())


class Prometheus:
    """One Prometheus, which scrapes twice a second."""

    def __init__(self, folder: Path, cluster: LiveCluster) -> None:
        """Write its configuration: the shipped one, with the addresses of a cluster."""
        (self.port,) = free_ports(1)
        text = (FOLDER / "prometheus.yml").read_text()
        text = text.replace(TOKEN_PATH, str(cluster.data.metrics_token_path))
        address = format_address(*cluster.topology.catalog.control_address)
        text = text.replace("127.0.0.1:10002", address)
        for slow in FAST:
            text = text.replace(slow, slow.replace("5s", "500ms"))
        folder.mkdir()
        (folder / "prometheus.yml").write_text(text)
        for name in ("recording.yml", "alerts.yml"):
            rules = (FOLDER / name).read_text()
            (folder / name).write_text(rules.replace(FIRES_AFTER, "for: 1s"))
        self._folder = folder

    @contextmanager
    def running(self) -> Iterator["Prometheus"]:
        """Run it while a block runs."""
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )
            try:
                yield self
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(END_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def ask(self, path: str, **fields: str) -> Any:
        """Return the `data` of its API; None while it does not answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(fields)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]
        except (OSError, ValueError):
            return None

    def value(self, expression: str) -> float | None:
        """Return the one value of an expression; None: there is none."""
        found = self.ask("query", query=expression)
        results = found["result"] if found else []
        return float(results[0]["value"][1]) if results else None

    def firing(self) -> set[tuple[str, str]]:
        """Return name and process of the alerts that fire."""
        found = self.ask("alerts") or {"alerts": []}
        return {
            (one["labels"]["alertname"], one["labels"].get("process", ""))
            for one in found["alerts"]
            if one["state"] == "firing"
        }


def await_(condition: Callable[[], bool], what: str) -> None:
    assert wait_until(condition, SEEN_TIMEOUT_S), what


def test_an_alert_fires_when_the_leader_is_killed_and_clears(
    new_cluster: Callable[..., LiveCluster], tmp_path: Path
) -> None:
    cluster = new_cluster("--workers", "2", nodes=free_topology())
    cluster.up()
    token = cluster.data.metrics_token_path.read_text().strip()
    query(cluster, "GameStart")
    assert buy(cluster, "GameStart").status == 200
    for _, node in cluster.topology.nodes():
        check = subprocess.run(
            ["promtool", "check", "metrics"],
            input=scrape(node, token).encode(),
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert (check.returncode, check.stderr) == (0, b""), check.stderr
    with Prometheus(tmp_path / "prometheus", cluster).running() as prometheus:
        # Six processes and the second worker of the front end.
        await_(lambda: prometheus.value('sum(up{job="bazaar"})') == 7, "not all are scraped")
        await_(lambda: prometheus.value("sum(bazaar_ready)") == 7, "not all are ready")
        placed = 'sum(bazaar_trades_total{outcome="placed"})'
        await_(lambda: prometheus.value(placed) == 1, "the trade is not counted once")
        await_(lambda: prometheus.value("bazaar:in_sync_replicas:max") == 3, "not all in sync")
        assert prometheus.firing() == set()
        leader, term = cluster.leader(), cluster.look().term
        cluster.kill(leader)
        wanted = ("BazaarProcessDown", leader)
        await_(lambda: wanted in prometheus.firing(), "no alert")
        await_(lambda: (prometheus.value("max(bazaar_term)") or 0) > term, "no new term is seen")
        cluster.start(leader)
        await_(lambda: prometheus.firing() == set(), "the alert does not clear")
