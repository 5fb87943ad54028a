"""
Snapshots of a cluster: what the supervisor and every process report.

A snapshot is plain facts; health and events follow from it without any process or clock.
"""

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import psutil

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterDown, ClusterSilent
from bazaar.cluster.supervisor import ProcessInfo, Supervisor
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.core.failures import Failure
from bazaar.core.replica import ReplicaState
from bazaar.protocol.clients import CLIENTS, RoleClient
from bazaar.protocol.cluster_report import STATUS_TIMEOUT_S, ClusterReport, Health
from bazaar.protocol.statuses import ReplicaStatus, Status
from bazaar.settings import env
from bazaar.topology import Node, Role, role_of

THREADS_MAX = 16
_STATES = {"STOPPED": "stopped", "STOPPING": "stopping", "FATAL": "fatal", "UNKNOWN": "fatal"}


class ProcessState(StrEnum):
    """What a process does, as the operating system sees it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    EXITED = "exited"
    FATAL = "fatal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process; `status` is None when it did not answer."""

    name: str
    node: Node
    state: ProcessState = ProcessState.STOPPED
    pid: int = 0
    """0 unless it is up."""
    up_since_s: float | None = None
    """Seconds since 1970."""
    exit_status: int = 0
    """The last one; -1 when a signal ended the process."""
    status: Status | None = None

    @property
    def role(self) -> Role:
        """Its role."""
        return role_of(self.name)

    @property
    def is_up(self) -> bool:
        """Whether the process exists."""
        return self.state in (ProcessState.RUNNING, ProcessState.PAUSED)

    @property
    def is_leading(self) -> bool:
        """Whether its status is that it leads."""
        return isinstance(self.status, ReplicaStatus) and self.status.state == ReplicaState.LEADING

    @property
    def is_corrupt(self) -> bool:
        """Whether it stays out because its log is damaged."""
        return isinstance(self.status, ReplicaStatus) and self.status.state == ReplicaState.CORRUPT

    @property
    def is_well(self) -> bool:
        """Whether it runs and serves; the dashboard sends no status."""
        if self.role is Role.DASHBOARD:
            return self.state is ProcessState.RUNNING
        return self.status is not None and self.status.is_ready


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All processes at one moment, in the order of `Topology.nodes`."""

    processes: tuple[ProcessView, ...]
    is_supervised: bool = True
    silence: str = ""
    """Why the supervisor, which runs, cannot be asked."""

    @property
    def replicas(self) -> tuple[ProcessView, ...]:
        """The order replicas."""
        return tuple(process for process in self.processes if process.role is Role.ORDER)

    @property
    def report(self) -> ClusterReport:
        """What the processes report; the dashboard sends no status."""
        return ClusterReport(
            {one.name: one.status for one in self.processes if one.role is not Role.DASHBOARD}
        )

    @property
    def leader(self) -> ProcessView | None:
        """The replica that leads in the newest term; None while a newer term is known."""
        name = self.report.leader
        return next((one for one in self.replicas if one.name == name), None)

    @property
    def term(self) -> int:
        """The newest term that any process knows."""
        return self.report.term

    @property
    def in_sync(self) -> tuple[int, ...]:
        """The ids of the replicas that are in sync with the leader, itself among them."""
        return self.report.in_sync

    @property
    def health(self) -> Health:
        """The health: healthy only when every process is well and every replica in sync."""
        if not self.is_supervised:
            return Health.SILENT if self.silence else Health.DOWN
        health = self.report.health
        if health is Health.HEALTHY and not all(process.is_well for process in self.processes):
            return Health.DEGRADED  # the dashboard is down, or paused
        return health


class Observer:
    """Takes snapshots of the cluster of a data folder; keeps connections open."""

    def __init__(self, data: DataDir, environ: Mapping[str, str]) -> None:
        """Read its files. Raises ClusterError, SettingsError: missing or unusable ones."""
        self.data = data
        self.topology = data.read_topology()
        self.nodes = dict(self.topology.nodes())
        self.environ = cluster_environment(data, environ)
        self.supervisor = Supervisor(data)
        secret = env.read_secret(self.environ)
        self._clients: dict[str, RoleClient] = {
            name: CLIENTS[role_of(name)].at(node, secret, STATUS_TIMEOUT_S)
            for name, node in self.nodes.items()
            if role_of(name) in CLIENTS
        }

    def take_snapshot(self) -> Snapshot:
        """Return how all processes are now; without a supervisor everything is stopped."""
        try:
            infos = self.supervisor.processes()
        except ClusterDown as down:
            silence = str(down) if isinstance(down, ClusterSilent) else ""
            state = ProcessState.UNKNOWN if silence else ProcessState.STOPPED
            views = tuple(ProcessView(name, node, state) for name, node in self.nodes.items())
            return Snapshot(views, is_supervised=False, silence=silence)
        taken: dict[str, ProcessView] = {}
        # The catalog comes last: at one moment no log is ahead of the ledger.
        catalog = [name for name in self.nodes if role_of(name) is Role.CATALOG]
        with ThreadPoolExecutor(max_workers=THREADS_MAX) as pool:
            for names in ([name for name in self.nodes if name not in catalog], catalog):
                found = pool.map(lambda name: self._view(name, infos.get(name)), names)
                taken.update(zip(names, found, strict=True))
        return Snapshot(tuple(taken[name] for name in self.nodes))

    def view(self, name: str) -> ProcessView:
        """Return how one process is now. Raises ClusterDown."""
        return self._view(name, self.supervisor.processes().get(name))

    def close(self) -> None:
        """Close the connections; the next snapshot opens new ones."""
        for client in self._clients.values():
            client.close()

    def _view(self, name: str, info: ProcessInfo | None) -> ProcessView:
        node = self.nodes[name]
        if info is None:
            return ProcessView(name, node)
        if not info.is_up:
            state = ProcessState(_STATES.get(info.statename, "exited"))
            return ProcessView(name, node, state, exit_status=info.exitstatus)
        try:
            process = psutil.Process(info.pid)
            system, up_since_s = process.status(), process.create_time()
        except psutil.NoSuchProcess:
            return ProcessView(name, node, ProcessState.EXITED, exit_status=-1)
        if system in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return ProcessView(name, node, ProcessState.EXITED, exit_status=-1)
        if system == psutil.STATUS_STOPPED:
            return ProcessView(name, node, ProcessState.PAUSED, info.pid, up_since_s)
        status = self._read_status(name)
        return ProcessView(name, node, ProcessState.RUNNING, info.pid, up_since_s, status=status)

    def _read_status(self, name: str) -> Status | None:
        client = self._clients.get(name)
        with contextlib.suppress(Failure):
            return client.status() if client else None
        return None
