"""Which silence is unusual: docs/adr/0051."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.failure_detector import (
    HALF_LIFE_S,
    LOOK_S,
    PATIENCE_SHARE_MIN,
    SLOWNESS_FACTOR,
    FailureDetector,
    Silence,
)

MAX_S = 0.5
MIN_S = PATIENCE_SHARE_MIN * MAX_S
BEGUN_S = 1000.0


def wait(silence: Silence, length_s: float, now_s: float = BEGUN_S) -> float:
    """Look often enough for so long; return when that ends."""
    until_s = now_s + length_s
    while now_s < until_s:
        now_s = min(now_s + LOOK_S, until_s)
        silence.look(now_s)
    return now_s


def hear_after(detector: FailureDetector, took_s: float, now_s: float = BEGUN_S) -> float:
    """Let an answer take so long; return when it has come."""
    silence = detector.begin(now_s)
    heard_s = wait(silence, took_s, now_s)
    detector.hear(silence, heard_s)
    return heard_s


def test_a_quick_process_is_suspected_after_half_of_the_longest_patience() -> None:
    detector = FailureDetector(MAX_S)
    heard_s = hear_after(detector, 0.005)
    assert detector.patience_s(heard_s) == MIN_S


def test_a_leader_that_is_slow_for_200_ms_is_not_suspected() -> None:
    """Issue 18: however quick it was before."""
    silence = FailureDetector(MAX_S).begin(BEGUN_S)
    wait(silence, 0.2)
    assert not silence.is_unusual
    wait(silence, 0.1, BEGUN_S + 0.2)
    assert silence.is_unusual


def test_after_a_slow_answer_a_slower_one_is_usual() -> None:
    detector = FailureDetector(MAX_S)
    heard_s = hear_after(detector, 0.12)
    assert detector.patience_s(heard_s) == pytest.approx(SLOWNESS_FACTOR * 0.12)


def test_a_quick_answer_does_not_make_a_slow_one_forgotten() -> None:
    detector = FailureDetector(MAX_S)
    heard_s = hear_after(detector, 0.001, hear_after(detector, 0.12))
    assert detector.patience_s(heard_s) == pytest.approx(SLOWNESS_FACTOR * 0.12, rel=0.01)


def test_a_slow_answer_counts_for_less_as_time_passes() -> None:
    detector = FailureDetector(MAX_S)
    heard_s = hear_after(detector, 0.16)
    later_s = heard_s + HALF_LIFE_S / 2
    assert MIN_S < detector.patience_s(later_s) < detector.patience_s(heard_s)
    assert detector.patience_s(heard_s + 10 * HALF_LIFE_S) == MIN_S


@pytest.mark.parametrize("stood_still_s", [0.2, 1.0, 60.0])
def test_time_in_which_the_watcher_stood_still_is_no_silence(stood_still_s: float) -> None:
    """The whole machine stopped, or this process: the other one gets its time afterwards."""
    silence = FailureDetector(MAX_S).begin(BEGUN_S)
    resumed_s = wait(silence, 0.1) + stood_still_s
    silence.look(resumed_s)
    assert silence.silent_s == pytest.approx(0.1 + LOOK_S)
    assert not silence.is_unusual
    wait(silence, MIN_S, resumed_s)
    assert silence.is_unusual


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 100)), max_size=20))
def test_patience_stays_within_its_bounds(answers: list[tuple[float, float]]) -> None:
    """So a dead process is found in bounded time, and a stall of 200 ms is not taken for death."""
    detector, now_s = FailureDetector(MAX_S), BEGUN_S
    for took_s, pause_s in answers:
        now_s = hear_after(detector, took_s, now_s) + pause_s
        assert MIN_S <= detector.patience_s(now_s) <= MAX_S


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=40))
def test_no_more_is_counted_than_has_passed(gaps_s: list[float]) -> None:
    silence, now_s = Silence(BEGUN_S, MAX_S), BEGUN_S
    for gap_s in gaps_s:
        now_s += gap_s
        silence.look(now_s)
    assert silence.silent_s <= min(sum(gaps_s), LOOK_S * len(gaps_s)) + 1e-6
