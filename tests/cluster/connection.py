"""A plain HTTP connection: next to no work for each exchange, so that one client can make many."""

import socket
from dataclasses import dataclass

CHUNK_BYTES = 65536
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One kept connection to one front end; every method raises OSError when it is of no use."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        self._socket = socket.create_connection(address, timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"Host: {address[0]}:{address[1]}\r\nAccept: application/json\r\n"

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def exchange(self, head: str, body: bytes, timeout_s: float) -> Reply:
        """Send a request, given by its first line and headers of its own; return the answer."""
        self._socket.settimeout(timeout_s)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._socket.sendall(f"{head}{self._host}{length}\r\n".encode() + body)
        received = b""
        while _END not in received:
            received += self._receive()
        top, _, content = received.partition(_END)
        status, headers = _parse(top.decode("latin-1"))
        length_bytes = int(headers["content-length"])
        while len(content) < length_bytes:
            content += self._receive()
        return Reply(status, headers, content)

    def _receive(self) -> bytes:
        if chunk := self._socket.recv(CHUNK_BYTES):
            return chunk
        raise ConnectionResetError("the front end ended the connection")


def _parse(top: str) -> tuple[int, dict[str, str]]:
    first, *lines = top.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}
