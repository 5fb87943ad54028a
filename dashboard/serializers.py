"""The dashboard's snapshot, for the page and for programs."""

from typing import Any

from bazaar.protocol.statuses import ReplicaStatus
from dashboard.findings import Finding
from dashboard.selectors import Snapshot


def show_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return the cluster as plain values."""
    return {
        "leader": snapshot.leader,
        "term": snapshot.term,
        "last": snapshot.last,
        "roles": [_show_role(finding) for finding in snapshot.findings],
        "replicas": [_show_replica(snapshot, finding) for finding in snapshot.replicas],
        "front_ends": snapshot.front_ends,
    }


def _show_role(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "address": f"{finding.node.host}:{finding.node.port}",
        "is_up": finding.status is not None,
        "pid": finding.status.pid if finding.status else None,
        "reason": finding.reason,
    }


def _show_replica(snapshot: Snapshot, finding: Finding) -> dict[str, Any]:
    status = finding.status if isinstance(finding.status, ReplicaStatus) else None
    return {
        "name": finding.name,
        "id": finding.node.id,
        "is_leader": finding.node.id == snapshot.leader,
        "standing": status.standing if status else "no answer",
        "term": status.term if status else None,
        "last": status.last if status else None,
        "lag_orders": snapshot.lag_of(finding),
        "lag_ms": status.lag_ms if status else None,
        "digest": status.digest[:12] if status else "",
    }
