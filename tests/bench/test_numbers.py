"""Medians, ratios within a round."""

from bench.numbers import Spread, best, least, ratio


def test_a_spread_has_the_median_and_both_ends() -> None:
    found = Spread((3.0, 1.0, 10.0))
    assert (found.least, found.median, found.most) == (1.0, 3.0, 10.0)


def test_a_ratio_compares_within_each_round() -> None:
    """A machine that is slow in one round is slow for both."""
    assert ratio(Spread((10.0, 20.0, 1.0)), Spread((5.0, 10.0, 2.0))).rounds == (2.0, 2.0, 0.5)


def test_the_better_one_is_chosen_round_by_round() -> None:
    both = (Spread((1.0, 5.0)), Spread((2.0, 4.0)))
    assert best(both).rounds == (2.0, 5.0)
    assert least(both).rounds == (1.0, 4.0)
