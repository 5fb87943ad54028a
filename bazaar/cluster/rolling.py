"""
A rolling restart: one process after another, and no request fails.

How, and what it costs: docs/adr/0039.

Followers begin, then the leader, which hands its leadership over before it stops. While the catalog
restarts, trades wait with their keys, and front ends are told that it comes back. Of a front end
and of the dashboard only the workers are replaced: their main process has the socket of the port,
and each old worker ends when its successor serves.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.launch import MANAGED_ROLES
from bazaar.cluster.operations import Cluster
from bazaar.cluster.readiness import read_readiness
from bazaar.cluster.snapshot import ProcessView, Snapshot
from bazaar.core.failures import Failure, LeaderAlive
from bazaar.core.types import ReplicaId, Term
from bazaar.protocol.catalog_route import CatalogLink
from bazaar.protocol.clients import FrontEndClient, ReplicaClient
from bazaar.protocol.cluster_report import Health
from bazaar.protocol.statuses import CatalogStatus, ReplicaStatus
from bazaar.settings import env
from bazaar.topology import Address, Role

READY_TIMEOUT_S = 60.0
"""For the cluster to be healthy again after each process."""
HAND_OVER_TIMEOUT_S = 10.0
"""For a leader to be replaced; one that has just been elected is protected for a while."""
HAND_OVER_RETRY_S = 0.2
REPLACE_TIMEOUT_S = 75.0
"""For one worker to be replaced: its successor's start, and its own last requests."""
CALL_TIMEOUT_S = 3.0
AWAY_S = 30.0
"""
For how long front ends expect the catalog to be away, from each step on.

It is away while it is restarted; and it may be silent for a moment whenever another process starts.
"""
_ORDER_OF_ROLES = (Role.ORDER, Role.CATALOG)


class RollingRestart:
    """One restart of all processes of a cluster that its supervisor here has started."""

    def __init__(self, cluster: Cluster) -> None:
        """Take a cluster that runs."""
        self._cluster = cluster
        self._secret = env.read_secret(cluster.environ)

    def run(self) -> Iterator[str]:
        """
        Restart each process; yield a line for each step.

        Raises ClusterError: the cluster is not healthy, or a process does not come back. What comes
        after it is left alone.
        """
        self._cluster.supervisor.pid()  # raises ClusterDown
        snapshot = self._cluster.take_snapshot()
        if snapshot.health is not Health.HEALTHY:
            raise ClusterError(
                f"The cluster is {self._describe(snapshot)}. A rolling restart begins with a "
                "healthy one; `cluster restart ID` restarts a single process."
            )
        try:
            for view in sorted((one for one in snapshot.processes if one.is_ours), key=_place):
                self._announce(AWAY_S)  # to a worker that has just begun, too
                yield from self._restart_one(view)
        finally:
            self._announce(0)

    def _restart_one(self, view: ProcessView) -> Iterator[str]:
        if view.role is Role.ORDER:
            yield from self._restart_replica(view)
        elif view.role in MANAGED_ROLES:
            yield from self._replace(view)
        else:
            yield from self._restart(view)

    def _restart_replica(self, view: ProcessView) -> Iterator[str]:
        if self._cluster.view(view.name).is_leading:
            yield self._hand_over(view.name)
        yield from self._restart(view)

    def _restart(self, view: ProcessView) -> Iterator[str]:
        self._cluster.stop(view.name)
        self._cluster.start(view.name)
        self._await_healthy(view.name)
        yield f"{view.name} restarted (pid {self._cluster.view(view.name).pid})"

    def _replace(self, view: ProcessView) -> Iterator[str]:
        """Replace the workers of a process; its main process, with its pid, stays."""
        main = psutil.Process(view.pid)
        workers = main.children()
        os.kill(view.pid, signal.SIGHUP)
        if not wait_until(lambda: not any(map(_is_alive, workers)), REPLACE_TIMEOUT_S):
            raise ClusterError(
                f"The workers of {view.name} were not replaced within {REPLACE_TIMEOUT_S:g} s; "
                f"`manage.py cluster logs {view.name}` says why."
            )
        self._await_healthy(view.name)
        pids = ", ".join(str(worker.pid) for worker in main.children())
        yield f"{view.name} restarted (worker {pids})"

    def _hand_over(self, name: str) -> str:
        """Have an in-sync follower lead in the next term. Raises ClusterError."""
        last = "nobody is in sync with it"

        def try_once() -> bool:
            nonlocal last
            status = self._cluster.view(name).status
            if not isinstance(status, ReplicaStatus) or status.leader != status.id:
                return True  # it leads no more
            followers = [ReplicaId(one) for one in status.in_sync if one != status.id]
            if not followers:
                return len(self._cluster.topology.replicas) == 1
            try:
                self._elect(Term(status.term), max(followers))
            except Failure as failure:
                last = failure.message
                if not isinstance(failure, LeaderAlive):
                    clock.wait(HAND_OVER_RETRY_S)
                return False
            return True

        if not wait_until(try_once, HAND_OVER_TIMEOUT_S):
            raise ClusterError(f"{name} could not hand its leadership over: {last}")
        leader = self._cluster.take_snapshot().leader
        return f"{name} hands over to {leader.name if leader else 'nobody: it is the only replica'}"

    def _elect(self, term: Term, chosen: ReplicaId) -> None:
        """Claim the next term for a replica, and tell all of it. Raises Failure."""
        topology = self._cluster.topology
        catalog = CatalogLink(topology, self._secret).connect(CALL_TIMEOUT_S)
        with contextlib.closing(catalog):
            leadership = catalog.claim(term, chosen)
        for node in sorted(topology.replicas, key=lambda node: node.id != chosen):
            client = ReplicaClient.at(node, self._secret, CALL_TIMEOUT_S)
            with contextlib.closing(client):
                client.notice(leadership.term, chosen, CALL_TIMEOUT_S)

    def _announce(self, for_s: float) -> None:
        """Tell each process of a front end that the catalog is away; 0: it is back."""
        for address in self._list_holders():
            client = FrontEndClient.at_address(address, self._secret, CALL_TIMEOUT_S)
            with contextlib.closing(client), contextlib.suppress(Failure):
                client.expect_restart(for_s)  # one that is gone has nothing that waits

    def _list_holders(self) -> tuple[Address, ...]:
        """Return the control address of each process that holds a lease."""
        report = self._cluster.take_snapshot().report
        status = report.statuses[report.catalog] if report.catalog else None
        return status.holder_addresses if isinstance(status, CatalogStatus) else ()

    def _await_healthy(self, name: str) -> None:
        """Wait until all processes are ready and all replicas in sync. Raises ClusterError."""

        def is_healthy() -> bool:
            snapshot = self._cluster.take_snapshot()
            return snapshot.health is Health.HEALTHY and not self._find_reasons(snapshot)

        if not wait_until(is_healthy, READY_TIMEOUT_S):
            described = self._describe(self._cluster.take_snapshot())
            raise ClusterError(f"After the restart of {name} the cluster is {described}.")

    def _describe(self, snapshot: Snapshot) -> str:
        """Return how well the cluster is, and why it is not healthy, without the last dot."""
        reasons = self._find_reasons(snapshot) or " ".join(snapshot.report.reasons)
        return f"{snapshot.health}: {reasons}".rstrip(":. ")

    def _find_reasons(self, snapshot: Snapshot) -> str:
        """Return what processes say against being ready."""
        found = []
        for view in snapshot.processes:
            readiness = read_readiness(view.node)
            if not readiness.is_ready:
                reasons = " ".join(readiness.reasons) or f"it does not answer ({view.state})"
                found.append(f"{view.name}: {reasons.rstrip('.')}")
        return "; ".join(found)


def _place(view: ProcessView) -> tuple[int, bool]:
    """Return when a process has its turn: replicas, the leader last; catalog; what is managed."""
    roles = [*_ORDER_OF_ROLES, view.role]
    return roles.index(view.role), view.is_leading


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
