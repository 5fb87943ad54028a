"""
A WSGI server for a process that has another task: one thread a connection (ADR 24).

`socketserver` accepts, `protocol.asking` takes requests apart, and the thread that has read one
answers it: nobody else has to be woken, and that is most of what a short call costs. An answer is
made whole before it is written. Left out, because members of the cluster need none of it: TLS,
upgrades, answers in pieces.
"""

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.handlers import format_date_time

from django.db import connections

from bazaar import clock
from bazaar.protocol.asking import Asked, Reading, RefusedError
from bazaar.protocol.clients import encode
from bazaar.runtime.metrics import events
from bazaar.web.errors import MISTAKE

log = logging.getLogger("bazaar.web.control")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]

BACKLOG = 128
"""Connections that may wait to be accepted."""
ACCEPT_PAUSE_S = 0.05
"""How long to wait after one could not be: the process may have no file left for it."""
LINGER_S = 1.0
"""How long the rest of a refused request is read, so that its sender gets to see the answer."""
_CHUNK_BYTES = 64 * 1024
_BODYLESS = ("1", "204", "304")
"""How the statuses begin whose answers have no body."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PLAIN = ("content-type", "content-length")
"""Headers whose names WSGI takes without HTTP_."""


class ConnectionHandler(socketserver.BaseRequestHandler):
    """One connection, on a thread of its own, until either side ends it."""

    request: socket.socket
    server: "Listener"

    def handle(self) -> None:
        """Answer requests as they come."""
        reading = Reading(self.server.body_bytes_max)
        try:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.request.settimeout(self.server.idle_s)
            while received := self.request.recv(_CHUNK_BYTES):
                if not self._serve(reading.feed(received)):
                    return
                reading.check()
                if reading.is_held_back():
                    self.request.sendall(_CONTINUE)
        except RefusedError as refused:
            _refuse(self.request, refused)
        except OSError:
            return  # it is over, or was idle for too long

    def finish(self) -> None:
        """Give back what this thread had of the database."""
        connections.close_all()

    def _serve(self, complete: list[Asked]) -> bool:
        """Answer requests in their order; tell whether others may follow."""
        for asked in complete:
            self.request.sendall(self._answer(asked))
            if not asked.is_kept:
                return False
        return True

    def _answer(self, asked: Asked) -> bytes:
        """Return the application's answer as it is sent. Raises RefusedError: it broke."""
        try:
            status, headers, body = _call(self.server.application, self._environ(asked))
            is_bodyless = asked.method == "HEAD" or status.startswith(_BODYLESS)
            head = _head(status, headers, len(body), asked)
        except Exception as error:
            log.exception("call broke method=%s", asked.method)
            code, message, _ = MISTAKE
            raise RefusedError(HTTPStatus(code), message, is_definite=False) from error
        return head if is_bodyless else head + body

    def _environ(self, asked: Asked) -> dict[str, Any]:
        """Return a request as WSGI has it (PEP 3333)."""
        path, _, query = asked.target.partition(b"?")
        environ: dict[str, Any] = {
            **self.server.environ,
            "REQUEST_METHOD": asked.method,
            "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "SERVER_PROTOCOL": f"HTTP/{asked.version}",
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.input": BytesIO(asked.body),
        }
        for name, value in asked.headers:
            if "_" in name:
                continue  # it would pass for the one with a hyphen
            key = name.upper().replace("-", "_")
            if name not in _PLAIN:
                key = f"HTTP_{key}"
            environ[key] = f"{environ[key]}, {value}" if key in environ else value
        if asked.body:  # it may have come in chunks
            environ["CONTENT_LENGTH"] = str(len(asked.body))
        return environ


class Listener(socketserver.ThreadingTCPServer):
    """A WSGI application behind a port; the port is open at once, `run` answers."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = BACKLOG

    def __init__(
        self,
        application: Application,
        address: tuple[str, int],
        *,
        connections_max: int,
        body_bytes_max: int,
        idle_s: float,
    ) -> None:
        """
        Open the port; 0 is any.

        connections_max: those beyond it get 503. idle_s: after that a connection is ended.
        Raises OSError.
        """
        self.application, self.body_bytes_max, self.idle_s = application, body_bytes_max, idle_s
        self._free = threading.BoundedSemaphore(connections_max)
        self._pause = threading.Event()
        self.address_family, *_ = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
        super().__init__(address, ConnectionHandler)
        self.environ: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": address[0],
            "SERVER_PORT": str(self.port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        """What is the same in all requests."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def run(self) -> None:
        """Accept connections until `shutdown`."""
        self.serve_forever()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, or leave the processor to others. Raises OSError."""
        try:
            return super().get_request()
        except OSError:
            self._pause.wait(ACCEPT_PAUSE_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection, or refuse it."""
        if self._free.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:  # there was no thread for it
                self._free.release()
                raise
            return
        events.emit_refusal(log, "too_many_connections")
        request.settimeout(0)  # this thread accepts: it waits for nobody
        _send(request, RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections."))
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection's thread died of."""
        log.exception("connection broke client=%s", client_address[0])


def _call(application: Application, environ: dict[str, Any]) -> tuple[str, Headers, bytes]:
    """Return status, headers and body of an application's answer. Raises what it raises."""
    status, headers, written = "", Headers(), list[bytes]()

    def start_response(
        a_status: str, some_headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], None]:
        nonlocal status, headers
        assert exc_info or not status, "an answer is started once"
        status, headers = a_status, some_headers
        return written.append

    content = application(environ, start_response)
    try:
        pieces = list(content)
    finally:
        if close := getattr(content, "close", None):
            close()
    assert status, "an answer is started"
    return status, headers, b"".join(written + pieces)


def _head(status: str, headers: Headers, length: int, asked: Asked) -> bytes:
    """
    Return what an answer begins with; length: of its body, in bytes.

    Asserts that the next answer on the connection cannot be taken for a part of this one.
    """
    told = {name.lower(): value for name, value in headers}
    more = [] if "date" in told else [("Date", format_date_time(clock.wall_s()))]
    if not status.startswith(_BODYLESS):
        if "content-length" not in told:
            more.append(("Content-Length", str(length)))
        elif asked.method != "HEAD":
            assert told["content-length"] == str(length), "the length is that of the body"
    if not asked.is_kept:
        more.append(("Connection", "close"))
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in [*headers, *more])]
    head = "\r\n".join(lines)
    assert head.count("\r") + head.count("\n") == 2 * (len(lines) - 1), "a header is one line"
    return (head + "\r\n\r\n").encode("latin-1")


def _refuse(sock: socket.socket, refused: RefusedError) -> None:
    """Say what was wrong, and wait a moment for the other side to hear it."""
    _send(sock, refused)
    until_s = clock.monotonic_s() + LINGER_S
    try:
        sock.shutdown(socket.SHUT_WR)
        while (left_s := until_s - clock.monotonic_s()) > 0:
            sock.settimeout(left_s)
            if not sock.recv(_CHUNK_BYTES):
                return
    except OSError:
        return


def _send(sock: socket.socket, refused: RefusedError) -> None:
    code, phrase = refused.status.value, refused.status.phrase
    body = encode({"error": {"code": code, "message": refused.message}})
    is_definite = "true" if refused.is_definite else "false"
    headers = [("Content-Type", "application/json"), ("Bazaar-Definite", is_definite)]
    try:
        sock.sendall(_head(f"{code} {phrase}", headers, len(body), Asked()) + body)
    except OSError:
        return
