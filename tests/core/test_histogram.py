"""Quantiles from fixed buckets: bounded, and right to the width of a bucket (I10)."""

import math
import threading

from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.histogram import LATENCY_BOUNDS_S, SIZE_BOUNDS, Histogram, quantile, quantiles

durations = st.floats(2e-6, 60)


def filled(values: list[float]) -> Histogram:
    histogram = Histogram(LATENCY_BOUNDS_S)
    for value in values:
        histogram.add(value)
    return histogram


@given(values=st.lists(durations, min_size=1), share=st.floats(0.01, 1))
def test_a_quantile_is_right_to_the_width_of_its_bucket(values: list[float], share: float) -> None:
    told = quantile(LATENCY_BOUNDS_S, filled(values).snapshot(), share)
    rank = math.ceil(round(share * len(values), 9))
    exact = sorted(values)[max(rank, 1) - 1]
    assert exact / math.sqrt(2) * 0.999 <= told <= exact * math.sqrt(2) * 1.001
    several = quantiles(LATENCY_BOUNDS_S, filled(values).snapshot(), (0.01, share, 1))
    assert several[1] == told


@given(values=st.lists(durations), more=st.lists(durations))
def test_two_readings_differ_by_what_came_in_between(
    values: list[float], more: list[float]
) -> None:
    before, after = filled(values).snapshot(), filled(values + more).snapshot()
    padded = (*before, *[0] * (len(after) - len(before)))
    between = [new - old for new, old in zip(after, padded, strict=True)]
    while between and not between[-1]:
        between.pop()
    assert tuple(between) == filled(more).snapshot()


def test_nothing_counted_has_no_quantile() -> None:
    assert filled([]).snapshot() == ()
    assert quantiles(LATENCY_BOUNDS_S, (), (0.5, 0.99)) == (0, 0)
    assert quantile(LATENCY_BOUNDS_S, (), 0.5) == 0
    assert quantile(LATENCY_BOUNDS_S, (0, 0), 0.5) == 0


def test_a_value_on_a_bound_belongs_to_the_bucket_below_it() -> None:
    sizes = Histogram(SIZE_BOUNDS)
    for size in (1, 2, 3, 4, 5):
        sizes.add(size)
    assert sizes.snapshot() == (1, 1, 2, 1)


def test_what_is_beyond_every_bound_is_counted_and_told_as_the_last_one() -> None:
    histogram = filled([0.0, 1e9])
    assert sum(histogram.snapshot()) == 2
    assert quantile(LATENCY_BOUNDS_S, histogram.snapshot(), 1) == LATENCY_BOUNDS_S[-1]
    assert len(histogram.snapshot()) == len(LATENCY_BOUNDS_S) + 1


def test_no_count_is_lost_among_threads() -> None:
    """No lock is taken; see `Histogram.add` for why none is needed."""
    histogram, each = Histogram(LATENCY_BOUNDS_S), 20_000
    together = threading.Barrier(4)

    def count() -> None:
        together.wait(10)
        for _ in range(each):
            histogram.add(1e-4)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(histogram.snapshot()) == 4 * each
