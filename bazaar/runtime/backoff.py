"""When to try again what keeps failing, and when to say so."""

from bazaar.runtime.waits import Waits

FIRST_S = 0.05
"""Between the first failure and the next attempt; then twice as long each time."""
MOST_S = 1.5


class Backoff:
    """Attempts of one thread; chance cuts each pause, so that many do not meet."""

    def __init__(self, waits: Waits) -> None:
        """Have no failure yet."""
        self._waits = waits
        self._next_s = 0.0
        self._reasons: set[str] = set()
        self.failures = 0
        """In a row."""

    def is_due(self) -> bool:
        """Tell whether it is time for an attempt; always after a success."""
        return not self.failures or self._waits.now_s() >= self._next_s

    def fail(self, reason: str, most_s: float = MOST_S) -> bool:
        """
        Note a failure; return whether there was none for this reason in the row.

        most_s: until the next attempt.
        """
        pause_s = min(FIRST_S * 2.0 ** min(self.failures, 16), most_s)
        self._next_s = self._waits.now_s() + pause_s * (1 + self._waits.draw()) / 2
        self.failures += 1
        is_new = reason not in self._reasons
        self._reasons.add(reason)
        return is_new

    def succeed(self) -> int:
        """Note a success; return how many failures were before it."""
        failures, self.failures = self.failures, 0
        self._reasons.clear()
        return failures
