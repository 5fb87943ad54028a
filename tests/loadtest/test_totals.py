"""What a run's numbers come to."""

import collections
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.loadtest.summary import quantile
from bazaar.loadtest.tally import Counter, Tally
from bazaar.loadtest.totals import RunTotals
from bazaar.proof.records import Done, Mark, Outcome, Sample


def ended(at_s: float, took_ms: float = 1.0, outcome: Outcome = "ok", **facts: object) -> Done:
    fields: dict[str, object] = {
        "client": 0,
        "kind": "trade",
        "url": 0,
        "intended_s": at_s - took_ms / 1000,
        "sent_s": at_s - took_ms / 1000,
        "done_s": at_s,
        "outcome": outcome,
        **facts,
    }
    return Done(**fields)  # type: ignore[arg-type]


def tell(*operations: Done, unsent: int = 0) -> Tally:
    counter = Counter()
    for one in operations:
        counter.add(one, one.done_s or 0.0)
    return counter.collect(unsent=unsent)


def test_operations_are_counted_by_kind_and_outcome() -> None:
    totals = RunTotals()
    totals.add(tell(ended(0.5), ended(0.6), ended(0.7, outcome="refused"), unsent=3))
    totals.add(tell(ended(1.5, outcome="indefinite"), ended(1.5, kind="query", cache="hit")))
    found = totals.operations(2.0)
    assert list(found) == ["query", "trade"]
    trade = found["trade"]
    assert (trade.count, trade.ok, trade.rate_per_s, trade.failed) == (4, 2, 1.0, 1)
    assert trade.errors == {"indefinite": 1, "refused": 1}
    assert totals.unsent == 3


@given(seed=st.integers(0, 2**32))
def test_percentiles_are_exact_to_three_digits(seed: int) -> None:
    chance = random.Random(seed)
    took_ms = [chance.lognormvariate(1, 1) for _ in range(500)]
    totals = RunTotals()
    totals.add(tell(*(ended(1.0, one) for one in took_ms)))
    found = totals.operations(1.0)["trade"]
    ordered = sorted(took_ms)
    for measured, expected in (
        (found.min_ms, ordered[0]),
        (found.p50_ms, ordered[249]),
        (found.p99_ms, ordered[494]),
        (found.max_ms, ordered[-1]),
        (found.mean_ms, statistics.mean(took_ms)),
    ):
        assert measured == pytest.approx(expected, rel=0.002, abs=0.002)
    points = [ms for _, ms in found.percentiles]
    assert points == sorted(points)
    assert found.percentiles[-1] == (100.0, found.max_ms)


def test_the_warm_up_is_in_the_series_and_nowhere_else() -> None:
    totals = RunTotals()
    totals.add(tell(ended(0.5, is_warmup=True), ended(1.5)))
    assert totals.operations(1.0)["trade"].count == 1
    assert [(one.at_s, one.count) for one in totals.series()] == [(0, 1), (1, 1)]


def test_a_second_has_its_own_percentiles_and_errors_and_is_told_once() -> None:
    totals = RunTotals()
    for second in range(20):
        totals.add(tell(ended(second + 0.2, 1.0), ended(second + 0.3, 9.0)))
        totals.add(
            tell(ended(second + 0.9, outcome="busy"), ended(second + 0.9, outcome="refused"))
        )
    series = totals.series()
    assert [one.at_s for one in series] == list(range(20))
    assert {(one.count, one.errors, one.p50_ms, one.p99_ms) for one in series} == {(4, 1, 1.0, 9.0)}


def test_the_longest_gap_is_between_trades_of_whatever_process() -> None:
    totals = RunTotals()
    totals.add(tell(ended(1.0), ended(4.0)))
    assert totals.longest_gap_s() == pytest.approx(3.0)
    totals.add(tell(ended(2.5), ended(3.0, outcome="indefinite"), ended(3.0, kind="query")))
    assert totals.longest_gap_s() == pytest.approx(1.5)
    assert RunTotals().longest_gap_s() is None


def test_the_hit_ratio_is_of_answers_to_queries() -> None:
    totals = RunTotals()
    assert totals.hit_ratio is None
    caches = ("hit", "hit", "hit", "miss")
    totals.add(tell(*(ended(5.5, kind="query", cache=cache) for cache in caches), ended(5.5)))
    assert totals.hit_ratio == 0.75
    assert totals.hits_between(5, 6) == 0.75
    assert totals.hits_between(6, 7) is None


def test_a_term_is_one_failover_whoever_sees_it() -> None:
    totals = RunTotals()
    assert totals.failovers() == 0
    totals.sample(Sample(at_s=1.0, leader=3, term=4))
    elected = Mark(at_s=2.0, what="elected", target="order-2", term=5)
    assert totals.mark(elected)
    assert not totals.mark(Mark(at_s=2.3, what="elected", target="order-2", term=5))
    totals.sample(Sample(at_s=3.0, leader=2, term=5))
    assert (totals.failovers(), totals.marks) == (1, [elected])


def test_the_newest_whole_second_is_shown_while_the_run_lasts() -> None:
    totals = RunTotals()
    totals.add(tell(ended(7.5), ended(7.6), ended(8.1)))
    assert {kind: one.count for kind, one in totals.last_second(8.2).items()} == {"trade": 2}


def test_a_quantile_is_a_value_that_was_measured() -> None:
    counts = collections.Counter([4.0, 1.0, 3.0, 2.0])
    assert [quantile(counts, part) for part in (0.25, 0.5, 0.99)] == [1.0, 2.0, 4.0]
    many = {9: 1, 1: 98, 5: 1}
    assert [quantile(many, part) for part in (0.5, 0.98, 0.99, 1.0)] == [1, 1, 5, 9]
    assert quantile({}, 0.5) == 0.0
