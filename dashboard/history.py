"""
The last 15 minutes in numbers: who leads, who lags, how much is asked, and how long it takes.

Roles count since they began; a point is made of what came since the point before. So a quantile
here is that of one second, over all front ends together. Only these few numbers are kept, never
whole statuses: a point takes some hundred bytes for each role (I10).
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bazaar.core.histogram import LATENCY_BOUNDS_S, quantile
from bazaar.protocol.statuses import FrontEndStatus, Operation, ReplicaStatus
from dashboard.findings import Finding

HISTORY_S = 900.0
POINTS_MAX = 900
POINT_S_MIN = 0.75
"""From one point to the next: what comes in less is too little for a rate, and joins the next."""
READS = frozenset({"GET /stocks", "GET /stocks hit", "GET /stocks miss"})
TRADES = frozenset({"POST /orders", "POST /orders placed"})
"""The operations of a front end that are readings of a stock, and trades."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One kind of request in the time before a point; quantiles are 0 when none came."""

    per_s: float = 0.0
    refused_per_s: float = 0.0
    failed_per_s: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How far one replica is behind, as it says itself."""

    orders: int
    ms: float


@dataclass(frozen=True, slots=True)
class Point:
    """The cluster at one moment, and its traffic since the point before."""

    at_s: float
    """Seconds since 1970."""
    term: int
    leader: int | None
    last: int
    up: int
    """How many roles answered."""
    lags: Mapping[str, Lag]
    """By the names of the replicas that answered."""
    reads: Pace
    trades: Pace
    hit_ratio: float | None
    """Of the readings since the point before that memory was asked for; None without any."""


class History:
    """The points of the last HISTORY_S seconds; safe for many threads."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=POINTS_MAX)
        self._before: dict[str, tuple[float, FrontEndStatus]] = {}
        """What each front end told last, and when."""
        self._lock = threading.Lock()

    def add(self, findings: Sequence[Finding], at_s: float) -> None:
        """Make a point of what was found when all roles were asked, unless the last one is new."""
        with self._lock:
            if self._points and 0 <= at_s - self._points[-1].at_s < POINT_S_MIN:
                return
            told = [finding.status for finding in findings if finding.status]
            newest = max(told, key=lambda status: status.term, default=None)
            spans = [
                self._since(finding.name, finding.status, at_s)
                for finding in findings
                if isinstance(finding.status, FrontEndStatus)
            ]
            point = Point(
                at_s=at_s,
                term=newest.term if newest else 0,
                leader=newest.leader if newest else None,
                last=max((status.last for status in told), default=0),
                up=len(told),
                lags=_lags(findings),
                reads=_pace(spans, READS),
                trades=_pace(spans, TRADES),
                hit_ratio=_hit_ratio(spans),
            )
            while self._points and not at_s - HISTORY_S < self._points[0].at_s <= at_s:
                self._points.popleft()
            self._points.append(point)

    def points(self) -> list[Point]:
        """Return what is kept, the oldest first."""
        with self._lock:
            return list(self._points)

    def _since(self, name: str, status: FrontEndStatus, at_s: float) -> "_Span":
        """Return what a front end did since it was asked last; nothing the first time."""
        before_s, before = self._before.get(name, (at_s, status))
        if before.up_since_s != status.up_since_s:  # a new process counts from nothing
            before = _nothing(status)
        self._before[name] = at_s, status
        return _Span(before, status, at_s - before_s)


@dataclass(frozen=True, slots=True)
class _Span:
    """One front end between two askings."""

    before: FrontEndStatus
    after: FrontEndStatus
    took_s: float

    def operations(self, names: frozenset[str]) -> Iterable[tuple[Operation, Operation]]:
        """Yield what was counted before and after, for the operations of one kind."""
        before = {operation.name: operation for operation in self.before.operations}
        for after in self.after.operations:
            if after.name in names:
                yield before.get(after.name, Operation(name=after.name, count=0)), after


def _nothing(status: FrontEndStatus) -> FrontEndStatus:
    return FrontEndStatus(
        role=status.role,
        id=status.id,
        pid=status.pid,
        up_since_s=status.up_since_s,
        is_ready=False,
        lease_left_s=0.0,
    )


def _lags(findings: Iterable[Finding]) -> dict[str, Lag]:
    return {
        finding.name: Lag(finding.status.lag_orders, finding.status.lag_ms)
        for finding in findings
        if isinstance(finding.status, ReplicaStatus)
    }


def _pace(spans: Iterable[_Span], names: frozenset[str]) -> Pace:
    """Return the pace of one kind of request, all front ends together."""
    counts: list[int] = []
    per_s = refused_per_s = failed_per_s = 0.0
    for span in spans:
        if span.took_s <= 0:
            continue
        for before, after in span.operations(names):
            per_s += (after.count - before.count) / span.took_s
            refused_per_s += (after.refused - before.refused) / span.took_s
            failed_per_s += (after.failed - before.failed) / span.took_s
            columns = zip_longest(counts, after.buckets, before.buckets, fillvalue=0)
            counts = [so_far + new - old for so_far, new, old in columns]
    p50, p95, p99 = (
        round(quantile(LATENCY_BOUNDS_S, counts, share) * 1000, 4) for share in (0.5, 0.95, 0.99)
    )
    return Pace(round(per_s, 2), round(refused_per_s, 2), round(failed_per_s, 2), p50, p95, p99)


def _hit_ratio(spans: Iterable[_Span]) -> float | None:
    hits = misses = 0
    for span in spans:
        hits += span.after.hits - span.before.hits
        misses += span.after.misses - span.before.misses
    return round(hits / (hits + misses), 4) if hits + misses else None
