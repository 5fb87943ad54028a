"""What is flat, what may grow, and what two workers could give."""

import random

import pytest

from bench import histories, hits
from bench.cache import Contestant
from bench.hit_steps import Steps
from bench.measures import Found, Measure, are_met, show
from bench.numbers import Spread

FLAT = Measure("trade, ms", ".1f", ratio_max=1.3)
BOUNDED = Measure("memory, MB", ".0f", most=120.0)
GROWS = Measure("audit, s", ".0f", reason="it reads all")


def spreads(*medians: float) -> list[Spread]:
    return [Spread((median - 0.1, median, median + 0.1)) for median in medians]


@pytest.mark.parametrize(
    ("measure", "medians", "is_met"),
    [
        (FLAT, (10.0, 90.0, 12.9), True),  # only the ends are compared
        (FLAT, (10.0, 10.0, 13.1), False),
        (BOUNDED, (20.0, 119.0, 100.0), True),
        (BOUNDED, (20.0, 121.0, 100.0), False),
        (GROWS, (1.0, 10.0, 100.0), True),
    ],
)
def test_what_grows_needs_a_reason(
    measure: Measure, medians: tuple[float, ...], *, is_met: bool
) -> None:
    found = spreads(*medians)
    assert measure.is_met(found) is is_met
    assert measure.row(found)[-1].endswith(", missed") is not is_met


def test_a_reason_does_not_excuse_from_a_bound() -> None:
    measure = Measure("price change, ms", ".0f", most=500.0, reason="one message each")
    assert measure.is_met(spreads(1.0, 400.0))
    assert not measure.is_met(spreads(1.0, 600.0))


def test_the_table_has_a_line_for_each_measure() -> None:
    few, many = Found(), Found()
    for found, trade_ms in ((few, 10.0), (many, 20.0)):
        found.note(FLAT, trade_ms)
        found.note(GROWS, trade_ms)
    assert not are_met((FLAT, GROWS), (few, many))
    assert are_met((GROWS,), (few, many))
    lines = show((FLAT, GROWS), {"few": few, "many": many}).splitlines()
    assert lines[2].startswith("| trade, ms | 10.0 (10.0 to 10.0) | 20.0 (20.0 to 20.0) | 2.00 |")
    assert lines[3].endswith("| it reads all |")


def test_every_page_and_order_that_is_asked_for_is_there() -> None:
    asked = histories.paths_of(1000, random.Random(1))
    numbers = [int(path.rpartition("=")[2]) for path in asked[histories.LOOK_UP]]
    assert min(numbers) >= 1
    assert max(numbers) <= 1000
    for measure in (histories.MIDDLE, histories.OLDEST):
        cursors = [int(path.rpartition("=")[2]) for path in asked[measure]]
        assert min(cursors) > histories.PAGE, "each page is full"
        assert max(cursors) <= 1000


def test_a_crowd_that_falls_to_one_worker_gains_nothing() -> None:
    def could_give(*shares: float) -> float:
        one = Contestant("two workers", "", 0, cpu_us=[20.0] * len(shares), shares=list(shares))
        return hits.capacity(one).median

    assert could_give(1.0) == 50_000
    assert could_give(0.5) == 100_000
    assert could_give(0.5, 0.8, 1.0) == 62_500


def test_the_steps_of_a_hit_and_what_joins_them_are_all_of_it() -> None:
    steps = Steps(wait=1, receive=1, find=1, environ=1, answer=2, pack=1, send=4, whole=13)
    loaded = [Contestant(name, "", 0, cpu_us=[21.0]) for name in (hits.ONE, hits.TWO, hits.BARE)]
    lines = [line.split() for line in hits.describe([steps] * 3, loaded)[2:]]
    assert sum(float(line[0]) for line in lines[:-3]) == float(lines[-3][0]) == 13
    assert [line[-1] for line in lines[-2:]] == ["worker", "callable"]
