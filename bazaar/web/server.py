"""
The HTTP server of every port: one thread reads and sends, others answer.

It keeps no thread for a connection (docs/adr/0027). What a sender that never finishes may cost is
bounded: connections, bytes in memory, and time, each by a named limit (I10, docs/LIMITS.md).
"""

import ctypes
import dataclasses
import errno
import logging
import os
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from bazaar import clock
from bazaar.protocol.http1 import ParsedRequest, RequestRefusedError
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events, open_ports
from bazaar.web import wsgi_environ
from bazaar.web.dispatch import Dispatcher, LaneLimits, Service
from bazaar.web.drain import Drain
from bazaar.web.endpoint import (
    ANSWER_HEADERS,
    CLIENT_NAME,
    EVENT_LOOP,
    MEMBER_BODY_BYTES_MAX,
    SIGNED_DIGEST,
    Lane,
)
from bazaar.web.listeners import refuse_crowd
from bazaar.web.port_share import PAUSE_S, PortShare
from bazaar.web.request_span import REQUEST_ID, SPAN, TRACEPARENT
from bazaar.web.server_connection import ServerConnection
from bazaar.web.server_limits import ServerLimits
from bazaar.web.watches import Watches

log = get_log("bazaar.web.server")

ACCEPT_PAUSE_S = 0.05
"""The pause after a failed accept: the process may have no file descriptor left."""
ACCEPTS_A_TURN = 64
HEAD_KEPT_BYTES_MAX = 2048
"""A longer head is parsed each time it comes."""
HEADS_KEPT_MAX, HEADS_KEPT_BYTES_MAX = 4096, 1024 * 1024
"""Heads whose parsing is remembered; all are forgotten when there are more."""
VICTIMS_S = 0.1
"""How often idle connections are listed to make room."""
TRIM_BYTES_MIN = 4 * 1024 * 1024
"""When so much was held and is not any more, memory is returned to the system."""
_EVENTS_A_TURN = 256
_HEAD_END = b"\r\n\r\n"
_LINE_ENDS = (b"\r", b"\n")  # they may come before a request, and are like those within a head
_OWN_HEADERS = frozenset(
    ("HTTP_AUTHORIZATION", TRACEPARENT, REQUEST_ID, wsgi_environ.KEY, wsgi_environ.LENGTH)
)
_OWN = _OWN_HEADERS | {"REMOTE_ADDR", ANSWER_HEADERS, CLIENT_NAME, SIGNED_DIGEST, SPAN}
"""What each request has of its own."""
_UNKEPT = frozenset(("HTTP_EXPECT", "HTTP_TRANSFER_ENCODING"))
"""Requests that have one of these are parsed each time."""
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of glibc; without it, memory that was freed stays with the process."""


FindContext = Callable[[], ssl.SSLContext]
"""Returns the TLS context of a connection."""


class HttpServer:
    """A service at one port or several; `run` serves until `stop`."""

    _find_context: FindContext | None = None
    share: PortShare | None = None
    """Where other processes accept at the same socket, set before `run`."""

    def __init__(
        self,
        service: Service,
        listeners: Sequence[socket.socket],
        limits: ServerLimits,
        lanes: Mapping[Lane, LaneLimits],
        name: str = "served",
    ) -> None:
        """Take sockets that listen once it runs; name: begins the names of threads."""
        self.service, self.limits, self.listeners = service, limits, list(listeners)
        self._name, self._sweep_s = name, limits.sweep_s
        self.stayers = threading.BoundedSemaphore(max(1, limits.stayers_max))
        if not limits.stayers_max:
            self.stayers.acquire()
        self.dispatcher = Dispatcher(lanes, name, limits.thread_idle_s)
        self.body_bytes_max = MEMBER_BODY_BYTES_MAX
        self.heads: dict[bytes, ParsedRequest] = {}
        """Heads by their bytes, without what is only one request's: most of them are repeated."""
        self.held_bytes = self._held_peak = self._heads_bytes = 0
        host, self.port = wsgi_environ.choose_address(listeners)
        self.environ = {**wsgi_environ.shared_environ(host, self.port), EVENT_LOOP: self}
        """The part that all requests share."""
        self._epoll = select.epoll()
        self._connections: dict[int, ServerConnection] = {}
        self._victims: deque[tuple[float, ServerConnection]] = deque()
        self._victims_at_s = self._accept_at_s = 0.0
        self._thread_id = 0
        self._soon: deque[Callable[[], None]] = deque()
        self._watches = Watches(self._epoll, self._soon.append)
        self.call_at, self.when_readable = self._watches.call_at, self._watches.when_readable
        """See `EventLoop`."""
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        self._epoll.register(self._wake_in, select.EPOLLIN)
        self._drain: Drain | None = None
        self._is_accepting = self._is_stopping = self.is_draining = False
        """Whether each connection ends with its next answer."""

    def use_tls(self, find_context: FindContext) -> None:
        """Speak TLS, before `run`; find_context: called for each new connection."""
        self._find_context, self.environ["wsgi.url_scheme"] = find_context, "https"

    @property
    def is_empty(self) -> bool:
        """Whether there is no connection."""
        return not self._connections

    def run(self) -> None:
        """Serve until `stop`, then until what is under way is answered or out of time."""
        for listener in self.listeners:
            listener.settimeout(0)
        self._accept_again()
        open_ports[self._name] = lambda: len(self._connections)
        self._thread_id = threading.get_ident()
        swept_s, until_s = clock.monotonic_s(), 0.0
        while True:
            self._turn()
            now_s = clock.monotonic_s()
            if now_s - swept_s >= self._sweep_s:
                swept_s = now_s
                self._sweep(now_s)
            if self._drain is not None and not self._is_stopping:
                self._accept_no_more()
                self._is_stopping = self._drain.step(self._connections.values(), now_s)
            if self._is_stopping:
                until_s = until_s or now_s + self.limits.grace_s
                self._leave()
                if not self._connections or now_s >= until_s:
                    break
        self.close()

    def stop(self) -> None:
        """Have `run` return; any thread or signal handler may call it."""
        self._is_stopping = True
        self._wake()

    def drain(self) -> None:
        """Have `run` return once its connections have ended; see `bazaar.web.drain`."""
        self._drain = self._drain or Drain(clock.monotonic_s(), self.limits)
        self.is_draining, self.share = True, None
        self._wake()

    def add_listener(self, listener: socket.socket) -> None:
        """Accept at one more port, from any thread."""

        def accept() -> None:
            listener.settimeout(0)
            self.listeners.append(listener)
            if self._is_accepting:
                self._epoll.register(listener.fileno(), select.EPOLLIN)

        self.call_soon(accept)

    def close(self) -> None:
        """Close the port and all connections."""
        for connection in list(self._connections.values()):
            connection.close()
        for listener in self.listeners:
            listener.close()
        if not self._epoll.closed:
            self._epoll.close()
            os.close(self._wake_in)
            self._wake_in = -1

    def call_soon(self, action: Callable[[], None]) -> None:
        """Do something at the end of a turn of the server's thread; see `EventLoop`."""
        self._soon.append(action)
        if threading.get_ident() != self._thread_id:
            self._wake()

    def watch(self, connection: ServerConnection, events_: int) -> None:
        """Have epoll report these events of a connection, unless it is ignored."""
        try:
            self._epoll.modify(connection.fd, events_)
        except FileNotFoundError:
            return

    def ignore(self, connection: ServerConnection) -> None:
        """Have epoll report nothing more of a connection."""
        try:
            self._epoll.unregister(connection.fd)
        except (OSError, ValueError):
            return  # it was ignored before, or the server is closed

    def forget(self, connection: ServerConnection) -> None:
        """Drop a connection that is about to be closed."""
        self._connections.pop(connection.fd, None)
        self.ignore(connection)

    def find_request(self, received: bytes) -> ParsedRequest | None:
        """Return the request that these bytes are, if it is whole and its head is known."""
        end = received.find(_HEAD_END) + len(_HEAD_END)
        known, own = self.heads.get(received[:end]), dict[str, str]()
        if known is None:
            head, own = wsgi_environ.split_own(received[:end])
            known = self.heads.get(head) if own else None
        if known is None:
            return None
        # I12: a known head alone is not a whole request
        if own.get(wsgi_environ.LENGTH, "0") != str(len(received) - end):
            return None
        return wsgi_environ.repeat(known, own, received[end:]) if own else known

    def keep_head(self, received: bytes, request: ParsedRequest) -> None:
        """Remember what a head means, unless only this request has it."""
        environ, admission = request.context
        end, length = received.find(_HEAD_END) + len(_HEAD_END), len(request.body)
        is_plain = environ.get(wsgi_environ.LENGTH, "0") == str(length) and request.is_kept
        if (
            end > HEAD_KEPT_BYTES_MAX
            or received.startswith(_LINE_ENDS)
            or not (is_plain and end + length == len(received))
            or not _UNKEPT.isdisjoint(environ)
        ):
            return
        head, own = wsgi_environ.split_own(received[:end])
        if head in self.heads:  # it came with a body that is not looked up
            return
        if any(environ.get(name) != own.get(name) for name in _OWN_HEADERS):
            return
        # Each request is checked anew: nothing that was found out about this one is kept.
        environ = {name: text for name, text in environ.items() if name not in _OWN}
        self._heads_bytes += end
        if len(self.heads) >= HEADS_KEPT_MAX or self._heads_bytes > HEADS_KEPT_BYTES_MAX:
            self.heads.clear()
            self._heads_bytes = end
        kept = dataclasses.replace(request, body=bytearray(), context=(environ, admission))
        self.heads[head] = kept

    def shed(self) -> None:
        """Refuse the biggest unfinished request: all together hold too much."""
        unfinished = [one for one in self._connections.values() if not one.is_busy]
        biggest = max(unfinished, key=lambda one: one.held_bytes, default=None)
        if biggest is not None and biggest.held_bytes:
            events.emit_refusal(log, "too_many_unfinished_bytes")
            message = "Too many bytes of unfinished requests are held; try again."
            biggest.refuse(RequestRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, message))

    def _turn(self) -> None:
        """Wait for events once, and react to them."""
        ports = []
        timeout_s = 0.0 if self._soon else self._watches.rest_s(self._sweep_s)
        for fd, event in self._epoll.poll(timeout_s, _EVENTS_A_TURN):
            connection = self._connections.get(fd)
            if connection is not None:
                self._react(connection, event)
            elif fd == self._wake_in:
                os.read(fd, 4096)
            elif fd in self._watches:
                self._watches.note_readable(fd)
            else:
                ports.append(fd)
        for listener in self.listeners if self._is_accepting else ():
            # Last, because a new connection may get the number of one that ended in this turn.
            if listener.fileno() in ports:
                self._accept(listener)
        for _ in range(len(self._soon)):
            try:
                self._soon.popleft()()
            except Exception:
                log.exception("action broke")

    def _react(self, connection: ServerConnection, event: int) -> None:
        """React to an event; a mistake of ours ends that connection only."""
        try:
            connection.on_event(event)
        except Exception:
            log.exception("connection broke", client=connection.address)
            connection.close()

    def _wake(self) -> None:
        try:
            os.write(self._wake_out, b"!")
        except OSError:
            return  # it is awake, or closed

    def _sweep(self, now_s: float) -> None:
        if now_s >= self._accept_at_s:
            self._accept_again()
        for connection in list(self._connections.values()):
            if now_s >= connection.deadline_s:
                connection.check_time(now_s)
        self._watches.end_late(now_s)
        self._give_back()

    def _give_back(self) -> None:
        """Return memory to the system after much of it was held."""
        self._held_peak = max(self._held_peak, self.held_bytes)
        if self._held_peak > TRIM_BYTES_MIN and self.held_bytes < self._held_peak // 4:
            self._held_peak = self.held_bytes
            if _malloc_trim is not None:
                _malloc_trim(0)

    def _accept_again(self) -> None:
        if not (self._is_accepting or self._is_stopping or self.is_draining):
            self._is_accepting = True
            for listener in self.listeners:
                self._epoll.register(listener.fileno(), select.EPOLLIN)

    def _accept_no_more(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for listener in self.listeners:
                self._epoll.unregister(listener.fileno())

    def _accept(self, listener: socket.socket) -> None:
        """Accept what waits at a port, and is not for another process first."""
        for _ in range(ACCEPTS_A_TURN):
            now_s = clock.monotonic_s()
            if self.share and not self.share.allows(len(self._connections), now_s):
                self._accept_no_more()
                self.call_at(now_s + PAUSE_S, self._accept_again)
                return
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ECONNABORTED:
                    self._pause_accepting()
                    return
            else:
                self._add(sock, address[0])

    def _pause_accepting(self) -> None:
        events.emit_refusal(log, "no_descriptor_left", level=logging.WARNING)
        self._accept_no_more()
        self._accept_at_s = clock.monotonic_s() + ACCEPT_PAUSE_S

    def _add(self, sock: socket.socket, address: str) -> None:
        try:
            sock.settimeout(0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()
            return
        if len(self._connections) >= self.limits.connections_max and not self._make_room():
            refuse_crowd(sock, is_tls=self._find_context is not None)
            return
        try:
            sock = self._secure(sock)
        except (OSError, ValueError):  # it has ended already
            sock.close()
            return
        connection = ServerConnection(self, sock, address)
        self._connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN)
        self._react(connection, select.EPOLLIN)  # its request is often there: not behind a crowd's

    def _secure(self, sock: socket.socket) -> socket.socket:
        """Return what speaks TLS if this port does; the handshake comes with the first bytes."""
        if self._find_context is None:
            return sock
        sock.getpeername()  # raises when it was reset: `wrap_socket` would raise and not close it
        context = self._find_context()
        return context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest; return False without one."""
        now_s = clock.monotonic_s()
        if not self._victims and now_s - self._victims_at_s >= VICTIMS_S:
            self._victims_at_s = now_s
            idle = (one for one in self._connections.values() if one.is_idle)
            listed = sorted(((one.since_s, one) for one in idle), key=lambda pair: pair[0])
            self._victims.extend(listed[: self.limits.connections_max // 8 + 1])
        while self._victims:
            since_s, connection = self._victims.popleft()
            if connection.is_idle and connection.since_s == since_s and not connection.is_closed:
                connection.close()
                return True
        return False

    def _leave(self) -> None:
        """Accept nothing more, and close the connections for which nothing is done."""
        self._accept_no_more()
        for connection in list(self._connections.values()):
            if not connection.is_busy:
                connection.close()
