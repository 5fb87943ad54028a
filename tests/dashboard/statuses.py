"""The statuses that a test lets processes report, and results of polling them."""

from collections.abc import Sequence

import msgspec

from bazaar.core.histogram import LATENCY_BOUNDS_S, Histogram
from bazaar.core.types import GENESIS
from bazaar.protocol.statuses import (
    CatalogStatus,
    Event,
    FrontEndStatus,
    OperationStatus,
    ReplicaStatus,
    Status,
)
from bazaar.topology import Node
from dashboard.cluster_view import PollResult

BASE = {"id": 1, "pid": 4242, "up_since_s": 0.0, "is_ready": True, "digest": GENESIS}


def catalog(term: int = 3, leader: int | None = 2, last: int = 9) -> CatalogStatus:
    return CatalogStatus(role="catalog", term=term, leader=leader, last=last, stocks=10, **BASE)  # type: ignore[arg-type]


def replica(number: int, term: int = 3, leader: int | None = 2, last: int = 9) -> ReplicaStatus:
    return ReplicaStatus(
        role="order",
        term=term,
        leader=leader,
        last=last,
        state="leading" if number == leader else "following",
        lag_orders=0,
        lag_ms=0.5,
        **{**BASE, "id": number},  # type: ignore[arg-type]
    )


def front_end(term: int = 3, leader: int | None = 2) -> FrontEndStatus:
    return FrontEndStatus(
        role="frontend",
        term=term,
        leader=leader,
        lease_left_s=1.5,
        hits=7,
        **BASE,  # type: ignore[arg-type]
    )


def serving(
    *operations: OperationStatus, hits: int = 0, misses: int = 0, began_s: float = 0.0
) -> FrontEndStatus:
    """Return a front end that served these operations."""
    return msgspec.structs.replace(
        front_end(), operations=operations, hits=hits, misses=misses, up_since_s=began_s
    )


def operation(
    name: str, took_s: Sequence[float], refused: int = 0, failed: int = 0
) -> OperationStatus:
    """Return an operation with a duration for each request."""
    histogram = Histogram(LATENCY_BOUNDS_S)
    for one in took_s:
        histogram.add(one)
    return OperationStatus(
        name=name,
        count=len(took_s),
        refused=refused,
        failed=failed,
        buckets=histogram.snapshot(),
    )


def event(no: int, at_s: float, phrase: str = "elected") -> Event:
    return Event(no=no, at_s=at_s, phrase=phrase, fields={"term": no})


def reporting(*events: Event, began_s: float = 0.0) -> Status:
    """Return a catalog that reports these events."""
    return msgspec.structs.replace(catalog(), events=events, up_since_s=began_s)


def result(name: str, status: Status | None, *, is_refused: bool = True) -> PollResult:
    role, _, number = name.partition("-")
    node = Node(id=int(number or 1), port=30001, control_port=30002)
    if status:
        return PollResult(name, role, node, status)
    return PollResult(name, role, node, None, "refused", is_refused)
