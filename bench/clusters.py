"""Clusters as contestants: real ones, in a folder of ours, gone with this process."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bazaar.cluster.free_ports import free_topology
from bench import processes
from tests.cluster.conftest import LiveCluster

MEMBERS_PREFIXES = ("catalog", "order-", "frontend-")
"""Of the processes that serve clients and each other."""


class OwnCluster(LiveCluster):
    """A cluster that ends with this process, even when this one is killed."""

    def command(self, *arguments: str) -> list[str]:
        """Return the command line, tied to this process."""
        tie = (sys.executable, "-m", "bazaar.cluster.tie", str(os.getpid()))
        return [*tie, *super().command(*arguments)]

    def kill_at_once(self, name: str) -> Callable[[], None]:
        """Return what kills a process (-9) with all it started, without waiting for the effect."""
        pid = self.view(name).pid
        return lambda: os.killpg(pid, signal.SIGKILL)

    def memory_mb(self) -> dict[str, float]:
        """Return the resident memory by role process."""
        return {
            view.name: processes.memory_mb(view.pid)
            for view in self.look().processes
            if view.pid and view.name.startswith(MEMBERS_PREFIXES)
        }


def prepared(folder: Path, *options: str, replicas: int = 3, stocks: str = "asterix") -> OwnCluster:
    """
    Make the databases of a cluster in a new folder; options: of `cluster up`.

    They are made once for each set of stocks, and then copied: that is what takes time.
    """
    pattern = folder.parent / f"prepared-{stocks}"
    if not pattern.exists():
        pattern.mkdir()
        done = OwnCluster(pattern).run("init", "--stocks", stocks)
        if done.returncode:
            raise SystemExit(done.stderr)
    folder.mkdir()
    shutil.copytree(pattern / "data", folder / "data")
    cluster = OwnCluster(folder, *options, wished=free_topology(replicas))
    for node in cluster.topology.replicas:
        path = cluster.data.root / f"order-{node.id}.sqlite3"
        if not path.exists():
            shutil.copyfile(path.with_name("order-1.sqlite3"), path)
    return cluster


@contextlib.contextmanager
def running(cluster: OwnCluster) -> Iterator[OwnCluster]:
    """Run a cluster."""
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.end()
