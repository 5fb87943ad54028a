"""
A WSGI server with one thread for each connection (docs/adr/0024).

It runs inside a process that has another task. `socketserver` accepts, `protocol.http1` parses, and
the thread that has read a request answers it: no other thread has to wake up, which is most of what
a short call costs. An answer is complete before it is written. Left out, because members of the
cluster need none of it: TLS, upgrades, answers in pieces.
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

from django.db import connections

from bazaar import clock
from bazaar.protocol.clients import encode
from bazaar.protocol.http1 import ParsedRequest, RequestParser, RequestRefusedError, pack_reply
from bazaar.runtime.metrics import events
from bazaar.web.errors import MISTAKE

log = logging.getLogger("bazaar.web.control")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]

BACKLOG = 128
"""Connections that may wait to be accepted."""
ACCEPT_PAUSE_S = 0.05
"""The pause after a failed accept: the process may have no file descriptor left."""
LINGER_S = 1.0
"""How long the rest of a refused request is read, so that its sender sees the answer."""
_CHUNK_BYTES = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PLAIN = ("content-type", "content-length")
"""Headers whose names have no HTTP_ in WSGI."""


class ConnectionHandler(socketserver.BaseRequestHandler):
    """One connection, on a thread of its own, until either side ends it."""

    request: socket.socket
    server: "Listener"

    def handle(self) -> None:
        """Answer requests as they come."""
        parser = RequestParser(self.server.body_bytes_max)
        try:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.request.settimeout(self.server.idle_s)
            while received := self.request.recv(_CHUNK_BYTES):
                if not self._serve(parser.feed(received)):
                    return
                parser.check()
                if parser.take_continue():
                    self.request.sendall(_CONTINUE)
        except RequestRefusedError as refused:
            _refuse(self.request, refused)
        except OSError:
            return  # it is over, or was idle for too long

    def finish(self) -> None:
        """Close this thread's database connections."""
        connections.close_all()

    def _serve(self, requests: list[ParsedRequest]) -> bool:
        """Answer requests in their order; tell whether others may follow."""
        for request in requests:
            self.request.sendall(self._answer(request))
            if not request.is_kept:
                return False
        return True

    def _answer(self, request: ParsedRequest) -> bytes:
        """Return the answer as it is sent. Raises RequestRefusedError: a mistake of ours."""
        try:
            status, headers, body = _call(self.server.application, self._environ(request))
            return pack_reply(request, status, headers, body, clock.wall_s())
        except Exception as error:
            log.exception("call broke method=%s", request.method)
            code, message, _ = MISTAKE
            raise RequestRefusedError(HTTPStatus(code), message, is_definite=False) from error

    def _environ(self, request: ParsedRequest) -> dict[str, Any]:
        """Return a request as WSGI has it (PEP 3333)."""
        path, _, query = request.target.partition(b"?")
        environ: dict[str, Any] = {
            **self.server.environ,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "SERVER_PROTOCOL": f"HTTP/{request.version}",
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.input": BytesIO(request.body),
        }
        for name, value in request.headers:
            if "_" in name:
                continue  # WSGI could not tell it from the name with a hyphen
            key = name.upper().replace("-", "_")
            if name not in _PLAIN:
                key = f"HTTP_{key}"
            environ[key] = f"{environ[key]}, {value}" if key in environ else value
        if request.body:  # it may have come in chunks
            environ["CONTENT_LENGTH"] = str(len(request.body))
        return environ


class Listener(socketserver.ThreadingTCPServer):
    """A WSGI application at a port; the port is open at once, `run` answers."""

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
        """The part that all requests share."""

    @property
    def port(self) -> int:
        """The port at which it listens."""
        return int(self.server_address[1])

    def run(self) -> None:
        """Accept connections until `shutdown`."""
        self.serve_forever()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; pause when that fails. Raises OSError."""
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
            except BaseException:  # no thread could be started for it
                self._free.release()
                raise
            return
        events.emit_refusal(log, "too_many_connections")
        request.settimeout(0)  # this thread accepts connections: it must not wait
        _send(request, RequestRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections."))
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the error that ended a connection's thread."""
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


def _refuse(sock: socket.socket, refused: RequestRefusedError) -> None:
    """Send the refusal, and wait a moment for the other side to read it."""
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


def _send(sock: socket.socket, refused: RequestRefusedError) -> None:
    code, phrase = refused.status.value, refused.status.phrase
    body = encode({"error": {"code": code, "message": refused.message}})
    is_definite = "true" if refused.is_definite else "false"
    headers = [("Content-Type", "application/json"), ("Bazaar-Definite", is_definite)]
    try:
        status, now_s = f"{code} {phrase}", clock.wall_s()
        sock.sendall(pack_reply(ParsedRequest(), status, headers, body, now_s))
    except OSError:
        return
