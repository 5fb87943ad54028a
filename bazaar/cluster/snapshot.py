"""
Snapshots of a cluster: what the supervisor and every process report.

A process that the supervisor of this data folder has not started, on this host or another one, is
asked at its control port like any other. A snapshot is plain facts; health and events follow from
it without any process or clock.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum

import psutil

from bazaar.cluster import hosts
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterDown, ClusterSilent
from bazaar.cluster.readiness import read_readiness
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
    """0 unless it is up; only of a process of our supervisor, which may get signals."""
    up_since_s: float | None = None
    """Seconds since 1970."""
    exit_status: int = 0
    """The last one; -1 when a signal ended the process."""
    status: Status | None = None
    is_ours: bool = True
    """Whether the supervisor of this data folder has started it."""
    silence: str = ""
    """Why there is no status of a process that was asked."""

    @property
    def role(self) -> Role:
        """Its role."""
        return role_of(self.name)

    @property
    def is_up(self) -> bool:
        """Whether it is a process of our supervisor that exists."""
        return self.is_ours and self.state in (ProcessState.RUNNING, ProcessState.PAUSED)

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
        reporting = [one for one in self.processes if one.role is not Role.DASHBOARD]
        return ClusterReport(
            {one.name: one.status for one in reporting},
            {one.name: one.node.host for one in reporting},
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
        if self.silence:
            return Health.SILENT
        if not self.is_supervised and not any(process.status for process in self.processes):
            return Health.DOWN
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
        env.begin_tls(self.topology, data.root)
        self.environ = cluster_environment(data, environ)
        self.part = hosts.read_part(data, self.topology)
        """The processes that this host runs; the others are asked only."""
        self.supervisor = Supervisor(data)
        secret = env.read_secret(self.environ)
        self._clients: dict[str, RoleClient] = {
            name: CLIENTS[role_of(name)].at(node, secret, STATUS_TIMEOUT_S)
            for name, node in self.nodes.items()
            if role_of(name) in CLIENTS
        }

    def take_snapshot(self) -> Snapshot:
        """Return how all processes are now; without a supervisor, those that answer."""
        silence, is_supervised = "", True
        try:
            infos = self.supervisor.processes()
        except ClusterDown as down:
            infos, is_supervised = {}, False
            silence = str(down) if isinstance(down, ClusterSilent) else ""
        absent = ProcessState.UNKNOWN if silence else ProcessState.STOPPED
        taken: dict[str, ProcessView] = {}
        # The catalog comes last: at one moment no log is ahead of the ledger.
        catalog = [name for name in self.nodes if role_of(name) is Role.CATALOG]
        with ThreadPoolExecutor(max_workers=THREADS_MAX) as pool:
            for names in ([name for name in self.nodes if name not in catalog], catalog):
                found = pool.map(lambda name: self._view(name, infos.get(name), absent), names)
                taken.update(zip(names, found, strict=True))
        views = [taken[name] for name in self.nodes]
        if not is_supervised and not any(view.status for view in views):
            # What answers at the dashboard's port is another cluster's: nothing there is signed.
            views = [replace(one, state=absent) if not one.silence else one for one in views]
        return Snapshot(tuple(views), is_supervised, silence)

    def view(self, name: str) -> ProcessView:
        """Return how one process is now. Raises ClusterDown."""
        return self._view(name, self.supervisor.processes().get(name))

    def find(self, name: str) -> ProcessView:
        """Return how one process is now, with a supervisor or without."""
        try:
            return self.view(name)
        except ClusterDown:
            return self._view(name, None)

    def close(self) -> None:
        """Close the connections; the next snapshot opens new ones."""
        for client in self._clients.values():
            client.close()

    def _view(
        self, name: str, info: ProcessInfo | None, absent: ProcessState = ProcessState.STOPPED
    ) -> ProcessView:
        """Return one process; absent: the state of one of ours of which nothing is known."""
        node = self.nodes[name]
        if info is None:
            return self._ask_elsewhere(ProcessView(name, node, absent))
        if not info.is_up:
            state = ProcessState(_STATES.get(info.statename, "exited"))
            found = ProcessView(name, node, state, exit_status=info.exitstatus)
            return found if state is ProcessState.STOPPING else self._ask_elsewhere(found)
        try:
            process = psutil.Process(info.pid)
            system, up_since_s = process.status(), process.create_time()
        except psutil.NoSuchProcess:
            return ProcessView(name, node, ProcessState.EXITED, exit_status=-1)
        if system in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return ProcessView(name, node, ProcessState.EXITED, exit_status=-1)
        if system == psutil.STATUS_STOPPED:
            return ProcessView(name, node, ProcessState.PAUSED, info.pid, up_since_s)
        status, silence = self._read_status(name)
        return ProcessView(
            name, node, ProcessState.RUNNING, info.pid, up_since_s, status=status, silence=silence
        )

    def _ask_elsewhere(self, ours: ProcessView) -> ProcessView:
        """Return a process that something else may have started; ours: if nobody has."""
        if ours.role is Role.DASHBOARD:
            answers, status = read_readiness(ours.node, STATUS_TIMEOUT_S).has_answered, None
            silence, since_s = "" if answers else f"{ours.node.url} did not answer", None
        else:
            status, silence = self._read_status(ours.name)
            answers, since_s = status is not None, status.up_since_s if status else None
        if answers:
            running = ProcessState.RUNNING
            return replace(ours, state=running, up_since_s=since_s, status=status, is_ours=False)
        if ours.name in self.part:
            return ours
        return replace(ours, state=ProcessState.UNKNOWN, is_ours=False, silence=silence)

    def _read_status(self, name: str) -> tuple[Status | None, str]:
        """Return the status of a process, or why there is none."""
        client = self._clients.get(name)
        try:
            return (client.status(), "") if client else (None, "")
        except Failure as failure:
            return None, failure.message
