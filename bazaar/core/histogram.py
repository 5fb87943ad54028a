"""
Histograms: how values are spread, as counts in fixed buckets (I10).

Bucket i counts the values above bound i-1 and up to bound i; the last one has no upper end. Counts
only grow, so two snapshots of a histogram differ by what came in between. A quantile is exact
to the width of its bucket. Left out: names and statuses (`bazaar.runtime.metrics`).
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

LATENCY_BOUNDS_S = tuple(1e-6 * 2 ** (at / 2) for at in range(53))
"""One microsecond to 67 s, two buckets for every doubling."""
SIZE_BOUNDS = tuple(float(2**at) for at in range(14))
"""1 to 8192."""


class Histogram:
    """Counts by bucket; safe for many threads, without a lock."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """bounds: growing, the upper end of each bucket but the last."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        """The sum of all values."""

    def add(self, value: float) -> None:
        """Count one value."""
        # CPython changes threads at calls and jumps only, so nothing comes between reading the
        # count and writing it; where that does not hold, a race costs a count.
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def snapshot(self) -> tuple[int, ...]:
        """Return the counts, without the empty buckets at the end."""
        counts = tuple(self.counts)
        end = len(counts)
        while end and not counts[end - 1]:
            end -= 1
        return counts[:end]


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float:
    """
    Return the value that a share of all values does not exceed; 0 for none.

    counts: by bucket; missing ones at the end are empty. share: above 0, up to 1.
    Between the ends of its bucket the value is a guess; beyond the last bound it is that bound.
    """
    return quantiles(bounds, counts, (share,))[0]


def quantiles(
    bounds: Sequence[float], counts: Sequence[int], shares: Sequence[float]
) -> tuple[float, ...]:
    """Return several of them."""
    totals = list(accumulate(counts))
    if not totals or not totals[-1]:
        return (0.0,) * len(shares)
    found = list[float]()
    for share in shares:
        wanted = share * totals[-1]
        at = bisect_left(totals, wanted)
        if at >= len(bounds):
            found.append(bounds[-1])
            continue
        lower = bounds[at - 1] if at else 0.0
        inside = (wanted - (totals[at] - counts[at])) / counts[at]
        found.append(lower + (bounds[at] - lower) * inside)
    return tuple(found)
