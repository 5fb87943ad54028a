"""
Rate limiters: so many at once, and so many more a second (I10).

Each is a leaky bucket: one for a thing that all callers share, or one for each of many callers. How
many callers are remembered is bounded.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from bazaar.core.failures import Busy, RateLimited

CALLERS_MAX = 10_000
"""Callers that are remembered; the one that was silent for longest is forgotten first."""


@dataclass(slots=True)
class RateLimiter:
    """
    What may still be done.

    At most `burst` at once, and `per_s` more each second.
    """

    per_s: float
    burst: int
    spent: float = 0.0
    at_s: float = 0.0

    def admit(self, now_s: float) -> None:
        """Admit one, which `count` notes. Raises Busy (definite)."""
        if self.wait_s(now_s):
            raise Busy

    def wait_s(self, now_s: float) -> float:
        """Return in how many seconds one more is admitted; 0: now."""
        self._refill(now_s)
        return max(0.0, (self.spent + 1.0 - self.burst) / self.per_s)

    def count(self, now_s: float) -> None:
        """Note that one was done."""
        self._refill(now_s)
        self.spent += 1.0

    def _refill(self, now_s: float) -> None:
        self.spent = max(0.0, self.spent - (now_s - self.at_s) * self.per_s)
        self.at_s = now_s


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What one caller may do: `count_max` at once, and as many more in `window_s`."""

    name: str
    """What it counts by; it is in the answer (`RateLimit-Policy`)."""
    count_max: int
    window_s: float


class CallerLimiter:
    """A rate limiter for each caller; for one thread at a time."""

    def __init__(self, limit: RateLimit, callers_max: int = CALLERS_MAX) -> None:
        """callers_max: how many are remembered."""
        self.limit, self._callers_max = limit, callers_max
        self._callers: OrderedDict[Hashable, RateLimiter] = OrderedDict()

    def __len__(self) -> int:
        """Return how many callers are remembered."""
        return len(self._callers)

    def count(self, caller: Hashable, now_s: float) -> None:
        """Count a request of a caller. Raises RateLimited (definite): it is one too many."""
        limiter = self._callers.get(caller)
        if limiter is None:
            limit = self.limit
            limiter = RateLimiter(limit.count_max / limit.window_s, limit.count_max, at_s=now_s)
            self._callers[caller] = limiter
            if len(self._callers) > self._callers_max:
                self._callers.popitem(last=False)
        else:
            self._callers.move_to_end(caller)
        if wait_s := limiter.wait_s(now_s):
            raise RateLimited.over(
                self.limit.name, self.limit.count_max, self.limit.window_s, wait_s
            )
        limiter.count(now_s)
