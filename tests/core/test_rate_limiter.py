"""So many at once and so many a second, for all callers or for each of many (I10)."""

import pytest

from bazaar.core.failures import Busy, RateLimited
from bazaar.core.rate_limiter import CallerLimiter, RateLimit, RateLimiter


def test_what_is_not_counted_costs_nothing() -> None:
    limiter = RateLimiter(per_s=1.0, burst=2)
    for _ in range(100):
        limiter.admit(0.0)


def test_a_flood_is_refused_until_time_has_passed() -> None:
    """I10: the limit is named, and the caller is told to come back."""
    limiter = RateLimiter(per_s=1.0, burst=2)
    for _ in range(2):
        limiter.admit(10.0)
        limiter.count(10.0)
    with pytest.raises(Busy):
        limiter.admit(10.0)
    with pytest.raises(Busy):
        limiter.admit(10.9)
    limiter.admit(11.0)


def test_time_gives_back_no_more_than_the_burst() -> None:
    limiter = RateLimiter(per_s=1.0, burst=2)
    limiter.count(0.0)
    limiter.admit(1000.0)
    for _ in range(2):
        limiter.count(1000.0)
    with pytest.raises(Busy):
        limiter.admit(1000.0)


LIMIT = RateLimit("address", 4, 2.0)


def take(limiter: CallerLimiter, caller: str, now_s: float) -> float:
    """Count a request; return how long its caller has to wait, 0 when it was admitted."""
    try:
        limiter.count(caller, now_s)
    except RateLimited as limited:
        return limited.wait_s
    return 0.0


def test_each_caller_has_a_limit_of_its_own() -> None:
    limiter = CallerLimiter(LIMIT)
    for caller in ("a", "b"):
        assert [take(limiter, caller, 100.0) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert take(limiter, "a", 100.25) == pytest.approx(0.25)
    assert take(limiter, "a", 100.5) == 0
    assert take(limiter, "a", 100.5) > 0


def test_a_refusal_says_which_limit_it_is_and_costs_nothing() -> None:
    limiter = CallerLimiter(LIMIT)
    for _ in range(4):
        limiter.count("a", 0.0)
    for _ in range(100):
        with pytest.raises(RateLimited, match="4 in 2 s") as caught:
            limiter.count("a", 0.0)
    assert (caught.value.limit, caught.value.count_max, caught.value.window_s) == ("address", 4, 2)
    assert take(limiter, "a", 0.5) == 0


def test_a_crowd_of_callers_takes_bounded_memory_and_the_busiest_stay_known() -> None:
    """I10: who was silent for longest is forgotten first."""
    limiter = CallerLimiter(LIMIT, callers_max=10)
    for number in range(1000):
        if number % 5 == 0:
            take(limiter, "busy", 0.0)
        take(limiter, f"caller {number}", 0.0)
        assert len(limiter) <= 10
    assert take(limiter, "busy", 0.0) > 0
    assert take(limiter, "caller 3", 0.0) == 0
