"""
A connection to a database server that is kept, and made anew when it was lost.

Django notices that at the beginning of a request. Most of our threads serve no request of Django's,
so it is looked at before each use instead: a connection that has failed is replaced, and one that
had an error, or that nobody used for a while, is tried first. Of several hosts the one that
answered last comes first. All threads use one node: when one of them is led to another, the others
connect anew (`DatabaseSite`).
"""

import threading
from collections.abc import Callable, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from bazaar import clock

TRIED_AFTER_S = 1.0
"""A connection that nobody used for so long may have been ended by the server."""
Host = tuple[str, str]
"""Name and port."""


def _ignore() -> None:
    """Do nothing: no room listens."""


class DatabaseSite:
    """
    The node of a database that this process uses.

    One that was replaced may go on answering reads, so whoever is connected there leaves it as soon
    as anybody has met another node.
    """

    def __init__(self) -> None:
        self.moves = 0
        """How often another node was used from then on."""
        self.on_move: Callable[[], None] = _ignore
        """Called by the thread that has met another node."""
        self._node = ""
        self._lock = threading.Lock()

    def note(self, node: str) -> int:
        """Note which node a new connection has led to; return the number of moves then."""
        with self._lock:
            has_moved = self._node not in ("", node)
            self._node, self.moves = node, self.moves + has_moved
            if has_moved:
                self.on_move()
            return self.moves


site = DatabaseSite()


class KeptConnection(BaseDatabaseWrapper):
    """Mixed into a backend of Django's."""

    used_s = 0.0
    """When this connection was used last."""
    moves = 0
    """The number of moves of the site when it was opened."""

    def ensure_connection(self) -> None:
        """Open a connection unless there is a good one. Raises django.db.DatabaseError."""
        now_s, used_s = clock.monotonic_s(), self.used_s
        self.used_s = now_s
        if self.connection is not None and not self.in_atomic_block:
            is_doubtful = self.errors_occurred or now_s - used_s > TRIED_AFTER_S
            is_elsewhere = self.moves != site.moves
            if is_elsewhere or self.has_failed() or (is_doubtful and not self.is_usable()):
                self.close()
            self.errors_occurred = False  # Django notes errors there
        super().ensure_connection()

    def has_failed(self) -> bool:
        """Tell whether the driver knows that the connection is gone."""
        raise NotImplementedError


class HostOrder:
    """The hosts of a database, the one that answered last first."""

    def __init__(self) -> None:
        self._first: Host | None = None

    def sort(self, hosts: Sequence[Host]) -> list[Host]:
        """Return the hosts in the order in which they are to be tried."""
        return sorted(hosts, key=lambda host: host != self._first)

    def note(self, host: Host) -> None:
        """Note which one has answered."""
        self._first = host


def split_hosts(host: str, port: str) -> list[Host]:
    """Return the hosts of Django's settings, where they have commas between them."""
    return list(zip(host.split(","), port.split(","), strict=True)) if host else []
