"""A caller that says exactly what it is told, byte by byte, and reads one answer at a time."""

import json
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bazaar.web.dispatch import Application
from bazaar.web.server import HttpServer
from tests.support.waits import WAIT_S

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1000
GET = b"GET /a HTTP/1.1\r\nHost: here\r\n\r\n"

Environ = dict[str, Any]
Start = Callable[..., Any]
Listen = Callable[..., HttpServer]

_BODYLESS = (204, 304)
_LINGER_NONE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: list[tuple[str, str]]
    """Names in lower case."""
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]

    def json(self) -> Any:
        assert self.values("content-type") == ["application/json"]
        return json.loads(self.body)


class Caller:
    """One connection to a listener."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=WAIT_S)
        self._file = self.sock.makefile("rb")

    def call(self, request: bytes) -> Answer:
        """Send a whole request and return its answer."""
        self.sock.sendall(request)
        return self.answer(request.partition(b" ")[0].decode())

    def answer(self, method: str = "GET") -> Answer:
        """Return the next answer; method: of its request."""
        first = self._line()
        assert first.startswith("HTTP/1.1 ")
        status, headers = int(first.split(" ")[1]), []
        while line := self._line():
            name, _, value = line.partition(": ")
            headers.append((name.lower(), value))
        length = int(dict(headers).get("content-length", 0))
        is_bodyless = method == "HEAD" or status in _BODYLESS or status < 200
        return Answer(status, headers, b"" if is_bodyless else self._file.read(length))

    def is_ended(self) -> bool:
        """Wait for the other side's next word, and tell whether it was its last."""
        try:
            return not self._file.read(1)
        except ConnectionResetError:
            return True

    def stop_sending(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """End without a farewell."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()

    def _line(self) -> str:
        line = self._file.readline()
        assert line.endswith(b"\r\n"), f"the connection ended: {line!r}"
        return line[:-2].decode("latin-1")


Connect = Callable[[HttpServer], Caller]


def check_refused(answer: Answer, status: int, *, is_definite: bool = True) -> None:
    """Check that an answer is an error of ours, and the last on its connection."""
    assert answer.status == status
    error = answer.json()["error"]
    assert error["code"] == status
    assert error["message"]
    assert answer.values("bazaar-definite") == [str(is_definite).lower()]
    assert answer.values("connection") == ["close"]


def echo(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer with the request as the application got it."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    assert environ["wsgi.input"].read(1) == b"", "the length is that of the body"
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({**told, "body": body.decode()}).encode()]


def saying(status: str, headers: list[tuple[str, str]], *pieces: bytes) -> Application:
    """Return an application that always says the same."""

    def say(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response(status, headers)
        return list(pieces)

    return say
