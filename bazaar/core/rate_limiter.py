"""
A bucket of tokens for names that turn out to be unknown (I10).

Unknown names are not cached, so each one costs the catalog a query; whoever asks for many of them
waits. Names that exist cost nothing, so a cold cache fills at full speed. Left out: who asks. The
limit is one front-end process's.
"""

from dataclasses import dataclass

from bazaar.core.failures import Busy


@dataclass(slots=True)
class RateLimiter:
    """How many more unknown names may be asked for; `burst` at most, `per_s` more each second."""

    per_s: float
    burst: int
    spent: float = 0.0
    at_s: float = 0.0

    def admit(self, now_s: float) -> None:
        """Let a question pass whose name may be unknown. Raises Busy (definite)."""
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
