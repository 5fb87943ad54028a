"""Roles that tell what a test wants, and the findings of it."""

from collections.abc import Sequence

import msgspec

from bazaar.core.histogram import LATENCY_BOUNDS_S, Histogram
from bazaar.protocol.statuses import Event, FrontEndStatus, Operation, Status
from bazaar.topology import Node
from dashboard.findings import Finding
from tests.dashboard.conftest import catalog, front_end

NODE = Node(port=30001, control_port=30002)


def find(name: str, status: Status | None) -> Finding:
    reason = "" if status else "refused"
    return Finding(name, name.partition("-")[0], NODE, status, reason)


def event(no: int, at_s: float, phrase: str = "elected") -> Event:
    return Event(no=no, at_s=at_s, phrase=phrase, fields={"term": no})


def telling(*events: Event, began_s: float = 0.0) -> Status:
    """Return a catalog that tells these events."""
    return msgspec.structs.replace(catalog(), events=events, up_since_s=began_s)


def serving(
    *operations: Operation, hits: int = 0, misses: int = 0, began_s: float = 0.0
) -> FrontEndStatus:
    """Return a front end that was asked this much."""
    return msgspec.structs.replace(
        front_end(), operations=operations, hits=hits, misses=misses, up_since_s=began_s
    )


def asked(name: str, took_s: Sequence[float], refused: int = 0, failed: int = 0) -> Operation:
    """Return one operation that took so long each time."""
    histogram = Histogram(LATENCY_BOUNDS_S)
    for one in took_s:
        histogram.add(one)
    return Operation(
        name=name,
        count=len(took_s),
        refused=refused,
        failed=failed,
        buckets=histogram.snapshot(),
    )
