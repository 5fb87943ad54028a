"""
The control listener: a second WSGI server in the process (docs/DESIGN.md 1).

Pings, notices, appends, invalidations and status come here, so they never wait behind trades. They
see the same memory, because it is the same process. Every path is for cluster members only.
"""

import errno
import os
import socket
import threading
from collections.abc import Callable
from importlib import import_module

import msgspec
from django.conf import settings

from bazaar import clock
from bazaar.runtime.log_lines import get_log
from bazaar.settings.env import SettingsError
from bazaar.topology import Node, format_address
from bazaar.web.bound_port import BACKLOG, bind_port
from bazaar.web.late import LateApplication
from bazaar.web.listeners import open_port
from bazaar.web.member_auth import add_holder_name
from bazaar.web.router import Router
from bazaar.web.server import HttpServer
from bazaar.web.serving import control_lanes, read_limits, secure

log = get_log("bazaar.web.control")

TAKE_OVER_S = 0.2
"""How often a worker tries to take over the control port of its role."""


_node: Node | None = None


def node() -> Node:
    """Return where this process listens; workers share all but the control port."""
    found: Node = _node or settings.BAZAAR_NODE
    return found


def open_listener(connections_max: int, *, is_shared: bool = False) -> HttpServer:
    """
    Bind the control port of the role and return its server.

    `serve` makes it listen and answer: until then callers are refused, and wait for nobody
    (docs/adr/0052).

    is_shared: several worker processes serve the role, so all but one take a port of their own; it
    listens at once, which takes the port from the others. Raises SettingsError when the port is
    taken.
    """
    global _node  # noqa: PLW0603 - one process listens once
    wanted: Node = settings.BAZAAR_NODE
    open_it = open_port if is_shared else bind_port
    try:
        bound = open_it(wanted.listen_host, wanted.control_port)
    except OSError as error:
        if not (is_shared and error.errno == errno.EADDRINUSE):
            raise _refuse(wanted, error) from error
        bound = open_port(wanted.listen_host, 0)
    server = _create(bound, connections_max)
    _node = msgspec.structs.replace(wanted, control_port=server.port)
    add_holder_name(format_address(*_node.control_address))
    return server


def serve(server: HttpServer, on_moved: Callable[[Node], None] = lambda _: None) -> None:
    """
    Answer on the control port until the process ends.

    A worker that has a port of its own takes over that of the role when it is free. on_moved: gets
    the new address, from another thread. Raises SettingsError when the port was taken meanwhile.
    """
    try:
        for listener in server.listeners:
            listener.listen(BACKLOG)
    except OSError as error:
        raise _refuse(node(), error) from error
    threading.Thread(target=server.run, name="control", daemon=True).start()
    log.info("control port open", host=node().host, port=node().control_port)
    if node() != settings.BAZAAR_NODE:
        told = (server, settings.BAZAAR_NODE, on_moved)
        threading.Thread(target=_take_over, args=told, name="take over", daemon=True).start()


def _take_over(server: HttpServer, wanted: Node, on_moved: Callable[[Node], None]) -> None:
    """Listen on the control port of the role, too, once the worker that had it has ended."""
    global _node  # noqa: PLW0603 - one process listens once
    while True:
        clock.wait(TAKE_OVER_S)
        try:
            listener = open_port(wanted.listen_host, wanted.control_port)
        except OSError:
            continue
        server.add_listener(listener)
        add_holder_name(format_address(*wanted.control_address))
        _node = wanted
        log.info("control port taken over", host=wanted.host, port=wanted.control_port)
        on_moved(wanted)
        return


def _refuse(wanted: Node, error: OSError) -> SettingsError:
    return SettingsError(
        f"BAZAAR_CLUSTER: the control port {wanted.listen_host}:{wanted.control_port} of the "
        f"{settings.BAZAAR_ROLE} cannot be used ({os.strerror(error.errno or 0)})."
    )


def _create(bound: socket.socket, connections_max: int) -> HttpServer:
    pages = LateApplication("bazaar.web.django_handlers", "make_control")
    router = Router(pages, import_module(settings.BAZAAR_ENDPOINTS).CONTROL_ENDPOINTS)
    limits = read_limits(connections_max, is_for_members=True)
    return secure(
        HttpServer(router, [bound], limits, control_lanes(), "control"), is_for_members=True
    )
