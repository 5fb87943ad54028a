"""
Thresholds: conditions on a summary, such as `trade_p99<50ms`.

Of an operation (query, trade, order): _min, _mean, _p50, _p90, _p95, _p99, _p99.9, _max (ms, or s),
_rate (a second), _count, _errors. Of all: rate, count, errors, error_rate (also %), hit_ratio (also
%), longest_gap (s, or ms), failovers. What was not measured misses every threshold.
"""

import operator
import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter

import msgspec

from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.summary import TIMES, OperationSummary, Summary, ThresholdResult
from bazaar.proof.records import OPERATION_KINDS


def _time_ms(name: str, one: OperationSummary) -> float | None:
    return one.time_ms(name) if one.ok else None


def _longest_gap_ms(summary: Summary) -> float | None:
    return None if summary.longest_gap_s is None else summary.longest_gap_s * _UNITS["s"]


_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT = re.compile(
    r"\s*(?P<metric>[a-z][a-z0-9_.]*)\s*(?P<compare><=|>=|<|>)\s*"
    r"(?P<number>[0-9]{1,12}(\.[0-9]{1,9})?)\s*(?P<unit>ms|s|%)?\s*"
)
_OF_ONE: Mapping[str, Callable[[OperationSummary], float | None]] = {
    **{name: partial(_time_ms, name) for name in TIMES},
    "rate": attrgetter("rate_per_s"),
    "count": attrgetter("count"),
    "errors": attrgetter("failed"),
}
_OF_ALL: Mapping[str, Callable[[Summary], float | None]] = {
    "rate": attrgetter("rate_per_s"),
    "count": attrgetter("count"),
    "errors": attrgetter("error_count"),
    "error_rate": attrgetter("error_rate"),
    "hit_ratio": attrgetter("hit_ratio"),
    "longest_gap": _longest_gap_ms,
    "failovers": attrgetter("failovers"),
}
_RATIOS = ("error_rate", "hit_ratio")
_UNITS = {"ms": 1.0, "s": 1000.0}


class Threshold(msgspec.Struct, frozen=True):
    """One condition."""

    text: str
    kind: str
    """query, trade or order; empty for all."""
    metric: str
    compare: str
    bound: float
    """In ms for times, 0 to 1 for ratios."""

    def judge(self, summary: Summary) -> ThresholdResult:
        """Hold a summary against it."""
        measured = self._measure(summary)
        is_met = measured is not None and _COMPARE[self.compare](measured, self.bound)
        return ThresholdResult(text=self.text, measured=measured, is_met=is_met)

    def _measure(self, summary: Summary) -> float | None:
        if not self.kind:
            return _OF_ALL[self.metric](summary)
        one = summary.operations.get(self.kind)
        return None if one is None else _OF_ONE[self.metric](one)


def read_threshold(text: str) -> Threshold:
    """Return the condition that a text means. Raises CommandFailed (2)."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise CommandFailed(f"--threshold must be such as 'trade_p99<50ms', not {text!r}.")
    kind, metric = _split(found["metric"])
    if metric not in (_OF_ONE if kind else _OF_ALL):
        raise CommandFailed(
            f"--threshold {text!r}: there is no {found['metric']!r}; there are "
            f"{', '.join(_OF_ALL)}, and {', '.join(_OF_ONE)} after query_, trade_ or order_."
        )
    bound, unit = float(found["number"]), found["unit"]
    if metric in TIMES or metric == "longest_gap":
        is_right, bound = unit in _UNITS, bound * _UNITS.get(unit, 1.0)
        wanted = "a time needs ms or s"
    elif metric in _RATIOS:
        is_right, bound = unit in (None, "%"), bound / 100 if unit else bound
        wanted = "a ratio is a number from 0 to 1, or has a %"
    else:
        is_right, wanted = unit is None, "a count has no unit"
    if not is_right:
        raise CommandFailed(f"--threshold {text!r}: {wanted}.")
    return Threshold(text, kind, metric, found["compare"], bound)


def _split(name: str) -> tuple[str, str]:
    kind, _, metric = name.partition("_")
    if kind in OPERATION_KINDS:
        return kind, "p99.9" if metric == "p999" else metric
    return "", name
