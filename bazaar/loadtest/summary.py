"""
The results of a load run: the facts behind table, `--json` and report.

Latencies are in milliseconds and of operations after the warm-up, in an open loop counted from the
moment the operation was due. A summary says nothing that the history could not.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from bazaar.cluster import exits
from bazaar.proof.records import Mark, OperationKind, Sample

NAMES = {"query": "stock look-ups", "trade": "trades", "order": "order look-ups"}
"""The kinds of operation, in the plural."""
TIMES = ("min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max")
"""What is told of the latencies of one kind."""
_VERDICTS = {
    exits.OK: "passed",
    exits.ERRORS: "failed: more operations failed than the limit allows, or something went wrong",
    exits.USAGE: "failed: not everything could be written",
    exits.INCONSISTENT: "failed: a promise was broken",
    exits.UNREACHABLE: "failed: a server could not be reached",
    exits.THRESHOLD: "failed: a threshold was missed",
    exits.INTERRUPTED: "interrupted: this is as far as it came",
}


def quantile(counts: Mapping[Any, int], part: float) -> float:
    """
    Return the value that a part of all do not exceed; 0 without any.

    counts: how often there is each value.
    """
    left = math.ceil(part * sum(counts.values()))
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return float(value)
    return 0.0


class OperationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All operations of one kind; latencies are of those answered as expected."""

    count: int = 0
    """Ended within the measured time, whatever their outcome."""
    ok: int = 0
    errors: dict[str, int] = {}
    """By outcome, all but ok; see `records.Outcome`."""
    rate_per_s: float = 0.0
    """Of those that were ok."""
    min_ms: float = 0.0
    mean_ms: float = 0.0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    max_ms: float = 0.0
    percentiles: tuple[tuple[float, float], ...] = ()
    """(percentile, ms), finer towards 100: the points of a percentile plot."""

    @property
    def failed(self) -> int:
        """Operations that failed; a refused trade is no failure."""
        return sum(count for outcome, count in self.errors.items() if outcome != "refused")

    def time_ms(self, name: str) -> float:
        """Return a latency by its name in TIMES."""
        found: float = getattr(self, f"{name.replace('.', '')}_ms")
        return found


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of operation during one second of the run, warm-up included."""

    at_s: int
    """The second's beginning, since the run began."""
    kind: OperationKind
    count: int = 0
    errors: int = 0
    """Failed; a refused trade is not an error."""
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0


class ThresholdResult(msgspec.Struct, frozen=True, kw_only=True):
    """A condition set by the caller, and what was measured."""

    text: str
    measured: float | None
    """In the condition's own unit; None: nothing of the kind was measured."""
    is_met: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One run, whole or as far as it came."""

    options: dict[str, Any]
    started: str
    """Wall time, ISO 8601 in UTC."""
    duration_s: float
    """Of the measured part."""
    warmup_s: float = 0.0
    """Before the measured part."""
    operations: dict[str, OperationSummary] = {}
    """By kind: query, trade, order; a kind that was not used is absent."""
    longest_gap_s: float | None = None
    """Between two successful trades; None with fewer than two."""
    failovers: int = 0
    """Changes of the leader that were seen."""
    hit_ratio: float | None = None
    """Answers from memory, of all answers to queries."""
    marks: tuple[Mark, ...] = ()
    samples: tuple[Sample, ...] = ()
    series: tuple[Second, ...] = ()
    """By time; a second without operations is absent."""
    thresholds: tuple[ThresholdResult, ...] = ()
    proof: tuple[str, ...] | None = None
    """What the proof found, a sentence each: empty when all holds; None when there was none."""
    proof_counts: dict[str, int] = {}
    """What the proof looked at."""
    proof_gaps: tuple[str, ...] = ()
    """What it could not look at, a sentence each."""
    unsent: int = 0
    """In an open loop: operations that were due and never begun, because all clients were busy."""
    notes: tuple[str, ...] = ()
    """What else went wrong, a sentence each: a fault that could not be healed, for instance."""
    exit: int = 0
    """See `bazaar.cluster.exits`."""

    @property
    def count(self) -> int:
        """Operations of all kinds."""
        return sum(one.count for one in self.operations.values())

    @property
    def error_count(self) -> int:
        """Operations that failed; a refused trade is no failure."""
        return sum(one.failed for one in self.operations.values())

    @property
    def error_rate(self) -> float:
        """Failed operations, of all; 0 to 1."""
        return self.error_count / self.count if self.count else 0.0

    @property
    def rate_per_s(self) -> float:
        """Successful operations of all kinds a second."""
        return sum(one.rate_per_s for one in self.operations.values())

    @property
    def verdict(self) -> str:
        """How it ended, in words."""
        return _VERDICTS.get(self.exit, f"ended with status {self.exit}")
