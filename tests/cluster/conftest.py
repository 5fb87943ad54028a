"""Real clusters: real processes on free ports, started by the real command."""

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.ports import free_topology
from bazaar.cluster.snapshot import ProcessView, Snapshot
from bazaar.cluster.temporary import TemporaryCluster
from bazaar.protocol.cluster_report import Health
from bazaar.settings import env
from bazaar.topology import Topology
from tests.conftest import SHARED_CLUSTER, group_of

HEAL_TIMEOUT_S = 30.0
END_TIMEOUT_S = 15.0
PAUSE_TIMEOUT_S = 10.0
LOOK_PAUSE_S = 0.2
"""Between two looks at a cluster: each asks all processes, and keeps them from what is awaited."""
REQUEST_TIMEOUT_S = 15.0
VERIFY_TURN_S = "2"
"""Tests that damage a file wait for the check that goes through it."""
TRADED, SHARES_MIN = "GameStart", 100


class LiveCluster(TemporaryCluster):
    """A throw-away cluster, and what a test may do to it."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        nodes: Topology | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """folder: for everything it writes; options: of `cluster up`."""
        quick = {"BAZAAR_VERIFY_TURN_S": VERIFY_TURN_S, **environ}
        super().__init__(folder, "--stocks", "asterix", *options, nodes=nodes, environ=quick)

    @property
    def base_url(self) -> str:
        """Where clients go: the first front end."""
        return self.url("frontend-1")

    def url(self, name: str) -> str:
        """Return the served address of a process."""
        return dict(self.topology.nodes())[name].url

    @property
    def secret(self) -> bytes:
        """The cluster's secret."""
        return env.read_secret({"BAZAAR_DATA_DIR": str(self.data.root)})

    def status(self) -> dict[str, Any]:
        """Return what `status -o json` prints."""
        found: dict[str, Any] = json.loads(self.run("status", "-o", "json").stdout)
        return found

    def members(self) -> list[psutil.Process]:
        """Return every process that works on this cluster's data, `cluster up` included."""
        return [process for process in psutil.process_iter() if self._is_member(process)]

    def _is_member(self, process: psutil.Process) -> bool:
        try:
            return (
                process.environ().get("BAZAAR_DATA_DIR") == str(self.data.root)
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def end(self) -> None:
        """End it, and see that nothing is left. Raises AssertionError with what was."""
        self.close()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        left = not wait_until(lambda: not self.members(), END_TIMEOUT_S)
        lines = [" ".join(member.cmdline()) for member in self.members()] if left else []
        for member in self.members():
            with suppress(psutil.NoSuchProcess):
                member.kill()
        if self.process:
            self.process.wait(END_TIMEOUT_S)
        assert not lines, f"still running after the end: {lines}"

    # What a test does

    def look(self) -> Snapshot:
        """Return how it is now."""
        return self.cluster.take_snapshot()

    def view(self, wanted: str) -> ProcessView:
        """Return how one process is."""
        return self.cluster.view(self.cluster.resolve(wanted))

    def leader(self) -> str:
        """Wait for a leader and return its name."""
        self.wait_for(lambda snapshot: snapshot.leader is not None)
        leader = self.look().leader
        return leader.name if leader else self.leader()

    def kill(self, wanted: str) -> None:
        """Kill a process (-9) with all it started; `leader` and numbers are understood."""
        self.cluster.kill(wanted, "KILL")

    def pause(self, wanted: str) -> None:
        """Pause a process with all it started (SIGSTOP); wait until all of it stands still."""
        main = psutil.Process(self.view(wanted).pid)
        self.cluster.kill(wanted, "STOP")
        whole = [main, *main.children(recursive=True)]
        assert wait_until(
            lambda: {one.status() for one in whole} == {psutil.STATUS_STOPPED}, PAUSE_TIMEOUT_S
        ), f"{wanted} does not stand still"

    def resume(self, wanted: str) -> None:
        """Let a paused process go on (SIGCONT)."""
        self.cluster.kill(wanted, "CONT")

    def start(self, wanted: str) -> None:
        """Start a process and wait until it serves."""
        self.cluster.start(wanted)

    def stop(self, wanted: str) -> None:
        """Stop a process and wait until it is gone."""
        self.cluster.stop(wanted)

    def wait_for(
        self, condition: Callable[[Snapshot], bool], timeout_s: float = HEAL_TIMEOUT_S
    ) -> None:
        """Poll the cluster until a condition holds. Raises AssertionError: it never did."""
        in_time = wait_until(
            lambda: condition(self.look()), timeout_s, lambda _: clock.wait(LOOK_PAUSE_S)
        )
        assert in_time, f"not in {timeout_s:g} s: {self.look()}\n{self.read_output()}"

    def heal(self) -> None:
        """Bring back what earlier tests have ended or paused, until all is well."""
        if self.process is None or self.process.poll() is not None:
            self.up()
        if self.look().health is Health.HEALTHY:
            return
        failed = self.cluster.mend([view.name for view in self.look().processes])
        assert not failed, "\n".join(map(str, failed))
        self.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)


def prepare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return a folder that holds `data` of three replicas and ten stocks, made by `init` once.

    Processes that share the tests out share it, too.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prepared"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            done = LiveCluster(folder).run("init", "--stocks", "asterix")
            assert done.returncode == 0, done.stderr
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what clusters are copied from."""
    return prepare(tmp_path_factory)


@pytest.fixture
def new_cluster(tmp_path: Path, prepared: Path) -> Iterator[Callable[..., LiveCluster]]:
    """Return what makes a fresh cluster for one test; it is ended after the test."""
    made: list[LiveCluster] = []

    def make(*options: str, nodes: Topology | None = None) -> LiveCluster:
        folder = tmp_path / str(len(made))
        made.append(LiveCluster.from_prepared(folder, prepared, *options, nodes=nodes))
        return made[-1]

    yield make
    for one in made:
        one.end()


class SharedCluster:
    """One cluster for many tests, which find it healthy; replaced when it cannot be healed."""

    def __init__(self, folder: Path, prepared: Path, *options: str, **counts: int) -> None:
        """Make none yet; options: of `cluster up`. counts: of replicas and front ends."""
        self._folder, self._prepared = folder, prepared
        self._options, self._counts = options, counts
        self._made: list[LiveCluster] = []

    def healthy(self) -> LiveCluster:
        """Return the cluster once it is healthy."""
        try:
            return self._heal()
        except (AssertionError, ClusterError):
            self.end()
            self._add()
            return self._heal()

    def end(self) -> None:
        """End the cluster."""
        for one in self._made:
            one.end()

    def _heal(self) -> LiveCluster:
        if not self._made:
            self._add()
        self._made[-1].heal()
        return self._made[-1]

    def _add(self) -> None:
        folder, nodes = self._folder / str(len(self._made)), free_topology(**self._counts)
        made = LiveCluster.from_prepared(folder, self._prepared, *self._options, nodes=nodes)
        self._made.append(made)


_used: list[SharedCluster] = []
"""The cluster of this folder, from the first test that uses it until its group ends."""


@pytest.fixture(scope="package")
def _shared(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[SharedCluster]:
    shared = SharedCluster(tmp_path_factory.mktemp("cluster"), prepared, front_ends=2)
    _used.append(shared)
    yield shared
    _used.clear()
    shared.end()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the shared cluster before the files that have their own: it would slow them down."""
    if group_of(str(item.path)) == SHARED_CLUSTER and (
        nextitem is None or group_of(str(nextitem.path)) != SHARED_CLUSTER
    ):
        for shared in _used:
            shared.end()


@pytest.fixture
def cluster(_shared: SharedCluster) -> LiveCluster:
    """Return the cluster of this folder, healthy; its orders stay from test to test."""
    live = _shared.healthy()
    _sell_back(live)
    return live


def _sell_back(live: LiveCluster) -> None:
    """Let there be shares of the stock that tests buy: loads of the tests before may have them."""
    query = {"stock_name": TRADED}
    stock: dict[str, Any] = {}

    def is_answered(url: str) -> bool:
        """Ask past memory; a front end may not have heard yet that the catalog is back."""
        past = {"Cache-Control": "no-cache"}
        answer = requests.get(f"{url}/stocks", query, headers=past, timeout=REQUEST_TIMEOUT_S)
        stock.update(answer.json())
        return answer.ok and "Warning" not in answer.headers

    for node in live.topology.front_ends:
        assert wait_until(partial(is_answered, node.url), HEAL_TIMEOUT_S), stock
    if stock["quantity"] < SHARES_MIN:
        trade = {**query, "trade_type": "sell", "quantity": SHARES_MIN}
        requests.post(f"{live.base_url}/orders", json=trade, timeout=REQUEST_TIMEOUT_S)
