"""
The socket of one kept connection to a listener (docs/adr/0014).

The socket is our own, so that another thread can end a call that waits.
"""

import contextlib
import select
import socket
import ssl

from bazaar import clock
from bazaar.protocol.http1 import Reply, ReplyParser
from bazaar.protocol.resolver import resolve
from bazaar.protocol.tls import tls

CONNECT_MIN_S = 0.001
"""For an address whose predecessors have used up the time."""
_CHUNK_BYTES = 64 * 1024
_ENDS = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What a connection that the other side has ended raises."""


class EndedError(ConnectionError):
    """The connection was over before an answer began."""


class ClientConnection:
    """A connection that `abort` can end from another thread, even while it connects."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        """timeout_s: for connecting and for each wait."""
        self.address, self.timeout_s = address, timeout_s
        self.sock: socket.socket | None = None
        self.is_aborted = False
        self._parser = ReplyParser()
        self._poll: select.poll | None = None
        """Of the socket; made when it is asked for."""

    @property
    def is_kept(self) -> bool:
        """Whether the other side will take another request."""
        return self._parser.is_kept

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, and nothing has come that nobody asked for."""
        if self.sock is None:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.sock, select.POLLIN)
        return not self._poll.poll(0)

    def exchange(self, request: bytes) -> Reply:
        """
        Send a whole request and return the answer.

        Raises EndedError: the connection was over before an answer began.
        Raises OSError, ValueError: anything else.
        """
        self.send(request)
        return self.receive()

    def send(self, request: bytes) -> None:
        """Send a whole request; connect first where that is due. Raises as `exchange`."""
        sock = self._connect() if self.sock is None else self.sock
        try:
            sock.sendall(request)
        except _ENDS as error:
            raise EndedError(*error.args) from error

    def send_at_once(self, request: bytes) -> bool:
        """
        Send a whole request without a wait, on a connection that is there. Raises as `exchange`.

        False: the other side did not take all of it; the connection is of no use any more.
        """
        sock = self.sock
        assert sock is not None, "it was kept"
        try:
            if not isinstance(sock, ssl.SSLSocket):
                return sock.send(request, socket.MSG_DONTWAIT) == len(request)
            sock.settimeout(0)
            try:
                return sock.send(request) == len(request)
            finally:
                sock.settimeout(self.timeout_s)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False

    def receive(self) -> Reply:
        """Return the answer to the request that was sent. Raises as `exchange`."""
        reply = self.receive_some()
        while reply is None:
            assert self.sock is not None, "something came from there"
            received = self.sock.recv(_CHUNK_BYTES)
            if not received:
                raise ValueError("the answer ended too soon")
            reply = self._parser.feed(received)
        return reply

    def receive_some(self) -> Reply | None:
        """Wait for bytes once; return the answer if it is whole now. Raises as `exchange`."""
        assert self.sock is not None, "a request was sent"
        try:
            received = self.sock.recv(_CHUNK_BYTES)
        except _ENDS as error:
            raise EndedError(*error.args) from error
        if not received:
            raise EndedError("the connection was ended")
        return self._parser.feed(received)

    def receive_ready(self) -> Reply | None:
        """Take bytes that have come, without a wait; None: not all came. Raises as `exchange`."""
        assert self.sock is not None, "a request was sent"
        if not isinstance(self.sock, ssl.SSLSocket):
            return self.receive_some()
        self.sock.settimeout(0)
        try:
            return self.receive_some()
        except ssl.SSLWantReadError:  # a part of a record
            return None
        finally:
            self.sock.settimeout(self.timeout_s)

    def set_timeout(self, timeout_s: float) -> None:
        """Wait so long from now on, for each wait."""
        if timeout_s != self.timeout_s:
            self.timeout_s = timeout_s
            if self.sock is not None:
                self.sock.settimeout(timeout_s)

    def check(self) -> None:
        """Raise ConnectionAbortedError once aborted, with a socket or without."""
        if self.is_aborted:
            raise ConnectionAbortedError("given up")

    def abort(self) -> None:
        """Make the thread that waits for an answer give up; call it from another thread."""
        self.is_aborted = True
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which others use now

    def close(self) -> None:
        """End the connection."""
        sock, self.sock = self.sock, None
        self._poll = None
        if sock is not None:
            sock.close()

    def _connect(self) -> socket.socket:
        """Connect to the first address of the host that answers. Raises OSError."""
        host, port = self.address
        until_s = clock.monotonic_s() + self.timeout_s
        addresses = resolve(host, self.timeout_s)
        for count_left, (family, address, scope) in zip(
            range(len(addresses), 0, -1), addresses, strict=True
        ):
            self.sock = sock = self._make_socket(family)
            left_s = max(until_s - clock.monotonic_s(), CONNECT_MIN_S)
            sock.settimeout(left_s / count_left)
            self.check()
            try:
                sock.connect((address, port, 0, scope) if scope else (address, port))
            except OSError:
                self.close()
                if count_left == 1:
                    raise
                continue
            sock.settimeout(self.timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.check()
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            return sock
        raise OSError(f"the name {host} has no address")

    def _make_socket(self, family: int) -> socket.socket:
        """
        Return a socket that is not connected yet, of TLS where this process uses it.

        `wrap_socket` would not close one that is reset while it looks at it.
        """
        plain = socket.socket(family, socket.SOCK_STREAM)
        if (contexts := tls()) is None:
            return plain
        return contexts.client.wrap_socket(
            plain, server_hostname=self.address[0], do_handshake_on_connect=False
        )
