"""
Draining: a server ends, and no request fails: another one has taken over.

Nothing is accepted any more, and each answer says that its connection ends with it, so clients go
to the successor by themselves. A connection on which nothing comes is kept for a while: closed at
once, it would cross a request that is on its way.
"""

from collections.abc import Collection, Iterable
from typing import Protocol


class DrainLimits(Protocol):
    """How long a drain may take, in seconds."""

    @property
    def drain_s(self) -> float:
        """In all."""
        ...

    @property
    def drain_idle_s(self) -> float:
        """For a connection without a request."""
        ...


class Drained(Protocol):
    """A connection as a drain sees it."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress."""
        ...

    since_s: float

    def close(self) -> None:
        """End it."""
        ...


class Drain:
    """One drain, from its beginning."""

    def __init__(self, began_s: float, limits: DrainLimits) -> None:
        """began_s: on the monotonic clock."""
        self._began_s, self._until_s = began_s, began_s + limits.drain_s
        self._idle_s = limits.drain_idle_s

    def step(self, connections: Collection[Drained], now_s: float) -> bool:
        """Close what has been idle for long; return whether the drain is over."""
        for connection in self._find_idle(list(connections), now_s):
            connection.close()
        return not connections or now_s >= self._until_s

    def _find_idle(self, connections: Iterable[Drained], now_s: float) -> list[Drained]:
        return [
            one
            for one in connections
            if one.is_idle and now_s - max(one.since_s, self._began_s) >= self._idle_s
        ]
