"""
What pages show, made once for all who look at the same between two askings.

A hundred open pages cost as many requests, but one reading and one rendering a second. Bounded
(I10): KEPT_MAX answers, the least recently wanted are forgotten.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

KEPT_MAX = 64


@dataclass(slots=True)
class _Slot:
    """One answer, and the moment it belongs to."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    moment: float | None = None
    value: Any = None


class Shared:
    """The newest answers by what was asked; safe for many threads."""

    def __init__(self) -> None:
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, moment: float, make: Callable[[], Any]) -> Any:
        """Return the answer to `key` at a moment; made by one of those who ask, kept for all."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            if len(self._slots) > KEPT_MAX:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.moment != moment:
                slot.value, slot.moment = make(), moment
            return slot.value

    def clear(self) -> None:
        """Forget all: something was changed from here, and its page is to show it."""
        with self._lock:
            self._slots.clear()
