"""
Reads that wait for a catalog which an operator restarts (docs/adr/0039).

A read that memory cannot answer fails at once while the catalog is away, because nobody knows for
how long. During a restart that was announced somebody does: such reads are kept, and tried again by
the thread that keeps the lease. So they need no thread.
"""

import threading
from collections.abc import Callable

PARKED_MAX = 4096
"""Reads that are kept at once; past it they fail as ever."""


class ParkedReads:
    """The reads of one front end that wait; safe for many threads."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """now_s: a monotonic clock."""
        self._now_s, self._until_s = now_s, 0.0
        self._waiting: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, for_s: float) -> None:
        """Expect the catalog to be away, for so many seconds at most."""
        self._until_s = self._now_s() + for_s

    def park(self, again: Callable[[], None]) -> bool:
        """Keep a read that has failed; return False when it is not to be tried again."""
        with self._lock:
            if self._now_s() >= self._until_s or len(self._waiting) >= PARKED_MAX:
                return False
            self._waiting.append(again)
        return True

    def resume(self) -> None:
        """Try all again; what fails again is kept again, or fails for good."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for again in waiting:
            again()
