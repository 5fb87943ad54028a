"""
One connection of a server: requests in their order, and their answers.

The thread of the server reads, parses and decides. A request that may wait is run in a thread of
its lane, which also answers; meanwhile the connection is *busy*, and its events are only noted.
Nothing of a request runs before all of it is there (I12).
"""

import dataclasses
import select
import socket
import ssl
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

from bazaar import clock
from bazaar.protocol.http1 import ParsedRequest, RequestParser, RequestRefusedError, pack_reply
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import BEGAN, events
from bazaar.web.dispatch import Admission, HeadRefusedError, WholeAnswer
from bazaar.web.endpoint import Environ
from bazaar.web.lane_run import answer_mistake, run_in_lane, send_answer
from bazaar.web.request_span import id_lines
from bazaar.web.wsgi_environ import read_environ, refusal_answer

if TYPE_CHECKING:
    from bazaar.web.server import HttpServer

log = get_log("bazaar.web.server")

READ_BYTES = 64 * 1024
"""Bytes of one read."""
REQUESTS_A_TURN = 16
"""Requests of one connection that are answered before other connections have their turn."""
SMALL_BYTES_MAX = 4096
"""A request that comes as one piece no longer than this is not counted among the bytes held."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_FOREVER = float("inf")
_NOTHING = memoryview(b"")
"""Shared: one for each of thousands of connections would be work for the garbage collector."""
_LISTEN, _SEND = select.EPOLLIN, select.EPOLLOUT


class ServerConnection:
    """One connection, from its first byte to its last."""

    __slots__ = (
        *("address", "deadline_s", "fd", "held_bytes", "is_busy", "is_closed", "is_gone"),
        *("is_lingering", "is_muted", "is_running", "is_writing", "lock", "parser", "queue"),
        *("refusal", "rest", "server", "since_s", "sock", "keeps_going"),
    )

    def __init__(self, server: "HttpServer", sock: socket.socket, address: str) -> None:
        """Take an accepted socket that never blocks."""
        self.server, self.sock, self.fd, self.address = server, sock, sock.fileno(), address
        self.parser: RequestParser | None = None
        self.queue: deque[ParsedRequest] = deque()
        """Whole requests that wait for the answer before them."""
        self.refusal: RequestRefusedError | None = None
        """What is wrong behind them."""
        self.rest = _NOTHING
        """The part of an answer that the other side has not taken yet."""
        self.lock = threading.Lock()
        """Guards is_busy, is_muted, is_gone and is_running, which threads of lanes change too."""
        self.is_busy = self.is_running = self.is_muted = self.is_gone = False
        self.is_writing = self.is_lingering = self.is_closed = False
        self.keeps_going = True
        self.held_bytes = 0
        """Bytes of requests in memory that are not answered."""
        self.since_s = clock.monotonic_s()
        """When it became idle."""
        limits, has_tls = server.limits, isinstance(sock, ssl.SSLSocket)
        self.deadline_s = self.since_s + (limits.head_s if has_tls else limits.idle_s)

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress."""
        return not (
            self.is_busy or self.is_lingering or (self.parser is not None and self.parser.is_begun)
        )

    def on_event(self, event: int) -> None:
        """React to what epoll reports."""
        if event & (select.EPOLLHUP | select.EPOLLERR):
            self._note_gone()
        elif event & _SEND:
            self._write_rest()
        elif event & _LISTEN:
            self._read()

    def check_time(self, now_s: float) -> None:
        """End it, or what is unfinished, when its time is over."""
        if now_s < self.deadline_s or self.is_running:
            return
        if not self.is_idle and not self.is_writing and not self.is_lingering:
            events.emit_refusal(log, "request_too_slow")
            what = "body" if self.parser is not None and self.parser.is_in_body else "head"
            message = f"The {what} of the request did not arrive in time."
            self.refuse(RequestRefusedError(HTTPStatus.REQUEST_TIMEOUT, message))
        else:
            self.close()

    def close(self) -> None:
        """End the connection, unless a thread still works for it: then that one ends it."""
        with self.lock:
            if self.is_running:
                self.is_gone = True
                return
        if not self.is_closed:
            self.is_closed = True
            self._drop_parser()
            self._hold(0)
            self.server.forget(self)
            self.sock.close()

    def refuse(self, refused: RequestRefusedError) -> None:
        """Send a refusal instead of any further answer, and end."""
        request = ParsedRequest(method=self.parser.method if self.parser else "")
        answer = (
            refused.answer if isinstance(refused, HeadRefusedError) else refusal_answer(refused)
        )
        self.refusal = refused
        self._drop_parser()
        self.queue.clear()
        self._hold(0)
        self.keeps_going = False
        self._send(pack_reply(request, *answer, now_s=clock.wall_s()))

    def _drop_parser(self) -> None:
        if self.parser is not None:
            self.parser.close()
            self.parser = None

    def _linger(self) -> None:
        """Read what still comes for a moment, so that the other side sees the answer."""
        self.is_lingering, self.is_busy = True, False
        self.deadline_s = clock.monotonic_s() + self.server.limits.linger_s
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._watch(_LISTEN)

    def _note_gone(self) -> None:
        """Note that the other side is gone; whoever works for this connection is left alone."""
        self.server.ignore(self)
        if self.is_lingering:  # both sides have ended: unread bytes would take the answer back
            with suppress(OSError):
                while self.sock.recv(READ_BYTES):
                    pass
        self.close()

    def _read(self) -> None:
        with self.lock:
            if self.is_busy:
                self.is_muted = True
                self.server.watch(self, 0)
                return
        try:
            received = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not received:
            self._note_end()
        elif not self.is_lingering:
            self._take(received)

    def _note_end(self) -> None:
        """Note that the other side sends nothing more."""
        if not self.is_lingering and self.parser is not None and self.parser.is_begun:
            message = "The request ended before it was whole; nothing was done."
            self.refuse(RequestRefusedError(HTTPStatus.BAD_REQUEST, message))
        else:
            self.close()

    def _take(self, received: bytes) -> None:
        """Take bytes of requests."""
        parser = self.parser
        is_fresh = parser is None or not parser.is_begun
        if is_fresh and len(received) <= SMALL_BYTES_MAX:
            known = self.server.find_request(received)
            if known is not None:
                self._start(known)
                return
        parser = self.make_parser()
        requests = parser.feed(received)
        try:
            parser.check()
        except RequestRefusedError as refused:
            self.refusal = refused
        if len(requests) == 1 and is_fresh and not parser.is_begun and not self.refusal:
            self.server.keep_head(received, requests[0])
        self.queue.extend(requests)
        is_held = parser.is_begun or self.held_bytes or len(received) > SMALL_BYTES_MAX
        if is_held and not self.refusal and not self._hold(self.held_bytes + len(received)):
            return
        if parser.is_begun and (is_fresh or requests):
            self._begin_time(parser)
        self.advance()

    def make_parser(self) -> RequestParser:
        """Return the parser of this connection; there is none until one is needed."""
        if self.parser is None:
            self.parser = RequestParser(self.server.body_bytes_max, self._admit)
        return self.parser

    def _begin_time(self, parser: RequestParser) -> None:
        limits = self.server.limits
        total_s = limits.body_s if parser.is_in_body else limits.head_s
        self.deadline_s = clock.monotonic_s() + total_s

    def _admit(self, request: ParsedRequest) -> int:
        """Return how long the body of a request may be. Raises RequestRefusedError."""
        server = self.server
        environ = {**server.environ, **read_environ(request), "REMOTE_ADDR": self.address}
        has_body = "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0"
        admission = server.service.admit(environ, has_body=has_body)
        request.context = environ, admission
        if has_body:
            self.deadline_s = clock.monotonic_s() + server.limits.body_s
        return admission.body_bytes_max

    def advance(self) -> None:
        """Begin what waits: requests in their order, then a refusal, then reading."""
        turns = 0
        while self.queue and not self.is_busy and not self.is_closed:
            if turns == REQUESTS_A_TURN:
                self.is_busy = True  # nothing more is read meanwhile
                self.server.call_soon(self._resume)
                return
            turns += 1
            self._start(self.queue.popleft())
        if self.is_busy or self.is_closed or self.is_lingering:
            return
        if self.refusal is not None:
            self.refuse(self.refusal)
        elif self.parser is not None and self.parser.take_continue():
            self._send(_CONTINUE)
        elif self.parser is None or not self.parser.is_begun:
            self._hold(0)

    def _start(self, request: ParsedRequest) -> None:
        """Answer a request now, or have a thread of its lane do so."""
        if self.server.is_draining and not self.queue:
            request = dataclasses.replace(request, is_kept=False)
        head, admission = request.context
        now_s = clock.monotonic_s()
        environ = self.environ_of(head, request.body, now_s)
        if admission.answer_now is not None:
            answer = self._answer_now(request, admission, environ)
            if answer:
                self._reply(request, answer, now_s)
                return
        self.is_busy = self.is_running = True
        self.deadline_s = _FOREVER
        is_full = self.server.held_bytes > self.server.limits.held_bytes_max
        if admission.answer_later is not None and not is_full:
            admission.answer_later(environ, partial(send_answer, self, request, environ))
            return
        run = partial(run_in_lane, self, request, environ)
        if is_full or not self.server.dispatcher.submit(admission.lane, run):
            self.is_busy = self.is_running = False
            refusal: WholeAnswer = admission.refuse_busy(environ, bytes(request.body))
            lines = id_lines(environ)
            self._reply(request, pack_reply(request, *refusal, clock.wall_s(), lines), now_s)

    def environ_of(self, head: Environ, body: bytearray, now_s: float) -> Environ:
        """Return the environ of a whole request. head: what it is without the body."""
        environ = {
            **head,
            "REMOTE_ADDR": self.address,
            BEGAN: now_s,
            "wsgi.input": BytesIO(body),
        }
        if body:  # it may have come in chunks
            environ["CONTENT_LENGTH"] = str(len(body))
        return environ

    def take_over(self) -> bool:
        """Have only a lane's thread read; return False when the other side is gone."""
        with self.lock:
            if self.is_gone:
                return False
            if not self.is_muted:
                self.is_muted = True
                self.server.watch(self, 0)
        if not self.sock.gettimeout():
            self.sock.settimeout(self.server.limits.stay_s)
        return True

    def _answer_now(
        self, request: ParsedRequest, admission: Admission, environ: Environ
    ) -> bytes | None:
        assert admission.answer_now is not None, "it is looked at before"
        try:
            answer = admission.answer_now(environ)
            return answer and pack_reply(request, *answer, clock.wall_s(), id_lines(environ))
        except Exception:  # noqa: BLE001 - it is logged there
            return answer_mistake(self, request)

    def _reply(self, request: ParsedRequest, answer: bytes, now_s: float) -> None:
        """Send an answer from the server's thread."""
        self.keeps_going = self.keeps_going and request.is_kept
        self.since_s, self.deadline_s = now_s, now_s + self.server.limits.idle_s
        self._send(answer)

    def _send(self, content: bytes) -> None:
        try:
            sent = self.sock.send(content)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(content):
            self._await_writing(memoryview(content)[sent:])
        elif not self.keeps_going:
            self._end()

    def _await_writing(self, rest: memoryview) -> None:
        self.rest = rest
        self.is_busy = self.is_writing = True
        self.deadline_s = clock.monotonic_s() + self.server.limits.write_s
        self._watch(_SEND)

    def _write_rest(self) -> None:
        try:
            sent = self.sock.send(self.rest)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self.rest = self.rest[sent:]
        if not self.rest:
            self.is_writing = False
            self._watch(_LISTEN)
            self._resume()

    def _resume(self) -> None:
        """Go on after an answer that a thread gave, or that took time to be sent."""
        if self.is_closed:
            return
        with self.lock:
            self.is_busy, was_muted, self.is_muted = False, self.is_muted, False
        self.become_idle()
        if self.is_gone:
            self.close()
        elif not self.keeps_going:
            self._end()
        else:
            if was_muted:
                self._watch(_LISTEN)
            self.advance()

    def _end(self) -> None:
        """End after the last answer."""
        self.queue.clear()
        self._drop_parser()
        self._hold(0)
        self._linger()

    def become_idle(self) -> None:
        """Begin the time that it may be idle, or that the next request may take."""
        self.since_s = clock.monotonic_s()
        self.deadline_s = self.since_s + self.server.limits.idle_s
        if self.parser is not None and self.parser.is_begun:
            self._begin_time(self.parser)

    def _watch(self, events_: int) -> None:
        if not self.is_closed:
            self.server.watch(self, events_)

    def _hold(self, count: int) -> bool:
        """Note how many bytes are held; return False when that ended this connection."""
        self.server.held_bytes += count - self.held_bytes
        self.held_bytes = count
        if count and self.server.held_bytes > self.server.limits.held_bytes_max:
            self.server.shed()
        return not (self.is_lingering or self.is_closed or self.is_writing)

    def finish(self, rest: memoryview) -> None:
        """Go on after a thread's answer, in the server's thread."""
        if rest and not self.is_gone:
            self._await_writing(rest)
        else:
            self._resume()
