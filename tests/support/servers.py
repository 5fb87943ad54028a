"""A small real server whose manners are scripted, one handler a request."""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Handler = Callable[["ScriptedServer", socket.socket], bool]
"""Deals with one request that was read; tells whether the connection is kept."""

_HOST = "127.0.0.1"
_LINGER_NONE = struct.pack("ii", 1, 0)


@dataclass
class ScriptedServer:
    """Listens on a port that the system chose; `script` is used up request by request."""

    script: list[Handler]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    seen: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    release: threading.Event = field(default_factory=threading.Event)
    """Lets the requests go on that `hang` holds back."""

    def __post_init__(self) -> None:
        self._listener = socket.create_server((_HOST, 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop_listening(self) -> None:
        """Refuse every new connection from now on."""
        # A thread that waits in accept keeps the socket alive: wake it first.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """End everything."""
        self.release.set()
        for open_ in (self._listener, *self._open):
            try:
                open_.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                open_.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while request := _read_request(connection):
                self.requests.append(request)
                self.seen.release()
                if not self.script.pop(0)(self, connection):
                    break
        except OSError:
            pass
        connection.close()


def answer(body: bytes = b"{}", headers: str = "", status: str = "200 OK") -> Handler:
    """Answer and keep the connection."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()

    def handle(server: ScriptedServer, connection: socket.socket) -> bool:
        connection.sendall(head + body)
        return True

    return handle


def raw(content: bytes, *, times: int = 1) -> Handler:
    """Send any bytes, over and over, and end the connection."""

    def handle(server: ScriptedServer, connection: socket.socket) -> bool:
        for _ in range(times):
            connection.sendall(content)
        return False

    return handle


def answer_and_end(server: ScriptedServer, connection: socket.socket) -> bool:
    """Answer as if the connection were kept, then end it all the same."""
    answer()(server, connection)
    return False


def end(server: ScriptedServer, connection: socket.socket) -> bool:
    """Read the request and end the connection without a word."""
    return False


def reset_and_die(server: ScriptedServer, connection: socket.socket) -> bool:
    """Read the request, reset the connection, and listen no more: a process that was killed."""
    server.stop_listening()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    return False


def hang(server: ScriptedServer, connection: socket.socket) -> bool:
    """Read the request and say nothing: a process that was paused."""
    server.release.wait()
    return answer()(server, connection)


def _read_request(connection: socket.socket) -> bytes:
    """Return one request with its body; empty at the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (chunk := connection.recv(65536)):
            return b""
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
