"""Simulated time: what happens next, and when. No thread, no sleep, no real clock."""

from collections.abc import Callable
from heapq import heappop, heappush

Action = Callable[[], object]


class Events:
    """A queue of actions in the order of their time; equal times keep the order of arrival."""

    __slots__ = ("_count", "_heap", "now_s")

    def __init__(self) -> None:
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Action]] = []
        self._count = 0

    def after(self, delay_s: float, action: Action) -> None:
        """Let `action` happen `delay_s` from now."""
        self._count += 1
        heappush(self._heap, (self.now_s + delay_s, self._count, action))

    def pop(self) -> Action:
        """Go to the next moment at which something happens, and return what."""
        self.now_s, _, action = heappop(self._heap)
        return action

    def is_due(self, until_s: float) -> bool:
        """Tell whether anything happens up to `until_s`."""
        return bool(self._heap) and self._heap[0][0] <= until_s
