"""What a cluster is, has and costs, before an attack and after it."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psutil

from bazaar.clock import wait_until
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.stored_rows import ROWS_MAX
from tests.cluster.conftest import LiveCluster

TIMEOUT_S = 10.0
THREADS_MORE, DESCRIPTORS_MORE, MEMORY_MORE = 4, 16, 64 * 1024 * 1024
"""How much more than before a process may have when it is quiet again."""
_USERS = (
    "SELECT id, username, password, is_active, is_staff, is_superuser FROM auth_user ORDER BY id",
    "SELECT user_id, permission_id FROM auth_user_user_permissions ORDER BY 1, 2",
    "SELECT count(*) FROM dashboard_auditentry",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process of the cluster costs, with all that it started."""

    threads: int
    descriptors: int
    memory_bytes: int
    log_bytes: int
    tracebacks: int

    def exceeds(self, before: "Usage", *, are_threads_counted: bool) -> str:
        """Return what it still has more than before; empty: nothing that matters."""
        if self.descriptors > before.descriptors + DESCRIPTORS_MORE:
            return f"descriptors {before.descriptors} -> {self.descriptors}"
        if self.memory_bytes > before.memory_bytes + MEMORY_MORE:
            return f"memory {before.memory_bytes >> 20} -> {self.memory_bytes >> 20} MiB"
        if are_threads_counted and self.threads > before.threads + THREADS_MORE:
            return f"threads {before.threads} -> {self.threads}"
        return ""


def measure(cluster: LiveCluster) -> dict[str, Usage]:
    """Return what each process costs now."""
    return {view.name: _measure(cluster, view.name, view.pid) for view in cluster.look().processes}


def _measure(cluster: LiveCluster, name: str, pid: int) -> Usage:
    main = psutil.Process(pid)
    whole = [main, *main.children(recursive=True)]
    path = cluster.data.log_path(name)
    log = b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
    return Usage(
        threads=sum(one.num_threads() for one in whole),
        descriptors=sum(one.num_fds() for one in whole),
        memory_bytes=sum(one.memory_info().rss for one in whole),
        log_bytes=len(log),
        tracebacks=log.count(b"Traceback"),
    )


def await_quiet(
    cluster: LiveCluster,
    before: Mapping[str, Usage],
    timeout_s: float,
    *,
    are_threads_counted: bool,
) -> tuple[dict[str, Usage], list[str]]:
    """Wait until every process costs what it did; return what each costs, and what is too much."""
    found = dict[str, Usage]()
    faults = list[str]()

    def is_quiet() -> bool:
        found.update(measure(cluster))
        more = {
            name: usage.exceeds(before[name], are_threads_counted=are_threads_counted)
            for name, usage in found.items()
        }
        faults[:] = [f"{name}: {text}" for name, text in more.items() if text]
        return not faults

    wait_until(is_quiet, timeout_s)
    return found, faults


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What only members and users may change."""

    terms: dict[str, tuple[int, int | None]]
    prices: dict[str, Any]
    users: tuple[Any, ...]

    def changes(self, after: "ClusterFacts") -> list[str]:
        """Return what is not as it was, each with its values; users without theirs."""
        found = [
            f"{what} were {old} and are {new}"
            for what, old, new in (
                ("terms and leaders", self.terms, after.terms),
                ("prices", self.prices, after.prices),
            )
            if old != new
        ]
        return found if self.users == after.users else [*found, "users have changed"]


def read_facts(cluster: LiveCluster) -> ClusterFacts:
    """Return terms, leaders, prices and users as they are."""
    views = cluster.look().processes
    terms = {view.name: (view.status.term, view.status.leader) for view in views if view.status}
    client = CatalogClient.at(cluster.topology.catalog, cluster.secret, TIMEOUT_S)
    try:
        prices = {one.name: one.price for one in client.listing(0, ROWS_MAX).stocks}
    finally:
        client.close()
    path = cluster.data.database("dashboard")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        users = tuple(database.execute(text).fetchall() for text in _USERS)
    return ClusterFacts(terms, prices, users)
