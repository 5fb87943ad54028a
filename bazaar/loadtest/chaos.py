"""
Inject faults into a running cluster, one after the other, and heal each.

`faults` decides; here it is done, by a thread of its own: injection, let the fault last, heal, wait
until all is well, and so on until `stop`. However it ends, whatever was affected is healed first:
resumed when it is paused, started when it is dead. A new fault never begins before the last one is
healed, so a slow machine sees fewer faults, not several at once.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.operations import Cluster
from bazaar.cluster.snapshot import Snapshot
from bazaar.cluster.starting import READY_TIMEOUT_S, START_TIMEOUT_S, StartFailed
from bazaar.loadtest.faults import (
    Fault,
    FaultInjection,
    FaultSchedule,
    check_possible,
    parse_faults,
)
from bazaar.proof.records import ELECTED, Mark
from bazaar.protocol.cluster_report import Health
from bazaar.topology import Topology

INTERVAL_S_MIN = 1.0
INTERVAL_S_MAX = 3600.0
OUTAGE_S_MAX = 5.0
"""How long a fault lasts at most; less when half of the interval is less."""
LOOK_S = 0.2
"""Between two looks at a cluster that is affected: as exact as the marks of elections are."""
HEAL_TIMEOUT_S = 30.0
"""For everything to be well again once all processes run."""
STAGES = 3
"""Processes are started in so many stages, each with its timeouts (`starting.stages`)."""
STOP_TIMEOUT_S = STAGES * (READY_TIMEOUT_S + START_TIMEOUT_S) + HEAL_TIMEOUT_S
"""For `stop`: healing has its own limits, and this is their sum."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class ClusterActions(Protocol):
    """What fault injection needs of a cluster; `Cluster` has it."""

    def take_snapshot(self) -> Snapshot:
        """Return how it is now."""

    def kill(self, wanted: str, signal_name: str) -> str:
        """Send a signal to a process; raise ClusterError when it does not run."""

    def mend(self, names: Collection[str]) -> list[StartFailed]:
        """Resume and start processes; return what could not be started."""

    def close(self) -> None:
        """End the connections that all this has opened."""


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """The faults of a run, how often they come, and their seed."""

    faults: tuple[Fault, ...]
    interval_s: float
    """From one fault to the next; more when healing takes longer."""
    seed: int = 0

    @property
    def outage_s(self) -> float:
        """How long each fault lasts before it is healed, in s."""
        return min(self.interval_s / 2, OUTAGE_S_MAX)

    @property
    def rest_s(self) -> float:
        """How long the cluster is healthy, at least, before the next fault, in s."""
        return self.interval_s / 4


def read_plan(faults: str, interval_s: float, seed: int) -> ChaosPlan:
    """Return the plan for what a command was given. Raises ClusterError."""
    if not INTERVAL_S_MIN <= interval_s <= INTERVAL_S_MAX:
        raise ClusterError(
            f"--chaos-interval must be from {INTERVAL_S_MIN:g} to {INTERVAL_S_MAX:g} s, "
            f"not {interval_s:g}."
        )
    return ChaosPlan(parse_faults(faults), interval_s, seed)


def open_chaos(
    plan: ChaosPlan, data: DataDir, environ: Mapping[str, str], urls: Iterable[str]
) -> "Chaos":
    """
    Return fault injection for the cluster that `urls` lead to.

    Raises ClusterError: there is none, it does not run here, or the load goes elsewhere.
    """
    try:
        cluster = Cluster(data, environ)
    except ClusterError as error:
        raise ClusterError(f"--chaos needs a cluster of this machine. {error}") from error
    if not cluster.supervisor.is_running():
        raise ClusterError(
            f"--chaos needs a cluster of this machine, and the one of {data.root} is not running."
        )
    check_possible(plan.faults, len(cluster.topology.replicas))
    for url in urls:
        if not is_front_end(url, cluster.topology):
            raise ClusterError(
                f"--chaos would inject faults into the cluster of {data.root}, but {url} is none "
                "of its front ends."
            )
    return Chaos(cluster, plan)


def is_front_end(url: str, topology: Topology) -> bool:
    """Tell whether a URL leads to a front end of a cluster."""
    parts = urlsplit(url)
    wanted = _host(parts.hostname or ""), parts.port
    return wanted in [(_host(node.host), node.port) for node in topology.front_ends]


def _host(name: str) -> str:
    return "localhost" if name in _LOCAL else name.lower()


class Chaos:
    """Faults on one cluster between `start` and `stop`, reported as marks."""

    def __init__(
        self, actions: ClusterActions, plan: ChaosPlan, heal_timeout_s: float = HEAL_TIMEOUT_S
    ) -> None:
        """heal_timeout_s: for all to be well again once everything runs."""
        self._actions, self._plan, self._heal_timeout_s = actions, plan, heal_timeout_s
        self._choice = FaultSchedule(plan.faults, plan.seed)
        self._is_ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._leadership: tuple[str, int] | None = None
        self._look_s = min(LOOK_S, plan.outage_s)
        self.failures: list[str] = []
        """What could not be affected or healed, a sentence each."""

    def start(self, now_s: Callable[[], float], on_mark: Callable[[Mark], None]) -> None:
        """
        Begin; the first fault comes after one interval.

        now_s: seconds since the run began. on_mark: called from another thread.
        """
        self._now_s, self._on_mark = now_s, on_mark
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self._thread.start()

    def stop(self) -> list[str]:
        """Heal everything, end, and return what went wrong; safe to repeat."""
        self._is_ending.set()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
            if self._thread.is_alive():
                return [*self.failures, f"Healing took longer than {STOP_TIMEOUT_S:g} s."]
        self._actions.close()
        return self.failures

    def _run(self) -> None:
        due_s = self._now_s() + self._plan.interval_s
        while not self._is_ending.wait(max(0.0, due_s - self._now_s())):
            before = self._actions.take_snapshot()
            injection = self._choice.next(before)
            if injection is not None:
                self._inject(injection, before)
            due_s = max(due_s + self._plan.interval_s, self._now_s() + self._plan.rest_s)

    def _inject(self, injection: FaultInjection, before: Snapshot) -> None:
        """Inject one fault and wait until the cluster is healthy again."""
        self._leadership = _leadership(before)
        self._mark(injection.fault, injection.target, before.term)
        try:
            self._signal(injection)
            self._last(self._plan.outage_s)
        finally:
            is_healed = self._heal(injection.names)
            self._mark("healed" if is_healed else "not healed", injection.target, self._look().term)

    def _signal(self, injection: FaultInjection) -> None:
        for name in injection.names:
            try:
                self._actions.kill(name, injection.fault.signal_name)
            except (ClusterError, OSError) as error:  # it ended by itself, or is not ours
                self.failures.append(f"{injection.fault} of {name}: {error}")

    def _last(self, outage_s: float) -> None:
        """Let a fault last, unless the run ends, and mark elections meanwhile."""
        until_s = self._now_s() + outage_s
        while self._now_s() < until_s and not self._is_ending.wait(self._look_s):
            self._look()

    def _heal(self, names: tuple[str, ...]) -> bool:
        """Resume and start the affected processes; return whether all is well."""
        try:
            failed = self._actions.mend(names)
        except (ClusterError, OSError) as error:
            self.failures.append(f"{', '.join(names)} cannot be healed: {error}")
            return False
        self.failures += map(str, failed)
        if not wait_until(
            lambda: is_healed(names, self._look()), self._heal_timeout_s, lambda _: self._pause()
        ):
            self.failures.append(f"{', '.join(names)}: not well after {self._heal_timeout_s:g} s.")
            return False
        return not failed

    def _pause(self) -> None:
        clock.wait(self._look_s)

    def _look(self) -> Snapshot:
        """Look at the cluster, and mark a new leader."""
        snapshot = self._actions.take_snapshot()
        leadership = _leadership(snapshot)
        if leadership is not None and leadership != self._leadership:
            self._leadership = leadership
            self._mark(ELECTED, *leadership)
        return snapshot

    def _mark(self, what: str, target: str, term: int) -> None:
        self._on_mark(Mark(at_s=self._now_s(), what=what, target=target, term=term))


def is_healed(names: Collection[str], snapshot: Snapshot) -> bool:
    """Tell whether a cluster is healthy, but for processes not affected."""
    if snapshot.health is Health.HEALTHY:
        return True
    ill = [view.name for view in snapshot.processes if not view.is_well]
    return snapshot.leader is not None and bool(ill) and not any(name in names for name in ill)


def _leadership(snapshot: Snapshot) -> tuple[str, int] | None:
    return (snapshot.leader.name, snapshot.term) if snapshot.leader else None
