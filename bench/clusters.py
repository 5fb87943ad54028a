"""Clusters that are measured: real ones, gone with this process."""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from bazaar.cluster.ports import free_topology
from bazaar.cluster.temporary import TemporaryCluster
from bazaar.topology import Role
from bench import processes
from tests.cluster.conftest import LiveCluster

Running = TypeVar("Running", bound=TemporaryCluster)
MEMBER_ROLES = (Role.CATALOG, Role.ORDER, Role.FRONT_END)
"""Of the processes that serve clients and each other."""


class OwnCluster(LiveCluster):
    """A cluster that is measured."""

    def kill_at_once(self, name: str) -> Callable[[], None]:
        """Return a function that kills a process with all its children at once."""
        pid = self.view(name).pid
        return lambda: os.killpg(pid, signal.SIGKILL)

    def memory_mb(self) -> dict[str, float]:
        """Return the resident memory by process."""
        return {
            view.name: processes.memory_mb(view.pid)
            for view in self.look().processes
            if view.pid and view.role in MEMBER_ROLES
        }


def prepared(folder: Path, *options: str, replicas: int = 3, stocks: str = "asterix") -> OwnCluster:
    """
    Make the databases of a cluster in a new folder; options: of `cluster up`.

    They are made once for each set of stocks, and then copied: making them takes long.
    """
    pattern = folder.parent / f"prepared-{stocks}"
    if not pattern.exists():
        pattern.mkdir(parents=True)
        done = OwnCluster(pattern).run("init", "--stocks", stocks)
        if done.returncode:
            raise SystemExit(done.stderr)
    nodes = free_topology(replicas)
    cluster = OwnCluster.from_prepared(folder, pattern, *options, nodes=nodes)
    for node in cluster.topology.replicas:
        path = cluster.data.root / f"order-{node.id}.sqlite3"
        if not path.exists():
            shutil.copyfile(path.with_name("order-1.sqlite3"), path)
    return cluster


@contextlib.contextmanager
def running(cluster: Running) -> Iterator[Running]:
    """Run a cluster."""
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.end()
