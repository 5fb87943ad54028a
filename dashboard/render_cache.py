"""
What pages show, made once for all pages between two polls.

A hundred open pages cost a hundred requests a second, but one reading and one rendering. Bounded
(I10): ENTRIES_MAX entries, the least recently used are dropped.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

ENTRIES_MAX = 64


@dataclass(slots=True)
class _CachedValue:
    """One value, and the moment that it belongs to."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    moment: float | None = None
    value: Any = None


class RenderCache:
    """The newest value of each key; safe for many threads."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, _CachedValue] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, moment: float, make: Callable[[], Any]) -> Any:
        """Return the value of a key at a moment; one caller makes it for all."""
        with self._lock:
            entry = self._entries.setdefault(key, _CachedValue())
            self._entries.move_to_end(key)
            if len(self._entries) > ENTRIES_MAX:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.moment != moment:
                entry.value, entry.moment = make(), moment
            return entry.value

    def clear(self) -> None:
        """Drop all entries: a form changed something, and its page must show it."""
        with self._lock:
            self._entries.clear()
