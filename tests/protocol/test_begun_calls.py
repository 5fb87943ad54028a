"""Calls that are begun on a kept connection, and whose answers are taken later (docs/adr/0023)."""

import select
import socket
import threading

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import Unreachable
from bazaar.protocol.http1 import Reply
from bazaar.protocol.transport import HttpTransport, PendingCall
from tests.protocol.conftest import Serve
from tests.support.servers import (
    Handler,
    ScriptedServer,
    answer,
    answer_and_end,
    end,
    hang,
    raw,
)
from tests.support.waits import WAIT_S, wait_until

SHORT_S = 0.1


def get(client: HttpTransport) -> Reply:
    """Call as usual; the connection is kept."""
    return client.call("GET", "/ping?a=1", timeout_s=WAIT_S)


def begin(client: HttpTransport) -> PendingCall[int] | None:
    return client.begin("POST", "/invalidate", b"{}", lambda reply: reply.status)


def test_many_listeners_are_asked_side_by_side_from_one_thread(serve: Serve) -> None:
    """The catalog tells all front ends before it waits for any."""
    servers = [serve(answer(), hang) for _ in range(3)]
    for _, client in servers:
        get(client)
    begun = [begin(client) for _, client in servers]
    for server, _ in servers:
        assert server.seen.acquire(timeout=WAIT_S)
        assert server.seen.acquire(timeout=WAIT_S)
        server.release.set()
    assert [call.finish(monotonic_s() + WAIT_S) for call in begun if call] == [200] * 3
    assert [server.connections for server, _ in servers] == [1] * 3


def test_nothing_begins_without_a_kept_connection(serve: Serve) -> None:
    server, client = serve(answer())
    assert begin(client) is None
    assert not server.requests


def test_nothing_begins_on_a_connection_that_the_server_has_ended(serve: Serve) -> None:
    """I9: else an attempt that never arrived would be in doubt."""
    server, client = serve(answer_and_end, answer(b"second"))
    get(client)
    (kept,) = client._idle
    wait_until(lambda: not kept.is_quiet)
    assert begin(client) is None
    assert (client._idle, client._busy) == ([], set())
    assert get(client).body == b"second"
    assert len(server.requests) == 2


def test_nothing_begins_that_is_not_taken_whole_at_once(serve: Serve) -> None:
    """Who begins calls answers others meanwhile: it waits for nobody."""
    server, client = serve(answer(), hang)
    get(client)
    body = b"x" * 50_000_000
    assert client.begin("POST", "/invalidate", body, lambda reply: reply.status) is None
    assert (client._idle, client._busy) == ([], set())
    assert len(server.requests) == 1


@pytest.mark.parametrize("manners", [end, hang, raw(b"garbage\r\n\r\n")])
def test_what_was_begun_and_is_not_answered_may_have_happened(
    serve: Serve, manners: Handler
) -> None:
    server, client = serve(answer(), manners, answer(b"next"))
    get(client)
    pending = begin(client)
    assert pending
    with pytest.raises(Unreachable) as caught:
        pending.finish(monotonic_s() + SHORT_S)
    assert caught.value.was_sent
    assert not client._busy
    assert get(client).body == b"next"
    assert len(server.requests) == 3


def test_an_abort_ends_what_was_begun(serve: Serve) -> None:
    _, client = serve(answer(), hang)
    get(client)
    pending = begin(client)
    assert pending
    client.abort()
    with pytest.raises(Unreachable):
        pending.finish(monotonic_s() + WAIT_S)


def test_an_answer_is_read_as_it_comes(serve: Serve) -> None:
    """Whoever calls `take` when there is something to read never waits."""
    first, rest = b"HTTP/1.1 200 OK\r\nContent-", b"Length: 2\r\n\r\n{}"
    is_sent = threading.Event()

    def in_two(server: ScriptedServer, connection: socket.socket) -> bool:
        connection.sendall(first)
        assert is_sent.wait(WAIT_S)
        connection.sendall(rest)
        return True

    _, client = serve(answer(), in_two)
    get(client)
    pending = begin(client)
    assert pending is not None
    wait_until(lambda: select.select([pending.sock], [], [], 0)[0])
    assert pending.take() is None
    is_sent.set()
    wait_until(lambda: select.select([pending.sock], [], [], 0)[0])
    assert pending.take() == 200
    assert len(client._idle) == 1


def test_a_call_that_was_begun_may_be_given_up(serve: Serve) -> None:
    _, client = serve(answer(), hang)
    get(client)
    pending = begin(client)
    assert pending is not None
    pending.give_up()
    assert (client._idle, client._busy) == ([], set())


def test_a_connection_that_ended_is_told_when_it_is_read(serve: Serve) -> None:
    _, client = serve(answer(), end)
    get(client)
    pending = begin(client)
    assert pending is not None
    with pytest.raises(Unreachable):
        pending.take()
    assert (client._idle, client._busy) == ([], set())
