"""Offsets between clocks: what exchanges allow, and chains of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.clock_offsets import Exchange, estimate_offset, find_offsets

DELAYS = st.floats(0, 2)
OFFSETS = st.floats(-1000, 1000)


def exchange(offset_s: float, there_s: float, back_s: float, work_s: float = 1.0) -> Exchange:
    """Return an exchange with a receiver whose clock is ahead by an offset."""
    received_s = 100 + there_s
    answered_s = received_s + work_s
    return Exchange(100, received_s + offset_s, answered_s + offset_s, answered_s + back_s)


@given(OFFSETS, st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=5))
def test_an_estimate_is_off_by_half_of_the_quickest_exchange_at_most(
    offset_s: float, delays: list[tuple[float, float]]
) -> None:
    estimated = estimate_offset(exchange(offset_s, *delay) for delay in delays)
    assert abs(estimated - offset_s) <= min(sum(delay) for delay in delays) / 2 + 1e-6


@given(OFFSETS, st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=5))
def test_no_message_comes_before_it_was_sent(
    offset_s: float, delays: list[tuple[float, float]]
) -> None:
    exchanges = [exchange(offset_s, *delay) for delay in delays]
    estimated = estimate_offset(exchanges)
    for one in exchanges:
        assert one.received_s - estimated >= one.sent_s - 1e-6
        assert one.answered_s - estimated <= one.returned_s + 1e-6


@given(OFFSETS, OFFSETS, DELAYS)
def test_a_chain_of_exchanges_adds_up_in_both_directions(
    ours_s: float, theirs_s: float, delay_s: float
) -> None:
    links = {
        ("a", "b"): [exchange(ours_s, delay_s, delay_s)],
        ("c", "b"): [exchange(ours_s - theirs_s, delay_s, delay_s)],
    }
    assert find_offsets("a", links) == {
        "a": 0.0,
        "b": pytest.approx(ours_s),
        "c": pytest.approx(theirs_s, abs=1e-6),
    }


def test_a_clock_that_nobody_has_talked_to_is_not_known() -> None:
    assert find_offsets("a", {("b", "c"): [exchange(1, 0, 0)]}) == {"a": 0.0}
