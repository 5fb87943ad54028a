"""
What the processes of a cluster report at one moment, and how well it is.

`manage.py cluster status` and the dashboard both judge by this, so they say the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bazaar.core.activity import ActivityState
from bazaar.core.replica import ReplicaState
from bazaar.protocol.statuses import CatalogStatus, ReplicaStatus, Status
from bazaar.topology import Role, role_of

_HAS_EPOCH = (ActivityState.TAKING_OVER, ActivityState.ACTIVE)
STATUS_TIMEOUT_S = 0.5
"""For a process to send its status; then it counts as one that does not answer."""


class Health(StrEnum):
    """How well a cluster is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NO_LEADER = "no leader"
    DOWN = "down"
    SILENT = "running, cannot be asked"


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """The statuses of all processes that have one; the catalog is to be asked last."""

    statuses: Mapping[str, Status | None]
    """By the name of the process; None: it did not answer."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The host of each process, where they are known."""

    @property
    def term(self) -> int:
        """The newest term that any process knows."""
        return max((status.term for status in self.statuses.values() if status), default=0)

    @property
    def leader(self) -> str | None:
        """The replica that leads in the newest term; None while a newer term is known."""
        leading = {
            name: status.term
            for name, status in self.statuses.items()
            if isinstance(status, ReplicaStatus) and status.state == ReplicaState.LEADING
        }
        newest = max(leading, key=lambda name: leading[name], default=None)
        return None if newest is None or leading[newest] < self.term else newest

    @property
    def in_sync(self) -> tuple[int, ...]:
        """The ids of the replicas that are in sync with the leader, itself among them."""
        status = self.statuses[self.leader] if self.leader else None
        return status.in_sync if isinstance(status, ReplicaStatus) else ()

    @property
    def catalog(self) -> str | None:
        """The catalog that is active in the newest epoch; None: none that answers is."""
        active = {
            name: status.epoch
            for name, status in self.statuses.items()
            if isinstance(status, CatalogStatus) and status.activity in _HAS_EPOCH
        }
        return max(active, key=lambda name: active[name], default=None)

    @property
    def disagreement(self) -> str:
        """What a replica knows and the catalog does not, or why that decides nothing yet."""
        catalog = self.statuses[self.catalog] if self.catalog else None
        if not isinstance(catalog, CatalogStatus):
            standbys = [one for one in self.statuses.values() if isinstance(one, CatalogStatus)]
            return "no catalog is active" if standbys else ""
        if catalog.not_deciding:
            return catalog.not_deciding
        for name, status in self._list_replicas():
            if status and status.position > catalog.position:
                return f"{name} has entries that the ledger lacks; restart the catalog"
            if status and status.term > catalog.term:
                return f"{name} knows term {status.term}, the catalog {catalog.term}"
        return ""

    @property
    def silent_hosts(self) -> dict[str, list[str]]:
        """The hosts of which no process answered, and those; none if all are on one host."""
        found: dict[str, list[str]] = {}
        for name, host in self.hosts.items():
            found.setdefault(host, []).append(name)
        if len(found) == 1:
            return {}
        statuses = self.statuses
        return {one: names for one, names in found.items() if not any(map(statuses.get, names))}

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is not well, a sentence each; empty: the cluster is healthy."""
        return tuple(self._list_reasons())

    @property
    def health(self) -> Health:
        """The health: healthy only when every process is well and every replica in sync."""
        if self.leader is None:
            return Health.NO_LEADER
        return Health.DEGRADED if self.reasons else Health.HEALTHY

    def _list_replicas(self) -> Iterator[tuple[str, Status | None]]:
        return ((name, one) for name, one in self.statuses.items() if role_of(name) is Role.ORDER)

    def _list_reasons(self) -> Iterator[str]:
        leader, in_sync = self.leader, self.in_sync
        if leader is None:
            yield "Trades wait until a replica leads."
        silent_hosts = self.silent_hosts
        for host, names in silent_hosts.items():
            yield f"Nothing answers on the host {host} ({', '.join(names)})."
        for name, status in self.statuses.items():
            if status is None and self.hosts.get(name) in silent_hosts:
                continue
            if status is None:
                yield f"{name} does not answer."
            elif not status.is_ready:
                yield f"{name} is not ready{_say_state(status)}."
            elif leader and role_of(name) is Role.ORDER and _read_number(name) not in in_sync:
                yield f"{name} is not in sync: trades do not wait for its copy."
        if disagreement := self.disagreement:
            yield f"{disagreement.rstrip('.')}."


def describe_health(health: Health, report: ClusterReport) -> str:
    """Return health, leader and term in one line."""
    return f"{health.value}: {describe_leader(report)}"


def describe_leader(report: ClusterReport) -> str:
    """Return who leads, and the term."""
    return f"{report.leader or 'nobody'} leads, term {report.term}"


def _say_state(status: Status) -> str:
    return f" ({status.state})" if isinstance(status, ReplicaStatus) else ""


def _read_number(name: str) -> int:
    """Return the number in the name of a process."""
    return int(name.rpartition("-")[2])
