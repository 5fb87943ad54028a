"""
Serve the application of a role, with limits from the settings.

granian and gunicorn only manage the processes; each hands its sockets and the application to
`serve` (docs/adr/0027). `runserver` uses `DevelopmentServer`.
"""

import atexit
import resource
import signal
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from django.conf import settings

from bazaar.clock import wait_until
from bazaar.protocol import tracing
from bazaar.protocol.tls import tls
from bazaar.runtime.checkpoint import leave_whole_file
from bazaar.runtime.health import are_ok
from bazaar.runtime.log_lines import get_log
from bazaar.topology import Role
from bazaar.web.dispatch import Application, LaneLimits, PlainService, Service
from bazaar.web.endpoint import Lane
from bazaar.web.listeners import open_port
from bazaar.web.port_share import PortShare
from bazaar.web.server import HttpServer
from bazaar.web.server_limits import ServerLimits

log = get_log("bazaar.web.server")

CONNECTIONS_MAX = 8192
"""Connections to a served port, while the process may open as many files."""
DESCRIPTORS_RESERVED = 1024
"""File descriptors that are left for the control port, databases and calls to others."""
CONNECTIONS_MIN = 128
LOCAL_THREADS_MAX, LOOK_UP_THREADS_MAX = 16, 32
"""Threads of a front end beside those that trade."""
STAY_S = 0.1
"""How long a thread waits for the next call of a member on the same connection."""
READY_TIMEOUT_S = 10.0
"""How long a worker that replaces another one waits until it is ready."""
DRAIN_SPARE_S = 2.0
"""How much longer than the deadline of a trade a drain may take."""
WAITING_MAX = 1024
"""Requests that may wait for a thread of a lane."""


def raise_descriptor_limit() -> int:
    """Allow this process all file descriptors it may have; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft
    return hard


def read_limits(connections_max: int, *, is_for_members: bool) -> ServerLimits:
    """
    Return the limits of a port.

    connections_max: fewer when there are not as many descriptors.
    """
    descriptors = raise_descriptor_limit()
    possible = max(CONNECTIONS_MIN, descriptors - DESCRIPTORS_RESERVED)
    limits = settings.BAZAAR_LIMITS
    return ServerLimits(
        connections_max=min(connections_max, possible),
        head_s=limits.head_timeout_s,
        body_s=limits.body_timeout_s,
        drain_s=limits.deadline_s + DRAIN_SPARE_S,
        stay_s=STAY_S,
        stayers_max=limits.served_threads // 2 if is_for_members else 0,
    )


def served_lanes() -> Mapping[Lane, LaneLimits]:
    """Return the threads of a served port; a front end's wait for others."""
    limits = settings.BAZAAR_LIMITS
    all_threads = LaneLimits(limits.served_threads, WAITING_MAX)
    if settings.BAZAAR_ROLE is not Role.FRONT_END:
        return {Lane.LOCAL: all_threads}
    return {
        Lane.LOCAL: LaneLimits(LOCAL_THREADS_MAX, WAITING_MAX),
        Lane.LOOK_UP: LaneLimits(LOOK_UP_THREADS_MAX, WAITING_MAX),
        Lane.TRADE: LaneLimits(limits.served_threads, limits.waiting_trades_max),
    }


def control_lanes() -> Mapping[Lane, LaneLimits]:
    """Return the threads of a control port."""
    return {Lane.LOCAL: LaneLimits(settings.BAZAAR_LIMITS.served_threads, WAITING_MAX)}


def as_service(application: Any) -> Service:
    """Return an application as a service; a router is one."""
    return application if hasattr(application, "admit") else PlainService(application)


def secure(server: HttpServer, *, is_for_members: bool) -> HttpServer:
    """Return the server, which speaks TLS where this process does."""
    if (contexts := tls()) is None:
        return server
    told = ""

    def find() -> ssl.SSLContext:
        nonlocal told
        found = contexts.server(is_for_members=is_for_members)
        if contexts.fault != told:
            told = contexts.fault
            log.warning("certificates not taken up" if told else "certificates are well", why=told)
        return found

    server.use_tls(find)
    return server


def make_server(application: Application, listeners: Sequence[socket.socket]) -> HttpServer:
    """Return the server of a served port."""
    is_for_members = settings.BAZAAR_ROLE in (Role.CATALOG, Role.ORDER)
    limits = read_limits(CONNECTIONS_MAX, is_for_members=is_for_members)
    server = HttpServer(as_service(application), listeners, limits, served_lanes())
    return secure(server, is_for_members=is_for_members)


def serve(
    application: Application, listeners: Sequence[socket.socket], share: PortShare | None = None
) -> None:
    """
    Serve until SIGTERM or SIGINT, then leave the database; from the main thread.

    share: where other processes accept at these sockets, too. SIGUSR2 drains the server: another
    worker has taken over, and no request may fail.
    """
    server = make_server(application, listeners)
    server.share = share
    is_ending = threading.Event()

    def stop(*_: object) -> None:
        is_ending.set()
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGUSR2, lambda *_: server.drain())
    server.run()
    if server.is_draining:
        import_module(settings.BAZAAR_WIRING).retire(is_ending.wait)
    leave_whole_file()
    tracing.unsubscribe_all()


def await_ready() -> None:
    """Wait until this process can do its job, or READY_TIMEOUT_S are over."""
    wiring = import_module(settings.BAZAAR_WIRING)
    wait_until(lambda: are_ok(wiring.list_checks()), READY_TIMEOUT_S)


class DevelopmentServer:
    """What `runserver` expects of a server class, on ours."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: object, *, ipv6: bool = False) -> None:
        """Open the port. handler: of wsgiref, which is not used. Raises OSError."""
        self._listener = open_port(*address)
        self.server_port = int(self._listener.getsockname()[1])
        self._application: Application | None = None

    def set_app(self, application: Application) -> None:
        """Take what is served."""
        self._application = application

    def serve_forever(self) -> None:
        """Serve until the process ends, SIGTERM or Ctrl-C."""
        assert self._application is not None, "set_app comes first"
        server = make_server(self._application, [self._listener])
        atexit.register(leave_whole_file)
        if threading.current_thread() is threading.main_thread():  # else Django's reloader ends it
            signal.signal(signal.SIGTERM, lambda *_: server.stop())
        try:
            server.run()
        except KeyboardInterrupt:
            server.stop()
            threading.Thread(target=server.close, daemon=True).start()
            raise
