"""
How long a process may be silent before it is suspected (docs/adr/0051).

From outside a dead process and a slow one look alike; what can be told is an unusual silence. So
the detector waits for a multiple of the longest that an answer took lately, within bounds: adaptive
as accrual failure detectors are (Hayashibara et al., 2004), without a distribution. Time in which
the watcher stood still itself is no silence of the other: `Silence` adds it up by looks, and each
look counts for LOOK_S at most. Left out: what is asked, and what a suspicion leads to (`election`).
"""

import math

PATIENCE_SHARE_MIN = 0.5
"""Of the longest patience; a quicker link is not given less."""
SLOWNESS_FACTOR = 3.0
"""So many times the longest answer of lately is unusual."""
HALF_LIFE_S = 30.0
"""In this time a long answer counts for half."""
LOOK_S = 0.05
"""Between two looks at whether there is an answer, in s."""


class Silence:
    """How long an answer has been waited for; begins with the question."""

    def __init__(self, now_s: float, patience_s: float) -> None:
        """now_s: on a monotonic clock. patience_s: until it is unusual."""
        self.silent_s = 0.0
        """In looks of LOOK_S at most, so without what this process stood still."""
        self._patience_s, self._looked_s = patience_s, now_s

    @property
    def is_unusual(self) -> bool:
        """Whether the other process is to be suspected."""
        return self.silent_s >= self._patience_s

    def look(self, now_s: float) -> None:
        """Note that there is no answer yet, or that it is there now."""
        self.silent_s += min(now_s - self._looked_s, LOOK_S)
        self._looked_s = now_s


class FailureDetector:
    """What is usual for the answers of one process."""

    def __init__(self, patience_max_s: float) -> None:
        """patience_max_s: a longer silence is unusual, whatever there was before."""
        self._patience_max_s = patience_max_s
        self._longest_s = self._heard_s = 0.0

    def begin(self, now_s: float) -> Silence:
        """Begin to wait for an answer."""
        return Silence(now_s, self.patience_s(now_s))

    def hear(self, silence: Silence, now_s: float) -> None:
        """Learn from an answer that has come, be it after a suspicion."""
        silence.look(now_s)
        self._longest_s = max(silence.silent_s, self._usual_s(now_s))
        self._heard_s = now_s

    def patience_s(self, now_s: float) -> float:
        """Return how long an answer may take now."""
        patience_s = max(
            SLOWNESS_FACTOR * self._usual_s(now_s), PATIENCE_SHARE_MIN * self._patience_max_s
        )
        return min(patience_s, self._patience_max_s)

    def _usual_s(self, now_s: float) -> float:
        """Return the longest that an answer took, the less the longer ago."""
        return self._longest_s * math.pow(0.5, (now_s - self._heard_s) / HALF_LIFE_S)
