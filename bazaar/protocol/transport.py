"""
HTTP inside the cluster: kept connections and signed requests.

A server may end an idle connection at any time, so a call that dies on a kept connection before an
answer began is sent once more on a new one; every message may arrive twice. For a fan-out one
thread begins calls to many listeners (`HttpTransport.begin`) and then takes their answers under one
deadline (`PendingCall.finish`, docs/adr/0023).
"""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bazaar import clock
from bazaar.core.failures import Unreachable
from bazaar.protocol import identity, tracing
from bazaar.protocol.connection import ClientConnection, EndedError
from bazaar.protocol.http1 import Reply, pack_request
from bazaar.protocol.signing import sign

IDLE_CONNECTIONS_MAX = 32
"""Kept connections to one listener."""
FINISH_WAIT_MIN_S = 0.001
"""How long an answer is waited for when others have used up the time until the deadline."""

T = TypeVar("T")


class Transport(Protocol):
    """How a typed client reaches one listener."""

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        """
        Send one request and return the answer, whatever its status.

        path: with its query, already encoded. timeout_s: for connecting and for each wait.
        Raises Unreachable (indefinite): refused, cut, silent or garbled.
        """


class HttpTransport:
    """
    One listener of another process, with a pool of kept connections.

    Safe for many threads.
    """

    def __init__(
        self,
        address: tuple[str, int],
        receiver: str,
        secret: bytes,
        wall_s: Callable[[], float],
    ) -> None:
        """
        Prepare; the first call connects.

        receiver: the name that requests are signed for. wall_s: the clock for signatures, seconds
        since 1970.
        """
        self.address, self._receiver = address, receiver
        self._secret, self._wall_s = secret, wall_s
        self._idle: list[ClientConnection] = []
        self._busy: set[ClientConnection] = set()
        self._lock = threading.Lock()

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        """Send one request; see `Transport.call`."""
        was_sent = False
        connection, is_kept = self._take(timeout_s)
        try:
            request = self._pack(method, path, body)
            try:
                reply = connection.exchange(request)
            except EndedError:
                if not is_kept or connection.is_aborted:
                    raise
                # The other side ended the kept connection while it was idle, or died after it read.
                was_sent = True
                self._drop(connection)
                connection = self._open(timeout_s)
                reply = connection.exchange(request)
        except (OSError, ValueError) as error:
            self._drop(connection)
            raise self._fail(error, was_sent=was_sent) from error
        self._release(connection)
        return reply

    def begin(
        self, method: str, path: str, body: bytes, read: Callable[[Reply], T]
    ) -> "PendingCall[T] | None":
        """
        Send a request on a kept connection and return at once; None without one.

        read: makes the result of the answer, or raises Failure. Nothing is sent a second time, so
        connections that the other side has ended meanwhile are left out.
        """
        connection = self._take_quiet()
        if connection is None:
            return None
        try:
            if connection.send_at_once(self._pack(method, path, body)):
                return PendingCall(self, connection, read)
        except (OSError, ValueError):
            pass  # not all of it was sent, so the other side has no request
        self._drop(connection)
        return None

    def finish(self, connection: ClientConnection, timeout_s: float) -> Reply:
        """Return the answer to a call that was begun. Raises Unreachable (indefinite)."""
        try:
            connection.set_timeout(timeout_s)
            reply = connection.receive()
        except (OSError, ValueError) as error:
            self._drop(connection)
            raise self._fail(error, was_sent=True) from error
        self._release(connection)
        return reply

    def take(self, connection: ClientConnection) -> Reply | None:
        """Read once what has come of an answer; None: it is not whole. Raises Unreachable."""
        try:
            reply = connection.receive_ready()
        except (OSError, ValueError) as error:
            self._drop(connection)
            raise self._fail(error, was_sent=True) from error
        if reply is not None:
            self._release(connection)
        return reply

    def give_up(self, connection: ClientConnection) -> None:
        """End a call that was begun, after a silence; the next one connects anew."""
        self._drop(connection)
        self.close()

    def abort(self) -> None:
        """End every call that is under way; each raises Unreachable at once."""
        with self._lock:
            for connection in self._busy:
                connection.abort()

    def abort_one(self, connection: ClientConnection) -> None:
        """End a call that was begun on a connection, if its answer is still due."""
        with self._lock:
            if connection in self._busy:
                connection.abort()

    def close(self) -> None:
        """End the kept connections; the next call opens a new one."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self, timeout_s: float) -> tuple[ClientConnection, bool]:
        with self._lock:
            if self._idle:
                connection = self._idle.pop()
                self._busy.add(connection)
                connection.set_timeout(timeout_s)
                return connection, True
        return self._open(timeout_s), False

    def _take_quiet(self) -> ClientConnection | None:
        """Return a kept connection that is still open; None without one."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
                self._busy.add(connection)
            if connection.is_quiet:
                return connection
            self._drop(connection)

    def _open(self, timeout_s: float) -> ClientConnection:
        connection = ClientConnection(self.address, timeout_s)
        with self._lock:
            self._busy.add(connection)
        return connection

    def _pack(self, method: str, path: str, body: bytes) -> bytes:
        now_s = self._wall_s()
        signature = sign(self._secret, self._receiver, method, path, body, now_s)
        headers = {"Authorization": signature}
        if span := tracing.current():
            headers.update(span.context.headers)
        if cluster := identity.cluster():
            headers[identity.HEADER] = cluster
        if body:
            headers["Content-Type"] = "application/json"
        return pack_request(method, path, self.address, headers, body)

    def _release(self, connection: ClientConnection) -> None:
        if connection.is_kept:
            self._keep(connection)
        else:
            self._drop(connection)

    def _keep(self, connection: ClientConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
            if len(self._idle) < IDLE_CONNECTIONS_MAX and not connection.is_aborted:
                self._idle.append(connection)
                return
        connection.close()

    def _drop(self, connection: ClientConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.close()

    def _fail(self, error: Exception, *, was_sent: bool) -> Unreachable:
        """Return the failure to raise; after a silence the next call connects, and resolves."""
        if isinstance(error, TimeoutError):
            self.close()
        host, port = self.address
        is_refused = isinstance(error, ConnectionRefusedError)
        reason = str(error) or type(error).__name__
        return Unreachable(
            f"{host}:{port} did not answer: {reason}",
            is_refused=is_refused,
            was_sent=was_sent or not is_refused,
        )


@dataclass(frozen=True, slots=True)
class PendingCall(Generic[T]):
    """A call that was sent, and whose answer is not read yet."""

    transport: HttpTransport
    connection: ClientConnection
    read: Callable[[Reply], T]

    def finish(self, until_s: float) -> T:
        """
        Wait for the answer and return what it says. Call this once, whatever happens.

        until_s: on the monotonic clock. Raises Unreachable (indefinite), and what `read` raises.
        """
        timeout_s = max(until_s - clock.monotonic_s(), FINISH_WAIT_MIN_S)
        return self.read(self.transport.finish(self.connection, timeout_s))

    @property
    def sock(self) -> socket.socket:
        """Where the answer will come."""
        assert self.connection.sock is not None, "the request was sent there"
        return self.connection.sock

    def take(self) -> T | None:
        """
        Read once what has come, when there is something to read; None: it is not all.

        Raises Unreachable (indefinite), and what `read` raises. Call this or `finish`, not both.
        """
        reply = self.transport.take(self.connection)
        return None if reply is None else self.read(reply)

    def give_up(self) -> None:
        """Wait no more; instead of the last `take`."""
        self.transport.give_up(self.connection)

    def abort(self) -> None:
        """End the wait, from another thread: `finish` raises Unreachable at once."""
        self.transport.abort_one(self.connection)
