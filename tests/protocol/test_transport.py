"""HTTP to a real socket: kept connections, quiet reconnects, and what is known of a failure."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import Unreachable
from bazaar.protocol import transport
from bazaar.protocol.http1 import REPLY_BODY_BYTES_MAX, Reply
from bazaar.protocol.signing import digest_of, verify
from bazaar.protocol.transport import HttpTransport
from tests.protocol.conftest import NOW_S, RECEIVER, SECRET, Serve
from tests.support.servers import (
    ScriptedServer,
    answer,
    answer_and_end,
    end,
    hang,
    raw,
    reset_and_die,
)
from tests.support.waits import WAIT_S, in_thread, run_together, wait_until

SHORT_S = 0.1


def get(client: HttpTransport, timeout_s: float = WAIT_S) -> Reply:
    return client.call("GET", "/ping?a=1", timeout_s=timeout_s)


def failure_of(client: HttpTransport, timeout_s: float = WAIT_S) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        get(client, timeout_s)
    return caught.value


def test_an_answer_comes_back_whatever_its_status(serve: Serve) -> None:
    _, client = serve(answer(b"no", "Bazaar-Term: 7\r\n", "409 Conflict"))
    reply = get(client)
    assert (reply.status, reply.body, reply.headers["bazaar-term"]) == (409, b"no", "7")


def test_every_request_is_signed(serve: Serve) -> None:
    server, client = serve(answer(), answer())
    get(client)
    client.call("POST", "/sync", b'{"a": 1}', timeout_s=WAIT_S)
    for request in server.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        named = verify(SECRET, headers["Authorization"], method, path, NOW_S)
        assert named == (RECEIVER, digest_of(body))
    assert headers["Content-Type"] == "application/json"


def test_a_connection_is_kept_for_the_next_call(serve: Serve) -> None:
    server, client = serve(answer(), answer(), answer())
    for _ in range(3):
        get(client)
    assert server.connections == 1


def test_calls_side_by_side_have_connections_of_their_own(serve: Serve) -> None:
    server, client = serve(hang, hang, hang)
    futures = [in_thread(lambda: get(client)) for _ in range(3)]
    wait_until(lambda: len(server.requests) == 3)
    server.release.set()
    assert [future.result(WAIT_S).status for future in futures] == [200] * 3
    assert server.connections == 3


def test_a_kept_connection_that_the_server_ended_is_replaced_quietly(serve: Serve) -> None:
    server, client = serve(answer_and_end, answer(b"second"))
    get(client)
    assert get(client).body == b"second"
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_call_that_dies_on_a_kept_connection_is_sent_once_more_only(serve: Serve) -> None:
    server, client = serve(answer(), end, end, answer())
    get(client)
    assert failure_of(client).was_sent
    assert len(server.requests) == 3


def test_a_call_that_dies_on_a_new_connection_is_not_repeated(serve: Serve) -> None:
    server, client = serve(end, answer())
    failure = failure_of(client)
    assert (failure.is_refused, failure.was_sent) == (False, True)
    assert len(server.requests) == 1


def test_the_server_may_end_a_connection_openly(serve: Serve) -> None:
    server, client = serve(answer(b"1", "Connection: close\r\n"), answer(b"2"))
    assert [get(client).body, get(client).body] == [b"1", b"2"]
    assert server.connections == 2


def test_a_port_where_nobody_listens_is_refused_and_was_not_sent(serve: Serve) -> None:
    server, client = serve()
    server.stop_listening()
    failure = failure_of(client)
    assert (failure.is_refused, failure.was_sent) == (True, False)
    assert str(server.address[1]) in failure.message


def test_a_process_that_dies_with_the_request_is_refused_but_may_have_acted(serve: Serve) -> None:
    """I9: it read the request on the kept connection, so the trade may have happened."""
    server, client = serve(answer(), reset_and_die)
    get(client)
    failure = failure_of(client)
    assert (failure.is_refused, failure.was_sent) == (True, True)
    assert len(server.requests) == 2


def test_a_silent_server_is_given_up_after_the_timeout(serve: Serve) -> None:
    _, client = serve(hang)
    begun_s = monotonic_s()
    failure = failure_of(client, SHORT_S)
    assert (failure.is_refused, failure.was_sent) == (False, True)
    assert SHORT_S * 0.9 <= monotonic_s() - begun_s < WAIT_S / 2


def test_a_silent_server_is_not_asked_again_on_a_new_connection(serve: Serve) -> None:
    server, client = serve(answer(), hang, answer())
    get(client)
    failure_of(client, SHORT_S)
    assert len(server.requests) == 2


def test_each_call_has_a_timeout_of_its_own_on_a_kept_connection(serve: Serve) -> None:
    server, client = serve(answer(), hang, answer())
    get(client, SHORT_S)
    future = in_thread(lambda: get(client, WAIT_S))
    assert server.seen.acquire(timeout=WAIT_S)
    assert server.seen.acquire(timeout=WAIT_S)
    with pytest.raises(TimeoutError):
        future.result(3 * SHORT_S)
    server.release.set()
    assert future.result(WAIT_S).status == 200


def test_after_a_timeout_a_late_answer_is_nobody_elses(serve: Serve) -> None:
    server, client = serve(hang, answer(b"mine"))
    failure_of(client, SHORT_S)
    server.release.set()
    assert get(client).body == b"mine"
    assert server.connections == 2


@pytest.mark.parametrize(
    "content",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
        b"\0" * 100,
        b"",
    ],
)
def test_a_garbled_answer_is_unreachable(serve: Serve, content: bytes) -> None:
    _, client = serve(raw(content))
    failure = failure_of(client)
    assert (failure.is_refused, failure.was_sent) == (False, True)


def test_an_answer_that_is_too_long_is_not_swallowed(serve: Serve) -> None:
    length = REPLY_BODY_BYTES_MAX + 1
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()

    def answer_long(server: ScriptedServer, connection: socket.socket) -> bool:
        connection.sendall(head)
        return raw(b"x" * 2**20, times=65)(server, connection)

    _, client = serve(answer_long, answer(b"next"))
    assert "longer" in failure_of(client).message
    assert get(client).body == b"next"


def test_an_aborted_call_ends_at_once_and_is_not_repeated(serve: Serve) -> None:
    """docs/DESIGN.md 4.3: a paused leader holds nobody up."""
    server, client = serve(answer(), hang, answer())
    get(client)
    future = in_thread(lambda: failure_of(client))
    assert server.seen.acquire(timeout=WAIT_S)
    assert server.seen.acquire(timeout=WAIT_S)
    begun_s = monotonic_s()
    client.abort()
    failure = future.result(WAIT_S)
    assert monotonic_s() - begun_s < WAIT_S / 2
    assert (failure.is_refused, failure.was_sent) == (False, True)
    assert len(server.requests) == 2


def test_an_abort_ends_every_call_under_way(serve: Serve) -> None:
    server, client = serve(*[hang] * 5)
    futures = [in_thread(lambda: failure_of(client)) for _ in range(5)]
    wait_until(lambda: len(server.requests) == 5)
    client.abort()
    assert all(future.result(WAIT_S).was_sent for future in futures)


def test_after_an_abort_calls_go_on(serve: Serve) -> None:
    server, client = serve(hang, answer(b"next"))
    future = in_thread(lambda: failure_of(client))
    assert server.seen.acquire(timeout=WAIT_S)
    client.abort()
    future.result(WAIT_S)
    client.abort()
    assert get(client).body == b"next"


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """Listen, but accept nobody: the queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address: tuple[str, int] = listener.getsockname()
        with socket.create_connection(address):
            yield address


def test_an_abort_ends_a_call_that_is_still_connecting(deaf: tuple[str, int]) -> None:
    """A leader behind a cut link never accepts; its calls must end with its term all the same."""
    client = HttpTransport(deaf, RECEIVER, SECRET, lambda: NOW_S)
    future = in_thread(lambda: failure_of(client))
    wait_until(lambda: any(connection.sock for connection in client._busy))
    begun_s = monotonic_s()
    client.abort()
    future.result(WAIT_S)
    assert monotonic_s() - begun_s < WAIT_S / 2


def test_an_abort_is_not_missed_by_a_call_that_is_just_beginning(
    deaf: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, resolve = HttpTransport(deaf, RECEIVER, SECRET, lambda: NOW_S), socket.getaddrinfo

    def abort_meanwhile(*args: Any, **kwargs: Any) -> Any:
        client.abort()
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", abort_meanwhile)
    begun_s = monotonic_s()
    assert not failure_of(client).is_refused
    assert monotonic_s() - begun_s < WAIT_S / 2


def test_kept_connections_have_a_limit(serve: Serve) -> None:
    count = transport.IDLE_CONNECTIONS_MAX + 8
    server, client = serve(*[hang] * count)
    futures = [in_thread(lambda: get(client)) for _ in range(count)]
    wait_until(lambda: len(server.requests) == count)
    server.release.set()
    assert all(future.result(WAIT_S).status == 200 for future in futures)
    assert len(client._idle) == transport.IDLE_CONNECTIONS_MAX
    assert not client._busy


def test_many_threads_share_a_transport(serve: Serve) -> None:
    calls = 50
    server, client = serve(*[answer(b"x" * 1000)] * (8 * calls))
    replies = run_together([lambda: [get(client) for _ in range(calls)] for _ in range(8)])
    assert {reply.body for some in replies for reply in some} == {b"x" * 1000}
    assert len(server.requests) == 8 * calls
    assert server.connections <= 8


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a b", "x\r\ny", "\0", "x" * 300, "é."])
def test_a_host_that_does_not_exist_is_unreachable(host: str) -> None:
    assert not failure_of(HttpTransport((host, 1), RECEIVER, SECRET, lambda: NOW_S)).is_refused
