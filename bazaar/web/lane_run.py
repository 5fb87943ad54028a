"""
What a thread of a lane does: it runs a request and sends the answer itself.

A member of the cluster often sends its next call at once. So the thread waits a moment for it and
runs it without another change of threads, which is most of what a short call costs
(docs/adr/0027). Half of the threads at most wait like this, and none where calls are rarer: pings.
"""

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from bazaar import clock
from bazaar.protocol.http1 import ParsedRequest, RequestRefusedError, pack_reply
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import BEGAN
from bazaar.web.dispatch import WholeAnswer, call_application
from bazaar.web.endpoint import Environ
from bazaar.web.errors import MISTAKE
from bazaar.web.request_span import id_lines
from bazaar.web.wsgi_environ import refusal_answer

if TYPE_CHECKING:
    from bazaar.web.server_connection import ServerConnection

log = get_log("bazaar.web.server")

READ_BYTES = 64 * 1024
"""Bytes of one read."""


def run_in_lane(connection: "ServerConnection", request: ParsedRequest, environ: Environ) -> None:
    """Answer a request, and those of a member that follow it soon."""
    stayers, is_staying = connection.server.stayers, False
    is_soon = environ[BEGAN] - connection.since_s < connection.server.limits.stay_s
    try:
        while True:
            packed, is_member = _answer(connection, request, environ)
            if is_soon and is_member and not is_staying:
                is_staying = stayers.acquire(blocking=False)
            with connection.lock:  # the next request may be there before `send` returns
                rest = _send(connection, packed)
                if not is_staying and not rest and _leave_idle(connection):
                    return
            if rest or not is_staying or not _may_go_on(connection):
                break
            following = _await_next(connection)
            if following is None:
                break
            request = following
            environ = connection.environ_of(request.context[0], request.body, clock.monotonic_s())
    finally:
        if is_staying:
            stayers.release()
            connection.sock.settimeout(0)
    with connection.lock:
        connection.is_running = False
    connection.server.call_soon(partial(connection.finish, rest))


def send_answer(
    connection: "ServerConnection",
    request: ParsedRequest,
    environ: Environ,
    answer: WholeAnswer,
) -> None:
    """Send an answer from any thread; the server goes on with the connection."""
    connection.keeps_going = connection.keeps_going and request.is_kept
    packed = pack_reply(request, *answer, clock.wall_s(), id_lines(environ))
    with connection.lock:
        rest = _send(connection, packed)
        if not rest and _leave_idle(connection):
            return
        connection.is_running = False
    connection.server.call_soon(partial(connection.finish, rest))


def answer_mistake(connection: "ServerConnection", request: ParsedRequest) -> bytes:
    """Return the answer to a request whose call broke; the connection ends with it."""
    log.exception("call broke", method=request.method)
    connection.keeps_going = False
    refused = RequestRefusedError(HTTPStatus(MISTAKE.code), MISTAKE.message, is_definite=False)
    return pack_reply(ParsedRequest(), *refusal_answer(refused), clock.wall_s())


def _answer(
    connection: "ServerConnection", request: ParsedRequest, environ: Environ
) -> tuple[bytes, bool]:
    """Return the packed answer, and whether a member of the cluster gets it."""
    try:
        answer = call_application(connection.server.service, environ)
        packed = pack_reply(request, *answer, clock.wall_s(), id_lines(environ))
    except Exception:  # noqa: BLE001 - it is logged there
        return answer_mistake(connection, request), False
    connection.keeps_going = connection.keeps_going and request.is_kept
    return packed, "HTTP_AUTHORIZATION" in environ and answer[0].startswith("2")


def _send(connection: "ServerConnection", packed: bytes) -> memoryview:
    """Send an answer; return what the other side does not take now."""
    try:
        sent = connection.sock.send(packed)
    except (BlockingIOError, TimeoutError):
        sent = 0
    except OSError:
        sent, connection.is_gone = len(packed), True
    return memoryview(packed)[sent:]


def _may_go_on(connection: "ServerConnection") -> bool:
    """Tell whether only the next request is to be waited for."""
    return connection.keeps_going and not (
        connection.is_gone or connection.queue or connection.refusal or connection.held_bytes
    )


def _leave_idle(connection: "ServerConnection") -> bool:
    """Leave a connection to the server's thread, if that has nothing to do for it now."""
    if connection.is_muted or not _may_go_on(connection):
        return False
    connection.become_idle()
    connection.is_running = connection.is_busy = False
    return True


def _await_next(connection: "ServerConnection") -> ParsedRequest | None:
    """Wait a moment for the next request; None: the server's thread goes on."""
    if not connection.take_over():
        return None
    try:
        received = connection.sock.recv(READ_BYTES)
    except OSError:  # nothing came in time, or the connection is over
        return None
    if not received:
        return None
    parser = connection.make_parser()
    if not parser.is_begun and (known := connection.server.find_request(received)):
        return known
    requests = parser.feed(received)
    try:
        parser.check()
    except RequestRefusedError as refused:
        connection.refusal = refused
    connection.queue.extend(requests)
    return connection.queue.popleft() if connection.queue else None
