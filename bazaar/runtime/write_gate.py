"""Has this process's writers wait while a checkpoint needs the lock on writing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

GATE_S = 0.5
"""That a writer waits for a checkpoint, at most."""


class WriteGate:
    """
    Has this process's writers wait while it is closed.

    SQLite's lock on writing has no queue: a busy writer would get it again and again.
    """

    def __init__(self) -> None:
        self._is_open = threading.Event()
        self._is_open.set()

    def wait(self) -> None:
        """Go on as soon as it is open, or after GATE_S."""
        if not self._is_open.is_set():
            self._is_open.wait(GATE_S)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Close it for a while; whoever writes already goes on."""
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()


gate = WriteGate()
