"""
A connection to a database server that is kept, and made anew when it was lost.

Django notices that at the beginning of a request. Most of our threads serve no request of Django's,
so it is looked at before each use instead: a connection that has failed is replaced, and one that
had an error, or that nobody used for a while, is tried first. Of several hosts the one that
answered last comes first.
"""

from collections.abc import Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from bazaar import clock

TRIED_AFTER_S = 1.0
"""A connection that nobody used for so long may have been ended by the server."""
Host = tuple[str, str]
"""Name and port."""


class KeptConnection(BaseDatabaseWrapper):
    """Mixed into a backend of Django's."""

    used_s = 0.0
    """When this connection was used last."""

    def ensure_connection(self) -> None:
        """Open a connection unless there is a good one. Raises django.db.DatabaseError."""
        now_s, used_s = clock.monotonic_s(), self.used_s
        self.used_s = now_s
        if self.connection is not None and not self.in_atomic_block:
            is_doubtful = self.errors_occurred or now_s - used_s > TRIED_AFTER_S
            if self.has_failed() or (is_doubtful and not self.is_usable()):
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
