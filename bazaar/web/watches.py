"""Sockets of calls to others, and times, in an event loop (docs/adr/0033, 0054)."""

import contextlib
import select
import socket
from bisect import insort
from collections.abc import Callable
from functools import partial
from operator import itemgetter

from bazaar import clock


class Watches:
    """What is waited for beside the connections of the server's own."""

    def __init__(
        self, epoll: select.epoll, call_soon: Callable[[Callable[[], None]], None]
    ) -> None:
        """epoll: the server's. call_soon: does something at the end of a turn."""
        self._epoll, self._call_soon = epoll, call_soon
        self._waiting: dict[int, tuple[float, Callable[[bool], None]]] = {}
        self._registered: dict[int, socket.socket] = {}
        """Those that epoll knows, also between two calls: a call costs no change there."""
        self._later: list[tuple[float, Callable[[], None]]] = []
        """In the order of their times."""

    def __contains__(self, fd: int) -> bool:
        """Tell whether a descriptor is one of these sockets."""
        return fd in self._registered

    def __len__(self) -> int:
        """Return how many sockets are waited for."""
        return len(self._waiting)

    def call_at(self, at_s: float, action: Callable[[], None]) -> None:
        """See `EventLoop`."""
        insort(self._later, (at_s, action), key=itemgetter(0))

    def rest_s(self, most_s: float) -> float:
        """Return how long nothing is due, at most `most_s`; do what is due in this turn."""
        if not self._later:
            return most_s
        now_s = clock.monotonic_s()
        while self._later and self._later[0][0] <= now_s:
            self._call_soon(self._later.pop(0)[1])
            most_s = 0.0
        return min([most_s, *(at_s - now_s for at_s, _ in self._later[:1])])

    def when_readable(
        self, sock: socket.socket, until_s: float, action: Callable[[bool], None]
    ) -> None:
        """See `EventLoop`."""
        fd = sock.fileno()
        if self._registered.get(fd) is not sock:  # epoll forgets a socket that is closed
            self._registered[fd] = sock
            self._epoll.register(fd, select.EPOLLIN)
        self._waiting[fd] = until_s, action

    def note_readable(self, fd: int) -> None:
        """Note that there is something to read."""
        if fd in self._waiting:
            self._end(fd, is_readable=True)
        else:  # the other side ended it between two calls
            self._forget(fd)

    def end_late(self, now_s: float) -> None:
        """End the waits whose time is over."""
        for fd in [fd for fd, (until_s, _) in self._waiting.items() if now_s >= until_s]:
            self._forget(fd)
            self._end(fd, is_readable=False)

    def _end(self, fd: int, *, is_readable: bool) -> None:
        """Do what was to be done then, after the connections of this turn."""
        _, action = self._waiting.pop(fd)
        self._call_soon(partial(action, is_readable))

    def _forget(self, fd: int) -> None:
        del self._registered[fd]
        with contextlib.suppress(OSError, ValueError):  # it may be closed by now
            self._epoll.unregister(fd)
