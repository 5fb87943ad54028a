"""
An alarm that rings in time.

Event loops wake up to a millisecond late, which is more than a hit takes.
"""

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable

from bazaar import clock


class Ticker:
    """Calls back, in the event loop, at given times."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self._thread.start()

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        """Call at a time of the monotonic clock."""
        with self._changed:
            heapq.heappush(self._alarms, (when_s, next(self._numbers), call))
            if self._alarms[0][2] is call:
                self._changed.notify()

    def close(self) -> None:
        """Forget all alarms and end."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._is_over:
                    return
                if not self._alarms:
                    self._changed.wait()
                    continue
                left_s = self._alarms[0][0] - clock.monotonic_s()
                if left_s > 0:
                    self._changed.wait(left_s)
                    continue
                _, _, call = heapq.heappop(self._alarms)
            self._loop.call_soon_threadsafe(call)
