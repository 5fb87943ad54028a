"""
The last 15 minutes in numbers: leader, lag, request rates and durations.

Processes count since they began; a point is the difference to the point before. So a quantile here
is that of about one second, over all front ends together. A point is these few numbers, never a
whole status: some hundred bytes (I10).
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

import msgspec

from bazaar.core.histogram import LATENCY_BOUNDS_S, quantile
from bazaar.protocol.statuses import FrontEndStatus, OperationStatus, ReplicaStatus
from dashboard.cluster_view import ClusterView

HISTORY_S = 900.0
POINTS_MAX = 900
POINT_S_MIN = 0.75
"""From one point to the next: a shorter time is too little for a rate, and joins the next."""
_STOCKS = ("/stocks", "/stocks/{name}", "/api/v1/stocks/{stock_name}")
_ORDERS = ("/orders", "/api/v1/orders")
"""Where a front end shows a stock, and takes trades, in all dialects."""
READS = frozenset(f"GET {path}{way}" for path in _STOCKS for way in ("", " hit", " miss"))
TRADES = frozenset(f"POST {path}{way}" for path in _ORDERS for way in ("", " placed"))
"""The operations of a front end that read a stock, and that trade."""


@dataclass(frozen=True, slots=True)
class TrafficRate:
    """One kind of request in the time before a point; quantiles in ms."""

    per_s: float = 0.0
    refused: float = 0.0
    """Refused in a second, as `failed`."""
    failed: float = 0.0
    p50: float | None = None
    """None without requests, as the other quantiles."""
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class TrafficPoint:
    """The cluster at one moment, and its traffic since the point before."""

    at_s: float
    """Seconds since 1970."""
    term: int
    leader: int | None
    up: int
    """How many processes answered."""
    hit_percent: float | None
    """Cache hits in all reads since the point before; None without reads."""
    lag: int
    """How many orders the slowest replica lacks, as it reports itself."""
    trades: TrafficRate
    reads: TrafficRate


class TrafficHistory:
    """The points of the last HISTORY_S seconds; safe for many threads."""

    def __init__(self) -> None:
        self._points: deque[TrafficPoint] = deque(maxlen=POINTS_MAX)
        self._before: dict[str, tuple[float, FrontEndStatus]] = {}
        """The last status of each front end, and when it was taken."""
        self._lock = threading.Lock()

    def add(self, view: ClusterView) -> None:
        """Make a point of a poll, unless the last point is too recent."""
        with self._lock:
            if self._points and 0 <= view.at_s - self._points[-1].at_s < POINT_S_MIN:
                return
            periods = [
                self._since_before(one.name, one.status, view.at_s)
                for one in view.results
                if isinstance(one.status, FrontEndStatus)
            ]
            statuses = [one.status for one in view.results if one.status]
            replicas = [status for status in statuses if isinstance(status, ReplicaStatus)]
            point = TrafficPoint(
                at_s=view.at_s,
                term=view.term,
                leader=view.leader,
                up=len(statuses),
                hit_percent=_hit_percent(periods),
                lag=max((status.lag_orders for status in replicas), default=0),
                trades=_rate(periods, TRADES),
                reads=_rate(periods, READS),
            )
            while self._points and not view.at_s - HISTORY_S < self._points[0].at_s <= view.at_s:
                self._points.popleft()
            self._points.append(point)

    def points(self) -> list[TrafficPoint]:
        """Return all points, the oldest first."""
        with self._lock:
            return list(self._points)

    def _since_before(self, name: str, status: FrontEndStatus, at_s: float) -> "_Period":
        """Return what a front end did since its last status; nothing for its first."""
        before_s, before = self._before.get(name, (at_s, status))
        if before.up_since_s != status.up_since_s:  # a new process counts from 0
            before = msgspec.structs.replace(status, operations=(), hits=0, misses=0)
        self._before[name] = at_s, status
        return _Period(before, status, at_s - before_s)


@dataclass(frozen=True, slots=True)
class _Period:
    """One front end between two polls."""

    before: FrontEndStatus
    after: FrontEndStatus
    took_s: float

    def operations(
        self, names: frozenset[str]
    ) -> Iterable[tuple[OperationStatus, OperationStatus]]:
        """Yield the counts before and after, for the operations of one kind."""
        before = {operation.name: operation for operation in self.before.operations}
        for after in self.after.operations:
            if after.name in names:
                yield before.get(after.name, OperationStatus(name=after.name, count=0)), after


def _rate(periods: Iterable[_Period], names: frozenset[str]) -> TrafficRate:
    """Return the rate of one kind of request, all front ends together."""
    counts: list[int] = []
    per_s = refused = failed = 0.0
    for period in periods:
        if period.took_s <= 0:
            continue
        for before, after in period.operations(names):
            per_s += (after.count - before.count) / period.took_s
            refused += (after.refused - before.refused) / period.took_s
            failed += (after.failed - before.failed) / period.took_s
            columns = zip_longest(counts, after.buckets, before.buckets, fillvalue=0)
            counts = [so_far + new - old for so_far, new, old in columns]
    p50, p95, p99 = (
        round(quantile(LATENCY_BOUNDS_S, counts, share) * 1000, 4) or None
        for share in (0.5, 0.95, 0.99)
    )
    return TrafficRate(round(per_s, 2), round(refused, 2), round(failed, 2), p50, p95, p99)


def _hit_percent(periods: Iterable[_Period]) -> float | None:
    hits = misses = 0
    for period in periods:
        hits += period.after.hits - period.before.hits
        misses += period.after.misses - period.before.misses
    return round(100 * hits / (hits + misses), 1) if hits + misses else None
