"""
The totals of a run as its processes report, and their summary.

A second's latencies are kept one by one until nobody can add to them any more; then they become its
percentiles and join the histogram of the whole run. So a run of hours needs no more memory than one
of minutes, but for its series.
"""

import itertools
import math
import threading
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import msgspec
from hdrh.histogram import HdrHistogram

from bazaar.loadtest.summary import OperationSummary, Second, quantile
from bazaar.loadtest.tally import MICRO, Cell, Tally
from bazaar.proof.records import ELECTED, OPERATION_KINDS, Mark, OperationKind, Sample

LATENCY_US_MAX = 600 * MICRO
"""The longest latency that is told apart from longer ones."""
DIGITS = 3
"""Of a latency that are exact."""
LATE_S = 3
"""Whole seconds after which nobody adds to a second any more."""
POINTS_A_DECADE = 10
"""Of the percentile plot, from one nine to the next."""
MS = 1000.0
_HIT = "hit"
_HARMLESS = frozenset({"ok", "refused"})
"""Outcomes that are no errors."""


class _Total:
    """All operations of one kind after the warm-up."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.histogram = HdrHistogram(1, LATENCY_US_MAX, DIGITS)
        self.sum_us = 0

    def add_latencies(self, latencies: Mapping[int, int]) -> None:
        for took_us, count in latencies.items():
            self.histogram.record_value(min(max(1, took_us), LATENCY_US_MAX), count)
            self.sum_us += took_us * count


class _Open:
    """One kind in one second while it may still grow."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.latencies: Counter[int] = Counter()
        self.caches: Counter[str] = Counter()

    def add(self, cell: Cell) -> None:
        self.outcomes.update(cell.outcomes)
        self.latencies.update(cell.latencies)
        self.caches.update(cell.caches)

    def close(self, at_s: int, kind: OperationKind) -> Second:
        return Second(
            at_s=at_s,
            kind=kind,
            count=self.outcomes.total(),
            errors=count_errors(self.outcomes),
            p50_ms=quantile(self.latencies, 0.50) / MS,
            p95_ms=quantile(self.latencies, 0.95) / MS,
            p99_ms=quantile(self.latencies, 0.99) / MS,
        )


class RunTotals:
    """Everything counted in one run; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: defaultdict[OperationKind, _Total] = defaultdict(_Total)
        self._open: dict[tuple[int, OperationKind], _Open] = {}
        self._series: list[Second] = []
        self._caches: Counter[str] = Counter()
        self._traded_s = array("d")
        self._latest = 0
        self.unsent = 0
        self.marks: list[Mark] = []
        self.samples: list[Sample] = []

    # Taking in

    def add(self, tally: Tally) -> None:
        """Take in what a process counted."""
        with self._lock:
            for cell in tally.cells:
                self._add_cell(cell)
            self._traded_s.extend(tally.traded_s)
            self.unsent += tally.unsent
            self._close_before(self._latest - LATE_S)

    def _add_cell(self, cell: Cell) -> None:
        place = self._open.setdefault((cell.second, cell.kind), _Open())
        place.add(cell)
        self._latest = max(self._latest, cell.second)
        if not cell.is_warmup:
            total = self._totals[cell.kind]
            total.outcomes.update(cell.outcomes)
            total.add_latencies(cell.latencies)
            self._caches.update(cell.caches)

    def _close_before(self, second: int) -> None:
        for at_s, kind in sorted(place for place in self._open if place[0] < second):
            self._series.append(self._open.pop((at_s, kind)).close(at_s, kind))

    def mark(self, mark: Mark) -> bool:
        """Note an event of the cluster; return whether it was new."""
        with self._lock:
            if mark.what == ELECTED and any(_is_same_election(mark, one) for one in self.marks):
                return False
            self.marks.append(mark)
            return True

    def sample(self, sample: Sample) -> None:
        """Note a sample of the cluster."""
        with self._lock:
            self.samples.append(sample)

    # Looking

    def last_second(self, now_s: float) -> dict[OperationKind, Second]:
        """Return the newest second that is probably whole, by kind."""
        at_s = int(now_s) - 1
        with self._lock:
            return {
                kind: place.close(second, kind)
                for (second, kind), place in self._open.items()
                if second == at_s
            }

    def hits_between(self, start_s: float, end_s: float) -> float | None:
        """Return the ratio of hits in whole seconds not long ago."""
        with self._lock:
            caches: Counter[str] = Counter()
            for (second, _), place in self._open.items():
                if start_s <= second < end_s:
                    caches.update(place.caches)
        return hit_ratio(caches)

    def totals(self) -> dict[OperationKind, Counter[str]]:
        """Return the operations that ended after the warm-up, by kind and outcome."""
        with self._lock:
            return {kind: Counter(total.outcomes) for kind, total in self._totals.items()}

    # The end

    @property
    def hit_ratio(self) -> float | None:
        """Answers from memory, of all answers to queries."""
        with self._lock:
            return hit_ratio(self._caches)

    def series(self) -> tuple[Second, ...]:
        """Close every second and return them by time."""
        with self._lock:
            self._close_before(self._latest + 1)
            return tuple(sorted(self._series, key=lambda one: (one.at_s, one.kind)))

    def operations(self, duration_s: float) -> dict[str, OperationSummary]:
        """Return every kind that was used; duration_s: of the measured part."""
        with self._lock:
            return {
                kind: _summarize(self._totals[kind], duration_s)
                for kind in OPERATION_KINDS
                if kind in self._totals
            }

    def longest_gap_s(self) -> float | None:
        """Return the longest time between two successful trades."""
        with self._lock:
            pairs = itertools.pairwise(sorted(self._traded_s))
            return max((after - before for before, after in pairs), default=None)

    def failovers(self) -> int:
        """Return how often the leader changed, as far as was seen."""
        with self._lock:
            seen: list[Sample | Mark] = [*self.samples, *self.marks]
            terms = [one.term for one in seen if one.term]
        return max(terms) - min(terms) if terms else 0


def _is_same_election(mark: Mark, other: Mark) -> bool:
    return (other.what, other.term) == (ELECTED, mark.term)


def hit_ratio(caches: Mapping[str, int]) -> float | None:
    """Return the share of answers from memory; None without answers."""
    total = sum(caches.values())
    return caches.get(_HIT, 0) / total if total else None


def count_errors(outcomes: Mapping[str, int]) -> int:
    """Return how many operations failed; a refused trade is no failure."""
    return sum(count for outcome, count in outcomes.items() if outcome not in _HARMLESS)


def _summarize(total: _Total, duration_s: float) -> OperationSummary:
    ok = total.outcomes["ok"]
    errors = {name: count for name, count in sorted(total.outcomes.items()) if name != "ok"}
    counted = OperationSummary(
        count=total.outcomes.total(),
        ok=ok,
        errors=errors,
        rate_per_s=ok / duration_s if duration_s > 0 else 0.0,
    )
    if not ok:
        return counted
    at = total.histogram.get_value_at_percentile
    return msgspec.structs.replace(
        counted,
        min_ms=total.histogram.get_min_value() / MS,
        mean_ms=total.sum_us / ok / MS,
        p50_ms=at(50) / MS,
        p90_ms=at(90) / MS,
        p95_ms=at(95) / MS,
        p99_ms=at(99) / MS,
        p999_ms=at(99.9) / MS,
        max_ms=total.histogram.get_max_value() / MS,
        percentiles=tuple((one, at(one) / MS) for one in _points(ok)),
    )


def _points(count: int) -> Iterable[float]:
    """Yield percentiles from 0 to the last that `count` values can tell, then 100."""
    most = math.ceil(math.log10(count) * POINTS_A_DECADE) if count > 1 else 0
    for step in range(most + 1):
        yield round(100 * (1 - 10 ** (-step / POINTS_A_DECADE)), 6)
    yield 100.0
