"""
What the roles count already, in the format of Prometheus.

Nothing is measured here: a scrape reads the meters, histograms and statuses that there are. What
there may be is listed in `bazaar.runtime.metric_families`. `prometheus_text` writes it down.
"""

import threading
from collections.abc import Callable

from bazaar.core.histogram import Histogram
from bazaar.protocol.statuses import ReplicaStatus, Status
from bazaar.runtime.database import has_database, wal_bytes
from bazaar.runtime.health import HealthCheck, are_ok
from bazaar.runtime.metric_families import FAMILY_BY_NAME
from bazaar.runtime.metrics import commits, events, open_ports, operations

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Value = float | Histogram


class MetricPage:
    """The values of one scrape."""

    def __init__(self) -> None:
        self.values: dict[str, list[tuple[tuple[str, ...], Value]]] = {}

    def add(self, name: str, value: Value | None, *labels: str) -> None:
        """Add one value of a metric in FAMILIES; None is left out."""
        family = FAMILY_BY_NAME[name]
        assert len(labels) == len(family.labels), f"{name} has labels {family.labels}"
        if value is not None:
            found = value if isinstance(value, Histogram) else float(value)
            self.values.setdefault(name, []).append((labels, found))


ReadMetrics = Callable[[MetricPage], None]
"""Adds what a role has to tell."""


def add_process(page: MetricPage, checks: tuple[HealthCheck, ...], *told: str) -> None:
    """Add what every process has. told: role and name."""
    page.add("bazaar_info", 1, *told)
    page.add("bazaar_ready", are_ok(checks))
    for check in checks:
        page.add("bazaar_check_ok", check.is_ok, check.name)
    for meter in operations.list_meters():
        labels = _split_name(meter.name)
        page.add("bazaar_request_duration_seconds", meter.histogram, *labels)
        page.add("bazaar_requests_refused_total", meter.refused, *labels)
        page.add("bazaar_requests_failed_total", meter.failed, *labels)
    for reason, count in events.count_refusals().items():
        page.add("bazaar_refusals_total", count, reason)
    page.add("bazaar_threads", threading.active_count())
    for port, count_connections in open_ports.items():
        page.add("bazaar_open_connections", count_connections(), port)


def add_status(page: MetricPage, status: Status) -> None:
    """Add what every role but the dashboard has in its status."""
    page.add("bazaar_term", status.term)
    page.add("bazaar_leader", status.leader or 0)
    if not has_database():
        return
    page.add("bazaar_last_order", status.last)
    page.add("bazaar_position", status.position)
    page.add("bazaar_commit_duration_seconds", commits)
    if status.database_bytes is not None:  # it is a file
        log_bytes = wal_bytes()
        page.add("bazaar_database_bytes", status.database_bytes - log_bytes)
        page.add("bazaar_wal_bytes", log_bytes)


def add_replica(page: MetricPage, status: ReplicaStatus) -> None:
    """Add what a replica has in its status."""
    page.add("bazaar_leading", status.state == "leading")
    page.add("bazaar_in_sync_replicas", len(status.in_sync))
    for follower in status.followers:
        page.add("bazaar_follower_in_sync", follower.is_in_sync, str(follower.replica_id))
    page.add("bazaar_lag_orders", status.lag_orders)
    page.add("bazaar_lag_seconds", status.lag_ms / 1000)
    page.add("bazaar_reaches_catalog", status.reaches_catalog)


def _split_name(name: str) -> tuple[str, str, str]:
    """Return method, path and result of the name of a meter."""
    method, _, rest = name.partition(" ")
    path, _, result = rest.partition(" ")
    return (method, path, result) if path else ("", method, "")
