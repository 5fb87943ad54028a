"""What goes wrong with a listener: its application, its callers, its threads and its port."""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.db import connections

from bazaar import clock
from bazaar.web.server import ACCEPT_PAUSE_S, Application, Listener
from tests.support.callers import (
    GET,
    HOST,
    Caller,
    Connect,
    Environ,
    Listen,
    Start,
    check_refused,
    echo,
    saying,
)
from tests.support.waits import WAIT_S, in_thread, run_together, wait_until

SHORT_S = 0.05
LONG_ANSWER_BYTES = 16 * 1024 * 1024
Serve = Callable[[Listener], None]
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
    with caplog.at_level(logging.ERROR, "bazaar.web.control"):
        check_refused(caller.call(GET), 500, is_definite=False)
    assert caller.is_ended()
    assert [record.getMessage() for record in caplog.records] == ["call broke method=GET"]
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


def test_a_connection_too_many_is_refused_until_another_ends(
    listen: Listen, connect: Connect
) -> None:
    server = listen(OK, connections_max=2)
    some = [connect(server) for _ in range(2)]
    assert [caller.call(GET).status for caller in some] == [200, 200]
    refused = connect(server)
    check_refused(refused.answer(), 503)
    assert refused.is_ended()
    assert [caller.call(GET).status for caller in some] == [200, 200]
    some[0].close()
    wait_until(lambda: is_served(connect(server)))
    assert some[1].call(GET).status == 200


def test_a_thread_that_could_not_start_takes_no_place(
    listen: Listen, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*told: object) -> None:
        raise RuntimeError("can't start new thread")

    server = listen(OK, connections_max=1)
    with monkeypatch.context() as patch:
        patch.setattr(socketserver.ThreadingMixIn, "process_request", fail)
        assert connect(server).is_ended()
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
    listen: Listen, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, began_s = listen(OK), clock.monotonic_s()
    full = Full(server.socket)
    with monkeypatch.context() as patch:
        patch.setattr(server, "socket", full)
        caller = connect(server)
        wait_until(lambda: full.times >= 3)
    assert clock.monotonic_s() - began_s >= 2 * ACCEPT_PAUSE_S
    assert caller.call(GET).status == 200


@pytest.mark.parametrize("content", [b"", b"GET /half", GET, b"\r\n"])
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

    def hold(environ: Environ, start_response: Start) -> Iterable[bytes]:
        assert released.wait(WAIT_S)
        return OK(environ, start_response)

    server = prepare(hold, idle_s=SHORT_S)
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


def test_a_thread_ends_with_its_connection_and_gives_its_database_back(
    listen: Listen, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, given_back = list[threading.Thread](), list[threading.Thread]()
    monkeypatch.setattr(
        connections, "close_all", lambda: given_back.append(threading.current_thread())
    )

    def answer(environ: Environ, start_response: Start) -> Iterable[bytes]:
        threads.append(threading.current_thread())
        return OK(environ, start_response)

    caller = connect(listen(answer))
    for _ in range(2):
        caller.call(GET)
    assert threads[0] is threads[1]
    assert threads[0] not in given_back
    caller.close()
    threads[0].join(WAIT_S)
    assert not threads[0].is_alive()
    assert threads[0] in given_back


def test_a_thread_that_breaks_is_logged(
    listen: Listen,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise RuntimeError("planted")

    server = listen(OK, connections_max=1)
    with monkeypatch.context() as patch:
        patch.setattr(connections, "close_all", fail)
        caller = connect(server)
        assert caller.call(b"GET / HTTP/1.0\r\n\r\n").status == 200
        assert caller.is_ended()
    assert [record.getMessage() for record in caplog.records] == [f"connection broke client={HOST}"]
    wait_until(lambda: is_served(connect(server)))


def test_a_taken_port_is_an_error(listen: Listen) -> None:
    port = listen().port
    with pytest.raises(OSError, match="in use"):
        Listener(echo, (HOST, port), connections_max=1, body_bytes_max=1, idle_s=1)


def test_it_listens_at_addresses_of_the_other_kind(listen: Listen, connect: Connect) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    told = connect(listen(host="::1")).call(GET).json()
    assert (told["REMOTE_ADDR"], told["SERVER_NAME"]) == ("::1", "::1")
