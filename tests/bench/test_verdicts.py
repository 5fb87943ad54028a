"""What is asked for, and whether it is so."""

import msgspec

from bench.numbers import Spread
from bench.results import BAZAAR, LOOK_UP, TRADE, Results
from bench.verdicts import at_least, at_most, judge
from tests.bench.made import cell, length, results


def words(found: Results) -> dict[str, str]:
    return {one.what: one.word for one in judge(found)}


def test_what_is_missed_is_told_and_nothing_else() -> None:
    missed = [one for one in judge(results()) if not one.is_reached]
    assert [(one.what, one.target, one.measured) for one in missed] == [
        ("order look-up: rate / Flask baseline", "at least 8", "2")
    ]
    assert missed[0].word == "MISSED"


def test_everything_that_is_asked_for_is_judged() -> None:
    assert len(judge(results())) == 13


def test_the_median_of_the_ratios_decides() -> None:
    assert at_least("", 0.8, Spread((0.9, 0.8, 0.1))).is_reached
    assert not at_least("", 0.8, Spread((0.9, 0.79, 0.1))).is_reached
    assert at_most("", 2, Spread((2.0, 9.0, 1.0))).is_reached
    assert not at_most("", 2, Spread((2.1, 9.0, 1.0))).is_reached


def test_growth_of_latency_and_memory_is_missed_past_a_fifth() -> None:
    lengths = (length(1000), length(1_000_000, memory_mb=121.0, p50=6.1))
    found = words(msgspec.structs.replace(results(), lengths=lengths))
    missed = {what for what, word in found.items() if word == "MISSED" and "order " not in what}
    assert missed == {
        "trade p50, 1 client: 1,000,000 orders / 1,000",
        "trade p50, 8 clients: 1,000,000 orders / 1,000",
        "resident memory: 1,000,000 orders / 1,000 (order-1)",
        "resident memory of the largest role process (order-1)",
    }


def test_parts_that_were_not_measured_have_no_verdict() -> None:
    some = Results(
        started="", took_s=1.0, command="", machine={}, cells=(cell(LOOK_UP, BAZAAR, 1.0),)
    )
    assert judge(some) == []
    assert some.find(TRADE, 1, BAZAAR) is None
