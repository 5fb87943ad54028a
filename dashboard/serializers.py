"""What each panel shows, as plain values: the page and its JSON have the same."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bazaar.protocol.rows import Row
from bazaar.protocol.statuses import FrontEndStatus, ReplicaStatus, Status
from dashboard.feed import Happening
from dashboard.findings import Finding
from dashboard.history import Pace, Point
from dashboard.lookup import Copy, Found
from dashboard.models import Deed, Event
from dashboard.snapshot import Snapshot

DIGEST_CHARS = 12


def show_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return the cluster."""
    return {
        "at_s": snapshot.at_s,
        "leader": snapshot.leader,
        "term": snapshot.term,
        "last": snapshot.last,
        "in_sync": sorted(snapshot.in_sync),
        "roles": [_show_role(finding) for finding in snapshot.findings],
        "replicas": [_show_replica(snapshot, finding) for finding in snapshot.replicas],
        "front_ends": snapshot.front_ends,
        "reach": _show_reach(snapshot),
    }


def _show_role(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "role": finding.role,
        "address": f"{finding.node.host}:{finding.node.port}",
        "is_up": finding.status is not None,
        "pid": finding.status.pid if finding.status else None,
        "term": finding.status.term if finding.status else None,
        "reason": finding.reason,
        "database_bytes": finding.status.database_bytes if finding.status else None,
    }


def _show_replica(snapshot: Snapshot, finding: Finding) -> dict[str, Any]:
    status = finding.status if isinstance(finding.status, ReplicaStatus) else None
    leading = snapshot.leading
    is_level = bool(status and leading and status.last == leading.last)
    return {
        "name": finding.name,
        "id": finding.node.id,
        "is_leader": finding.node.id == snapshot.leader,
        "is_in_sync": finding.node.id in snapshot.in_sync,
        "state": status.state if status else "no answer",
        "term": status.term if status else None,
        "last": status.last if status else None,
        "lag_orders": snapshot.lag_of(finding),
        "lag_ms": status.lag_ms if status else None,
        "database_bytes": status.database_bytes if status else None,
        "digest": status.digest[:DIGEST_CHARS] if status else "",
        # Digests can be compared at one length only (I8).
        "is_same": status.digest == leading.digest if status and leading and is_level else None,
    }


def _show_reach(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return who says of whom that it is in reach."""
    ways = [way for finding in snapshot.findings for way in _ways(finding.name, finding.status)]
    leading = snapshot.leading
    followers = leading.followers if leading else ()
    to_followers = [
        {
            **_way(f"order-{snapshot.leader}", f"order-{follower.replica_id}"),
            "is_reachable": follower.is_reachable,
            "is_in_sync": follower.is_in_sync,
        }
        for follower in followers
    ]
    return ways + to_followers


def _ways(name: str, status: Status | None) -> Iterator[dict[str, Any]]:
    if isinstance(status, FrontEndStatus):
        yield {**_way(name, "catalog"), "is_reachable": status.lease_left_s > 0}
        if status.leader is not None:
            yield {**_way(name, f"order-{status.leader}"), "is_reachable": status.silences == 0}
    elif isinstance(status, ReplicaStatus):
        yield {**_way(name, "catalog"), "is_reachable": status.reaches_catalog}


def _way(start: str, end: str) -> dict[str, Any]:
    """Return a way; whether one is in sync is asked of followers only."""
    return {"of": start, "to": end, "is_in_sync": None}


def show_caches(snapshot: Snapshot) -> dict[str, Any]:
    """Return what every front end has in memory."""
    return {"at_s": snapshot.at_s, "caches": [_show_cache(one) for one in snapshot.front_ends]}


def _show_cache(status: FrontEndStatus) -> dict[str, Any]:
    asked = status.hits + status.misses
    return {
        "id": status.id,
        "pid": status.pid,
        "hits": status.hits,
        "misses": status.misses,
        "hit_percent": round(100 * status.hits / asked, 1) if asked else None,
        "evictions": status.evictions,
        "lease_left_s": round(status.lease_left_s, 1),
        "count": status.cached_count,
        "stocks": status.cached,
    }


def show_row(row: Row) -> dict[str, Any]:
    """Return one order."""
    return {
        "order_no": row.order_no,
        "stock_name": row.stock_name,
        "trade_type": row.trade_type,
        "quantity": row.quantity,
        "key": row.key,
        "digest": row.digest[:DIGEST_CHARS],
        "term": row.term,
        "version": row.version,
    }


def show_found(found: Found) -> dict[str, Any]:
    """Return a page of orders."""
    return {
        "source": found.source,
        "rows": [show_row(row) for row in found.rows],
        "first": found.first,
        # Where the next page begins; None when everything was looked at.
        "next": found.first if found.first > 1 else None,
    }


def show_copy(copy: Copy) -> dict[str, Any]:
    """Return one order in one database."""
    row = show_row(copy.row) if copy.row else None
    return {"name": copy.name, "reason": copy.reason, "row": row}


def show_events(events: Sequence[Event], deeds: Sequence[Deed]) -> dict[str, Any]:
    """Return what happened and what was done, the newest first."""
    told = [
        {"at": one.at, "source": one.source, "phrase": one.phrase, "text": one.text}
        for one in events
    ]
    done = [
        {
            "at": one.at,
            "source": one.username,
            "phrase": one.action,
            "text": f"{one.target}: {one.result}",
        }
        for one in deeds
    ]
    return {"events": sorted([*told, *done], key=lambda one: one["at"], reverse=True)}


def show_happenings(happenings: Sequence[Happening]) -> list[dict[str, Any]]:
    """Return what happened, each with its time."""
    return [
        {
            "at": datetime.fromtimestamp(one.at_s, UTC),
            "source": one.source,
            "phrase": one.phrase,
            "text": one.text,
        }
        for one in happenings
    ]


def show_traffic(points: Sequence[Point], latest: Sequence[Happening]) -> dict[str, Any]:
    """Return what the front ends did each second, and what happened meanwhile."""
    return {"points": [_show_point(point) for point in points], "marks": show_marks(latest, points)}


def show_marks(latest: Sequence[Happening], points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return what happened since the first of these points."""
    begin_s = points[0].at_s if points else 0.0
    return [
        {
            "at_s": one.at_s,
            "at": datetime.fromtimestamp(one.at_s, UTC),
            "text": f"{one.source}: {one.phrase} {one.text}",
        }
        for one in latest
        if one.at_s >= begin_s and one.phrase != "refused"
    ]


def _show_point(point: Point) -> dict[str, Any]:
    return {
        "at_s": point.at_s,
        "term": point.term,
        "leader": point.leader,
        "up": point.up,
        "hit_percent": None if point.hit_ratio is None else round(100 * point.hit_ratio, 1),
        "lag": max((lag.orders for lag in point.lags.values()), default=0),
        **_show_pace("trades", point.trades),
        **_show_pace("reads", point.reads),
    }


def _show_pace(name: str, pace: Pace) -> dict[str, float | None]:
    """Return a pace; no quantiles where nothing came."""
    return {
        f"{name}_per_s": pace.per_s,
        f"{name}_refused": pace.refused_per_s,
        f"{name}_failed": pace.failed_per_s,
        f"{name}_p50": pace.p50_ms or None,
        f"{name}_p95": pace.p95_ms or None,
        f"{name}_p99": pace.p99_ms or None,
    }
