"""
One kept HTTP connection to one listener: a request out, one answer in (ADR 0014).

llhttp, the parser of Node.js, takes the answer apart (`httptools`); the socket is our own, so that
another thread can end a call that waits. Left out, because our own servers need none of it: answers
that end with the connection instead of a length, redirects, TLS.
"""

import contextlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from httptools import HttpParserError, HttpResponseParser

ANSWER_BYTES_MAX = 64 * 1024 * 1024
HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 100
_CHUNK_BYTES = 64 * 1024
_TARGET = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: any status; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class EndedError(ConnectionError):
    """The connection was over before an answer began."""


@dataclass(slots=True)
class _Answer:
    """What the parser has found so far."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    head_bytes: int = 0
    is_complete: bool = False
    fault: str = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self.head_bytes += len(name) + len(value)
        if len(self.headers) > HEADERS_MAX or self.head_bytes > HEAD_BYTES_MAX:
            self._refuse("the answer has too many headers")

    def on_body(self, content: bytes) -> None:
        """Keep a piece of the body."""
        self.body += content
        if len(self.body) > ANSWER_BYTES_MAX:
            self._refuse(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")

    def on_message_complete(self) -> None:
        """Note the end."""
        self.is_complete = True

    def _refuse(self, fault: str) -> None:
        self.fault = fault  # the parser wraps what is raised here
        raise ValueError(fault)


class ClientConnection:
    """A connection whose socket is there while it connects, so that `abort` can end that too."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        """timeout_s: for connecting and for each wait."""
        self.address, self.timeout_s = address, timeout_s
        self.sock: socket.socket | None = None
        self.is_aborted = False
        self.is_kept = True
        """Whether the other side will take another request."""

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
        except ConnectionError as error:
            raise EndedError(*error.args) from error

    def receive(self) -> Reply:
        """Return the answer to the request that was sent. Raises as `exchange`."""
        assert self.sock is not None, "a request was sent"
        try:
            received = self.sock.recv(_CHUNK_BYTES)
        except ConnectionError as error:
            raise EndedError(*error.args) from error
        if not received:
            raise EndedError("the connection was ended")
        return self._read(self.sock, received)

    def prolong(self, timeout_s: float) -> None:
        """Wait differently from now on."""
        if timeout_s != self.timeout_s:
            self.timeout_s = timeout_s
            if self.sock is not None:
                self.sock.settimeout(timeout_s)

    def check(self) -> None:
        """Raise ConnectionAbortedError once given up, socket or not."""
        if self.is_aborted:
            raise ConnectionAbortedError("given up")

    def abort(self) -> None:
        """Have whoever waits for an answer give up, from another thread."""
        self.is_aborted = True
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it."""
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()

    def _connect(self) -> socket.socket:
        """Connect to the first address of the host. Raises OSError."""
        family, kind, protocol, _, address = socket.getaddrinfo(
            *self.address, type=socket.SOCK_STREAM
        )[0]
        self.sock = sock = socket.socket(family, kind, protocol)
        sock.settimeout(self.timeout_s)
        self.check()
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.check()
        return sock

    def _read(self, sock: socket.socket, received: bytes) -> Reply:
        answer = _Answer()
        parser = HttpResponseParser(answer)
        try:
            parser.feed_data(received)
            while not answer.is_complete:
                received = sock.recv(_CHUNK_BYTES)
                if not received:
                    raise ValueError("the answer ended too soon")
                parser.feed_data(received)
        except HttpParserError as error:
            raise ValueError(answer.fault or f"this is no HTTP answer: {error}") from error
        is_closing = answer.headers.get("connection", "").lower() == "close"
        self.is_kept = parser.get_http_version() == "1.1" and not is_closing
        return Reply(parser.get_status_code(), answer.headers, bytes(answer.body))


def pack(
    method: str, target: str, address: tuple[str, int], headers: Mapping[str, str], body: bytes
) -> bytes:
    """Return a request as it is sent. Raises ValueError: the target is not plain ASCII."""
    if not _TARGET.fullmatch(target):
        raise ValueError(f"{target[:80]!r} is not the path of a request")
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode() + body
