"""A plain HTTP connection: next to no work for each exchange, so that one client can make many."""

import re
import socket
from dataclasses import dataclass

CHUNK_BYTES = 65536
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came; it is taken apart only when somebody asks."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """The status."""
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """The headers, their names in lower case."""
        pairs = (line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in pairs}


class Connection:
    """One kept connection to one front end; every method raises OSError when it is of no use."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        """timeout_s: for connecting, and for each wait of an exchange."""
        self._socket = socket.create_connection(address, timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timeout_s = timeout_s

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def exchange(self, request: bytes, timeout_s: float) -> Reply:
        """Send a whole request and return the answer."""
        if timeout_s != self._timeout_s:
            self._socket.settimeout(timeout_s)
            self._timeout_s = timeout_s
        self.send(request)
        return self.receive_reply()

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        self._socket.sendall(request)

    def receive_reply(self) -> Reply:
        """Return the answer to what was sent."""
        received = self._receive()
        while (end := received.find(_END)) < 0:
            received += self._receive()
        head, body = received[:end], received[end + len(_END) :]
        length = _LENGTH.search(head)
        if length is None:
            raise ConnectionError(f"an answer of unknown length: {head[:200]!r}")
        while len(body) < int(length[1]):
            body += self._receive()
        return Reply(head, body)

    def _receive(self) -> bytes:
        if chunk := self._socket.recv(CHUNK_BYTES):
            return chunk
        raise ConnectionResetError("the front end ended the connection")


def request(
    method: str, path: str, address: tuple[str, int], body: bytes = b"", headers: str = ""
) -> bytes:
    """Return a request as it is sent; `headers` are whole lines."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    host = f"Host: {address[0]}:{address[1]}\r\n"
    head = f"{method} {path} HTTP/1.1\r\n{host}Accept: application/json\r\n{headers}{length}\r\n"
    return head.encode() + body
