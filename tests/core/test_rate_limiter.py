"""Unknown names cost their asker, not the catalog (I10)."""

import pytest

from bazaar.core.failures import Busy
from bazaar.core.rate_limiter import RateLimiter


def test_names_that_exist_cost_nothing() -> None:
    limiter = RateLimiter(per_s=1.0, burst=2)
    for _ in range(100):
        limiter.admit(0.0)


def test_a_flood_of_unknown_names_is_refused_until_time_has_passed() -> None:
    """I10: the limit is named, and the caller is told to come back."""
    limiter = RateLimiter(per_s=1.0, burst=2)
    for _ in range(2):
        limiter.admit(10.0)
        limiter.count(10.0)
    with pytest.raises(Busy):
        limiter.admit(10.0)
    limiter.admit(10.1)


def test_time_gives_back_no_more_than_the_burst() -> None:
    limiter = RateLimiter(per_s=1.0, burst=2)
    limiter.count(0.0)
    limiter.admit(1000.0)
    for _ in range(2):
        limiter.count(1000.0)
    with pytest.raises(Busy):
        limiter.admit(1000.0)
