"""
HTTP inside the cluster: kept connections, signed requests, one kind of failure (ADR 0004).

The standard library's client, because it costs less than half of what `requests` does and the hops
are most of a trade. A server may end an idle connection at any time, so a call that dies on a kept
connection before an answer began is sent once more on a new one; every message may arrive twice.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Protocol

from bazaar.core.failures import Unreachable
from bazaar.protocol.signing import sign

IDLE_CONNECTIONS_MAX = 32
"""Kept connections to one listener."""
ANSWER_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: any status; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """How a typed client reaches one listener."""

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        """
        Send one request and return the answer, whatever its status.

        path: with its query, already encoded. timeout_s: for connecting and for each wait.
        Raises Unreachable (indefinite): refused, cut, silent or garbled.
        """


class _Connection(HTTPConnection):
    """A connection whose socket is there while it connects, so that `abort` can end that too."""

    timeout: float
    is_aborted = False

    def connect(self) -> None:
        """Connect to the first address of the host. Raises OSError."""
        family, kind, protocol, _, address = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        )[0]
        self.sock = socket.socket(family, kind, protocol)
        self.sock.settimeout(self.timeout)
        self.check()
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.check()

    def check(self) -> None:
        """Raise ConnectionAbortedError once given up, socket or not."""
        if self.is_aborted:
            raise ConnectionAbortedError("given up")


class HttpTransport:
    """One listener of another process, with a pool of kept connections; safe for many threads."""

    def __init__(
        self, address: tuple[str, int], secret: bytes, wall_s: Callable[[], float]
    ) -> None:
        """wall_s: the clock for signatures, seconds since 1970."""
        self.address, self._secret, self._wall_s = address, secret, wall_s
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._lock = threading.Lock()

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        """Send one request; see `Transport.call`."""
        headers = {"Authorization": sign(self._secret, method, path, body, self._wall_s())}
        if body:
            headers["Content-Type"] = "application/json"
        connection, is_kept = self._take(timeout_s)
        was_sent = False
        try:
            try:
                return self._exchange(connection, method, path, body, headers)
            except (ConnectionError, HTTPException):
                if not is_kept or connection.is_aborted:
                    raise
            # The other side ended the kept connection while it was idle, or died after it read us.
            was_sent = True
            self._drop(connection)
            connection = self._open(timeout_s)
            return self._exchange(connection, method, path, body, headers)
        except (OSError, HTTPException, ValueError) as error:
            self._drop(connection)
            raise self._unreachable(error, was_sent=was_sent) from error

    def abort(self) -> None:
        """End every call that is under way; each raises Unreachable at once."""
        with self._lock:
            busy = tuple(self._busy)
            for connection in busy:
                connection.is_aborted = True
        for connection in busy:
            sock = connection.sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the kept connections; the next call opens a new one."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _exchange(
        self,
        connection: _Connection,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Reply:
        if connection.sock is None:
            connection.connect()
        connection.request(method, path, body=body or None, headers=dict(headers))
        response = connection.getresponse()
        content = _read(response)
        if response.will_close:
            self._drop(connection)
        else:
            self._keep(connection)
        answered = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, answered, content)

    def _take(self, timeout_s: float) -> tuple[_Connection, bool]:
        with self._lock:
            if self._idle:
                connection = self._idle.pop()
                self._busy.add(connection)
                connection.timeout = timeout_s
                if connection.sock is not None:
                    connection.sock.settimeout(timeout_s)
                return connection, True
        return self._open(timeout_s), False

    def _open(self, timeout_s: float) -> _Connection:
        try:
            connection = _Connection(*self.address, timeout=timeout_s)
        except HTTPException as error:
            raise self._unreachable(error, was_sent=False) from error
        with self._lock:
            self._busy.add(connection)
        return connection

    def _keep(self, connection: _Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
            if len(self._idle) < IDLE_CONNECTIONS_MAX and not connection.is_aborted:
                self._idle.append(connection)
                return
        connection.close()

    def _drop(self, connection: _Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.close()

    def _unreachable(self, error: Exception, *, was_sent: bool) -> Unreachable:
        host, port = self.address
        is_refused = isinstance(error, ConnectionRefusedError)
        reason = str(error) or type(error).__name__
        return Unreachable(
            f"{host}:{port} did not answer: {reason}",
            is_refused=is_refused,
            was_sent=was_sent or not is_refused,
        )


def _read(response: HTTPResponse) -> bytes:
    content = response.read(ANSWER_BYTES_MAX)
    if not response.isclosed():
        raise ValueError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
    return content
