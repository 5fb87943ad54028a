"""Sockets of calls to others, in a server's event loop (docs/adr/0033)."""

import contextlib
import select
import socket
from collections.abc import Callable
from functools import partial


class Watches:
    """What is waited for at sockets that are no connections of the server's own."""

    def __init__(
        self, epoll: select.epoll, call_soon: Callable[[Callable[[], None]], None]
    ) -> None:
        """epoll: the server's. call_soon: does something at the end of a turn."""
        self._epoll, self._call_soon = epoll, call_soon
        self._waiting: dict[int, tuple[float, Callable[[bool], None]]] = {}
        self._registered: dict[int, socket.socket] = {}
        """Those that epoll knows, also between two calls: a call costs no change there."""

    def __contains__(self, fd: int) -> bool:
        """Tell whether a descriptor is one of these sockets."""
        return fd in self._registered

    def __len__(self) -> int:
        """Return how many sockets are waited for."""
        return len(self._waiting)

    def begin(self, sock: socket.socket, until_s: float, action: Callable[[bool], None]) -> None:
        """Wait for something to read; see `EventLoop.when_readable`."""
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
