"""What goes wrong with a listener: its application, its callers, its threads and its port."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest
from django.db import connections

from bazaar import clock
from bazaar.web.dispatch import Application, LaneLimits
from bazaar.web.endpoint import Lane
from bazaar.web.listeners import open_port
from bazaar.web.server import ACCEPT_PAUSE_S, HttpServer
from tests.support.callers import (
    GET,
    HOST,
    Caller,
    Connect,
    Environ,
    Listen,
    Start,
    check_refused,
    saying,
)
from tests.support.waits import WAIT_S, in_thread, run_together, wait_until
from tests.support.written import lines_of

SHORT_S = 0.05
LONG_ANSWER_BYTES = 16 * 1024 * 1024
Serve = Callable[[HttpServer], None]
OK = saying("200 OK", [], b"hi")


def break_at_once(environ: Environ, start_response: Start) -> Iterable[bytes]:
    raise RuntimeError("planted")


def break_after_the_start(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [])
    raise RuntimeError("planted")


def break_in_the_middle(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [])(b"some")
    yield b"more"
    raise RuntimeError("planted")


def start_twice(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("404 Not Found", [])
    return []


@pytest.mark.parametrize(
    "application",
    [
        break_at_once,
        break_after_the_start,
        break_in_the_middle,
        start_twice,
        lambda environ, start_response: [],
        saying("200 OK", [("X-A", "1\r\nX-B: 2")]),
        saying("200 OK", [("X-A", "1\nX-B: 2")]),
        saying("200 OK\r\n\r\nHTTP/1.1 200 OK", []),
        saying("200 OK", [("X-A", "\u20ac")]),
        saying("200 OK", [("Content-Length", "1")], b"hi"),
        saying("200 OK", [("Content-Length", "3")], b"hi"),
    ],
)
def test_an_application_that_breaks_is_a_mistake_of_ours(
    listen: Listen, connect: Connect, caplog: pytest.LogCaptureFixture, application: Application
) -> None:
    server = listen(lambda *told: (OK if told[0]["PATH_INFO"] == "/ok" else application)(*told))
    caller = connect(server)
    with caplog.at_level(logging.ERROR, "bazaar.web.server"):
        check_refused(caller.call(GET), 500, is_definite=False)
    assert caller.is_ended()
    assert lines_of(caplog.records) == ["call broke method=GET"]
    assert connect(server).call(b"GET /ok HTTP/1.1\r\n\r\n").body == b"hi"


def test_calls_are_served_beside_one_that_takes_long(listen: Listen, connect: Connect) -> None:
    released, held = threading.Event(), threading.Event()

    def hold(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/held":
            held.set()
            assert released.wait(WAIT_S)
        return OK(environ, start_response)

    server = listen(hold)
    late = in_thread(lambda: connect(server).call(b"GET /held HTTP/1.1\r\n\r\n"))
    assert held.wait(WAIT_S)
    answers = run_together([lambda: connect(server).call(GET)] * 20)
    assert [answer.body for answer in answers] == [b"hi"] * 20
    assert not late.done()
    released.set()
    assert late.result(WAIT_S).body == b"hi"


def is_served(caller: Caller) -> bool:
    """Tell whether a connection is one of those that may be."""
    try:
        return caller.call(GET).status == 200
    except ConnectionError:
        return False
    finally:
        caller.close()


def hold_until(released: threading.Event) -> Application:
    """Return an application that waits, except at /ok."""

    def hold(environ: Environ, start_response: Start) -> Iterable[bytes]:
        assert environ["PATH_INFO"] == "/ok" or released.wait(WAIT_S)
        return OK(environ, start_response)

    return hold


def test_a_connection_too_many_ends_the_one_idle_for_longest(
    listen: Listen, connect: Connect
) -> None:
    server = listen(OK, connections_max=2)
    first, second = connect(server), connect(server)
    assert [caller.call(GET).status for caller in (first, second, first)] == [200, 200, 200]
    wait_until(lambda: all(one.is_idle for one in server._connections.values()))
    third = connect(server)
    assert third.call(GET).status == 200
    assert second.is_ended()
    assert [caller.call(GET).status for caller in (first, third)] == [200, 200]


def test_a_connection_too_many_is_refused_at_once_while_none_is_idle(
    listen: Listen, connect: Connect
) -> None:
    released = threading.Event()
    server = listen(hold_until(released), connections_max=2)
    some = [connect(server) for _ in range(2)]
    for caller in some:
        caller.sock.sendall(b"GET / HTTP/1.1\r\nA: b")
    wait_until(lambda: server.held_bytes > 0)
    refused = connect(server)
    answer = refused.answer()
    check_refused(answer, 503)
    assert answer.values("retry-after") == ["1"]
    assert refused.is_ended()
    released.set()
    for caller in some:
        assert caller.call(b"\r\n\r\n").status == 200


def test_more_than_a_lane_takes_is_refused_and_others_go_on(
    listen: Listen, connect: Connect
) -> None:
    released = threading.Event()
    server = listen(hold_until(released), lanes={Lane.LOCAL: LaneLimits(1, 1)})
    some = [connect(server) for _ in range(2)]
    for caller in some:
        caller.sock.sendall(GET)
    third = connect(server)
    wait_until(lambda: _is_refused(third))
    released.set()
    assert [caller.answer().status for caller in some] == [200, 200]
    assert third.call(GET).status == 200


def _is_refused(caller: Caller) -> bool:
    caller.sock.sendall(b"GET /ok HTTP/1.1\r\n\r\n")
    answer = caller.answer()
    return (answer.status, answer.values("retry-after")) == (429, ["1"])


@pytest.mark.parametrize(
    ("content", "limits"),
    [
        (b"GET /half", {"head_s": SHORT_S}),
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", {"body_s": SHORT_S}),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh", {"body_s": SHORT_S}),
    ],
)
def test_what_is_not_whole_in_time_is_refused(
    listen: Listen, connect: Connect, content: bytes, limits: dict[str, float]
) -> None:
    caller = connect(listen(OK, **limits))
    caller.sock.sendall(content)
    check_refused(caller.answer(), 408)
    assert caller.is_ended()


@pytest.mark.parametrize(
    "content",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n",
    ],
)
def test_what_is_cut_off_never_happens(listen: Listen, connect: Connect, content: bytes) -> None:
    """I12: a request that did not arrive whole did not happen."""
    happened = list[str]()

    def note(environ: Environ, start_response: Start) -> Iterable[bytes]:
        happened.append(environ["REQUEST_METHOD"])
        return OK(environ, start_response)

    server = listen(note)
    half_closed, gone = connect(server), connect(server)
    half_closed.sock.sendall(content)
    half_closed.stop_sending()
    check_refused(half_closed.answer(), 400)
    gone.sock.sendall(content)
    gone.vanish()
    assert connect(server).call(b"PUT / HTTP/1.1\r\n\r\n").status == 200
    assert happened == ["PUT"]


def test_unfinished_requests_hold_a_bounded_number_of_bytes(
    listen: Listen, connect: Connect
) -> None:
    server = listen(OK, body_bytes_max=100_000, held_bytes_max=60_000)
    head = b"POST / HTTP/1.1\r\nContent-Length: 90000\r\n\r\n"
    big, small = connect(server), connect(server)
    big.sock.sendall(head + b"x" * 40_000)
    wait_until(lambda: server.held_bytes >= 40_000)
    small.sock.sendall(head + b"x" * 30_000)
    check_refused(big.answer(), 503)
    assert server.held_bytes < 60_000
    assert connect(server).call(GET).status == 200


class Full:
    """A socket that accepts nobody while the process has no file left."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.times = sock, 0

    def accept(self) -> Any:
        self.times += 1
        raise OSError("Too many open files")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


def test_a_process_without_files_does_not_spin(
    prepare: Listen, start: Serve, connect: Connect
) -> None:
    server, began_s = prepare(OK, linger_s=SHORT_S), clock.monotonic_s()
    sock = server.listeners[0]
    full = Full(sock)
    server.listeners[0] = cast("socket.socket", full)
    start(server)
    caller = connect(server)
    wait_until(lambda: full.times >= 3)
    assert clock.monotonic_s() - began_s >= 2 * ACCEPT_PAUSE_S
    server.listeners[0] = sock
    assert caller.call(GET).status == 200


@pytest.mark.parametrize("content", [b"", GET, b"\r\n"])
def test_a_connection_that_is_idle_is_ended(
    prepare: Listen, start: Serve, connect: Connect, content: bytes
) -> None:
    server = prepare(OK, idle_s=SHORT_S)
    caller = connect(server)
    caller.sock.sendall(content)
    start(server)
    if content == GET:
        assert caller.answer().status == 200
    assert caller.is_ended()


def test_a_connection_is_not_idle_while_it_is_served(
    prepare: Listen, start: Serve, connect: Connect
) -> None:
    released = threading.Event()
    server = prepare(hold_until(released), idle_s=SHORT_S)
    caller = connect(server)
    caller.sock.sendall(GET)
    start(server)
    assert connect(server).is_ended()
    released.set()
    assert caller.answer().body == b"hi"


def test_a_caller_that_vanishes_harms_nobody(
    listen: Listen, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    long = saying("200 OK", [], b"x" * LONG_ANSWER_BYTES)
    server = listen(long, connections_max=1)
    for content in (GET, GET + GET, b"GET /half", b"", b"garbage\r\n\r\n"):
        caller = connect(server)
        caller.sock.sendall(content)
        if content.startswith(GET):
            assert caller.sock.recv(1) == b"H"
        caller.vanish()
        wait_until(lambda: is_served(connect(server)))
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_thread_without_work_ends_and_closes_its_database_connections(
    listen: Listen, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, closed = list[threading.Thread](), list[threading.Thread]()
    monkeypatch.setattr(connections, "close_all", lambda: closed.append(threading.current_thread()))

    def answer(environ: Environ, start_response: Start) -> Iterable[bytes]:
        threads.append(threading.current_thread())
        return OK(environ, start_response)

    caller = connect(listen(answer, thread_idle_s=SHORT_S))
    assert caller.call(GET).status == 200
    threads[0].join(WAIT_S)
    assert not threads[0].is_alive()
    assert threads[0] in closed
    assert caller.call(GET).status == 200


def test_a_thread_that_cannot_start_is_a_refusal(
    listen: Listen, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*told: object) -> None:
        raise RuntimeError("can't start new thread")

    caller = connect(listen(OK))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert caller.call(GET).status == 429
    assert caller.call(GET).status == 200


def test_requests_under_way_are_answered_after_stop(prepare: Listen, connect: Connect) -> None:
    released = threading.Event()
    server = prepare(hold_until(released), grace_s=WAIT_S)
    ended = in_thread(server.run)
    caller, idle = connect(server), connect(server)
    assert idle.call(b"GET /ok HTTP/1.1\r\n\r\n").status == 200
    caller.sock.sendall(GET)
    wait_until(lambda: any(one.name.startswith("served local") for one in threading.enumerate()))
    server.stop()
    assert idle.is_ended()
    released.set()
    assert caller.answer().status == 200
    ended.result(WAIT_S)


def test_a_taken_port_is_an_error(listen: Listen) -> None:
    port = listen().port
    with pytest.raises(OSError, match="in use"):
        open_port(HOST, port)


def test_a_port_of_all_addresses_takes_both_kinds(listen: Listen) -> None:
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6).close()
    except OSError:  # without IPv6 there is an error at the start
        with pytest.raises(OSError, match=r"::|family"):
            listen(host="::")
        return
    server = listen(host="::")
    assert server.listeners[0].family == socket.AF_INET6
    socket.create_connection((HOST, server.port), WAIT_S).close()


def test_it_listens_at_addresses_of_the_other_kind(listen: Listen, connect: Connect) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # without IPv6 there is an error at the start
        with pytest.raises(OSError, match="::1"):
            listen(host="::1")
        return
    told = connect(listen(host="::1")).call(GET).json()
    assert (told["REMOTE_ADDR"], told["SERVER_NAME"]) == ("::1", "::1")
