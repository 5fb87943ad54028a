"""What pages show, as plain values: a page and its JSON have the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import msgspec

from bazaar.protocol.cluster_report import describe_leader
from bazaar.protocol.statuses import FrontEndStatus, ReplicaStatus, Status
from bazaar.protocol.traces import TradeTrace
from bazaar.web.pages import ShownAnswer, cut, make_forms
from dashboard import trace_diagram
from dashboard.actions import FORMS_BY_ENDPOINT
from dashboard.api_relay import EndpointReading
from dashboard.cluster_view import ClusterView, PollResult
from dashboard.event_feed import ClusterEvent
from dashboard.selectors import DIGEST_CHARS
from dashboard.traffic_history import TrafficPoint


def show_health(view: ClusterView) -> dict[str, Any]:
    """Return how well the cluster is, as `manage.py cluster status` has it, and why."""
    report = view.report
    return {
        "health": report.health.value,
        "leads": describe_leader(report),
        "reasons": report.reasons,
    }


def show_view(view: ClusterView) -> dict[str, Any]:
    """Return the cluster."""
    links = list(_list_links(view))
    return {
        **show_health(view),
        "at_s": view.at_s,
        "leader": view.leader,
        "term": view.term,
        "last": view.last,
        "in_sync": sorted(view.in_sync),
        "roles": [_show_role(result) for result in view.results],
        "replicas": [_show_replica(view, result) for result in view.replicas],
        "front_ends": view.front_ends,
        "reach": links,
        "unreached": sum(not link["is_reachable"] for link in links),
    }


def _show_role(result: PollResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "role": result.role,
        "address": f"{result.node.host}:{result.node.port}",
        "is_up": result.status is not None,
        "state": result.state,
        "reason": result.reason,
        **_fields(result.status, "pid", "term", "database_bytes"),
    }


def _show_replica(view: ClusterView, result: PollResult) -> dict[str, Any]:
    status = result.status if isinstance(result.status, ReplicaStatus) else None
    leader = view.leader_status
    is_level = bool(status and leader and status.last == leader.last)
    return {
        "name": result.name,
        "id": result.node.id,
        "is_leader": result.node.id == view.leader,
        "is_in_sync": result.node.id in view.in_sync,
        "state": result.state,
        **_fields(status, "is_ready", "term", "last", "lag_ms", "database_bytes"),
        "lag_orders": view.lag_of(result),
        "digest": status.digest[:DIGEST_CHARS] if status else "",
        # Digests can be compared at one length only (I8).
        "is_same": status.digest == leader.digest if status and leader and is_level else None,
    }


def _fields(status: Status | None, *names: str) -> dict[str, Any]:
    """Return some fields of a status; None for each without one."""
    return {name: getattr(status, name, None) for name in names}


def _list_links(view: ClusterView) -> Iterator[dict[str, Any]]:
    """Yield which process reaches which, as each reports it."""
    for result in view.results:
        status = result.status
        if isinstance(status, FrontEndStatus):
            yield _link(result.name, view.catalog, is_reachable=status.lease_left_s > 0)
            if status.leader is not None:
                leader = f"order-{status.leader}"
                yield _link(result.name, leader, is_reachable=status.silences == 0)
        elif isinstance(status, ReplicaStatus):
            yield _link(result.name, view.catalog, is_reachable=status.reaches_catalog)
    for one in view.leader_status.followers if view.leader_status else ():
        link = _link(
            f"order-{view.leader}", f"order-{one.replica_id}", is_reachable=one.is_reachable
        )
        yield {**link, "is_in_sync": one.is_in_sync}


def _link(start: str, end: str, *, is_reachable: bool) -> dict[str, Any]:
    """Return a link; only followers can be in sync."""
    return {"of": start, "to": end, "is_reachable": is_reachable, "is_in_sync": None}


def show_caches(view: ClusterView) -> dict[str, Any]:
    """Return what each process of every front end has in its cache."""
    front_ends = sorted(view.front_ends, key=lambda status: (status.id, status.pid))
    return {"at_s": view.at_s, "caches": [_show_cache(status) for status in front_ends]}


def _show_cache(status: FrontEndStatus) -> dict[str, Any]:
    reads = status.hits + status.misses
    return {
        **_fields(status, "id", "pid", "hits", "misses", "evictions"),
        "hit_percent": round(100 * status.hits / reads, 1) if reads else None,
        "lease_left_s": round(status.lease_left_s, 1),
        "count": status.cached_count,
        "stocks": status.cached,
    }


def show_events(events: Sequence[ClusterEvent]) -> list[dict[str, Any]]:
    """Return events."""
    return [
        {
            "at": one.at,
            "source": one.source,
            "phrase": one.phrase,
            "text": one.text,
            "sentence": one.sentence,
            "id": one.key,
        }
        for one in events
    ]


def show_trace(trace: TradeTrace) -> dict[str, Any]:
    """Return a trade with its picture, and the processes that could not be asked."""
    return {
        "trace": trace,
        "picture": trace_diagram.draw(trace),
        "began": datetime.fromtimestamp(trace.began_s, UTC),
        "unasked": [process for process in trace.processes if process.reason],
    }


def show_points(points: Sequence[TrafficPoint]) -> list[dict[str, Any]]:
    """Return traffic second by second; rates have names like `trades_per_s`."""
    return [_show_point(asdict(point)) for point in points]


def _show_point(point: dict[str, Any]) -> dict[str, Any]:
    rates = {
        f"{kind}_{name}": value
        for kind in ("trades", "reads")
        for name, value in point.pop(kind).items()
    }
    return {**point, **rates}


def show_marks(
    latest: Sequence[ClusterEvent], points: Sequence[TrafficPoint]
) -> list[dict[str, Any]]:
    """Return the events since the first of these points."""
    begin_s = points[0].at_s if points else 0.0
    return [
        {"at_s": one.at_s, "at": one.at, "text": one.sentence}
        for one in latest
        if one.at_s >= begin_s and one.phrase != "refused"
    ]


def show_reading(reading: EndpointReading, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return an endpoint of another process with forms and answer."""
    endpoint, reply = reading.endpoint, reading.reply
    forms = make_forms(endpoint, texts, asked="GET") if endpoint else []
    others = [form.method for form in forms if form.method != reading.method]
    return {
        "endpoint": endpoint,
        "forms": [form for form in forms if form.method == reading.method],
        "refused": [one for one in others if one.changes],
        "unsigned": [one for one in others if not one.changes],
        "own_form": FORMS_BY_ENDPOINT.get(endpoint.path) if endpoint else None,
        "fault": reading.fault,
        "answer": reply
        and ShownAnswer(
            f"GET {reading.target}",
            reply.status,
            tuple(sorted(reply.headers.items())),
            cut(_indent(reply.body)),
        ),
    }


def _indent(body: bytes) -> str:
    try:
        return msgspec.json.format(body, indent=4).decode("utf-8", "replace")
    except msgspec.MsgspecError:
        return body.decode("utf-8", "replace")
