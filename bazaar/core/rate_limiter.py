"""
Rate limiter for names that don't exist: a token bucket (I10).

Unknown names are not cached, so each one costs the catalog a query. Names that exist cost nothing,
so a cold cache fills at full speed. One limit for all clients of a front-end process.
"""

from dataclasses import dataclass

from bazaar.core.failures import Busy


@dataclass(slots=True)
class RateLimiter:
    """
    The unknown names that may still be asked for.

    At most `burst` at once, and `per_s` more each second.
    """

    per_s: float
    burst: int
    spent: float = 0.0
    at_s: float = 0.0

    def admit(self, now_s: float) -> None:
        """Admit a request whose name may be unknown. Raises Busy (definite)."""
        self._refill(now_s)
        if self.spent >= self.burst:
            raise Busy("Too many unknown names were asked for; try again later.")

    def count(self, now_s: float) -> None:
        """Note that a name was unknown."""
        self._refill(now_s)
        self.spent += 1.0

    def _refill(self, now_s: float) -> None:
        self.spent = max(0.0, self.spent - (now_s - self.at_s) * self.per_s)
        self.at_s = now_s
