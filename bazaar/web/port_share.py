"""
How the workers of a front end share connections (docs/adr/0057).

They have one socket that listens, and a table in memory with how many connections each has. Whoever
has no more than any other accepts at once. The others leave what waits to it for a moment, and then
take a few: it may be busy, or dead.
"""

from collections.abc import MutableSequence

PAUSE_S = 0.001
"""How long a worker leaves what waits to those with fewer connections."""
ALLOWED_S = 1.0
"""After that, how long it may accept a few: those that wait are accepted at once then."""
ABSENT = 2**32 - 1
"""In the table, of a worker that does not serve yet."""


class PortShare:
    """One worker's place at a port."""

    def __init__(self, counts: MutableSequence[int], index: int) -> None:
        """
        Begin without connections.

        counts: the table, which all workers see. index: of this worker in it.
        """
        self._counts, self._index = counts, index
        self._allowed, self._from_s = 0, 0.0
        counts[index] = 0

    def allows(self, own: int, now_s: float) -> bool:
        """
        Tell whether to accept one more; otherwise ask again after PAUSE_S.

        own: how many connections this worker has, which the others learn from it.
        """
        self._counts[self._index] = own
        if own <= min(self._counts):
            self._allowed = 0
            return True
        if not self._allowed or now_s > self._from_s + ALLOWED_S:
            self._from_s, self._allowed = now_s + PAUSE_S, 1 + own // 8
        if now_s < self._from_s:
            return False
        self._allowed -= 1
        return True
