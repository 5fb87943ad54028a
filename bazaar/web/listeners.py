"""Sockets that listen, and the refusal of a connection without room."""

import socket
from http import HTTPStatus

from bazaar import clock
from bazaar.protocol.http1 import ParsedRequest, RequestRefusedError, pack_reply
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.web import wsgi_environ
from bazaar.web.bound_port import BACKLOG, bind_port

log = get_log("bazaar.web.server")


def open_port(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any. Raises OSError: the port is taken."""
    bound = bind_port(host, port)
    bound.listen(BACKLOG)
    return bound


def refuse_crowd(sock: socket.socket, *, is_tls: bool = False) -> None:
    """Refuse a connection beyond the limit at once; is_tls: without a word."""
    events.emit_refusal(log, "too_many_connections")
    if is_tls:  # an answer would take a handshake first
        sock.close()
        return
    refused = RequestRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections.")
    answer = wsgi_environ.refusal_answer(refused)
    try:
        sock.send(pack_reply(ParsedRequest(), *answer, clock.wall_s()))
        sock.shutdown(socket.SHUT_WR)
        sock.recv(4096)  # what is unread would end it with a reset, and the answer with it
    except OSError:
        pass
    sock.close()
