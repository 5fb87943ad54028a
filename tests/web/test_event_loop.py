"""A server is an event loop for calls to other processes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from queue import Queue

import pytest

from bazaar import clock
from bazaar.web.server import HttpServer
from tests.support.callers import GET, Connect, Listen, echo
from tests.support.waits import WAIT_S, wait_until

SHORT_S = 0.05


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_the_event_loop_tells_who_waits_for_a_socket(listen: Listen) -> None:
    """In the server's own thread, once: when there is something to read, or it is too late."""
    told: Queue[tuple[str, bool, threading.Thread]] = Queue()
    server = listen(echo, linger_s=SHORT_S)

    def tell(name: str, *, is_readable: bool) -> None:
        told.put((name, is_readable, threading.current_thread()))

    with pair() as (near, far), pair() as (silent, _):

        def watch() -> None:
            soon_s = clock.monotonic_s() + SHORT_S
            server.when_readable(
                near, soon_s + WAIT_S, lambda ready: tell("near", is_readable=ready)
            )
            server.when_readable(silent, soon_s, lambda ready: tell("silent", is_readable=ready))

        server.call_soon(watch)
        name, is_readable, thread = told.get(timeout=WAIT_S)
        assert (name, is_readable) == ("silent", False)
        far.sendall(b"!")
        assert told.get(timeout=WAIT_S) == ("near", True, thread)
        assert len(server._watches) == 0


def test_actions_are_done_at_their_times(listen: Listen) -> None:
    """In the order of the times, in the server's own thread, and none of them early."""
    done: Queue[tuple[int, float, threading.Thread]] = Queue()
    server, began_s = listen(echo, linger_s=WAIT_S), clock.monotonic_s()

    def plan() -> None:
        for number in (2, 1, 3):
            at_s = began_s + number * SHORT_S
            server.call_at(at_s, partial(_note, done, number))

    server.call_soon(plan)
    found = [done.get(timeout=WAIT_S) for _ in range(3)]
    assert [number for number, *_ in found] == [1, 2, 3]
    assert all(at_s >= began_s + number * SHORT_S for number, at_s, _ in found)
    assert len({thread for *_, thread in found} - {threading.current_thread()}) == 1


def _note(done: "Queue[tuple[int, float, threading.Thread]]", number: int) -> None:
    done.put((number, clock.monotonic_s(), threading.current_thread()))


def test_an_action_that_breaks_ends_nothing_else(
    listen: Listen, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = listen(echo)

    def fail() -> None:
        raise RuntimeError("planted")

    server.call_soon(fail)
    assert connect(server).call(GET).status == 200
    wait_until(lambda: "action broke" in caplog.text)


def test_an_action_that_comes_during_a_turn_waits_for_nothing(listen: Listen) -> None:
    """Were it done at the next sweep only, so many would take longer than anybody waits."""
    server, is_done = listen(echo), threading.Event()

    def go_on(left: int) -> None:
        server.call_soon(partial(go_on, left - 1) if left else is_done.set)

    server.call_soon(partial(go_on, 1000))
    assert is_done.wait(WAIT_S)


def test_a_socket_is_waited_for_again_and_again(listen: Listen) -> None:
    """Also after something came that nobody waited for, and when another one has its number."""
    told: Queue[bool] = Queue()
    server = listen(echo)

    def wait_for(sock: socket.socket) -> None:
        until_s = clock.monotonic_s() + WAIT_S
        server.call_soon(partial(server.when_readable, sock, until_s, told.put))

    for _ in range(3):  # the second pair mostly has the numbers of the first
        with pair() as (near, far):
            for _ in range(3):
                wait_for(near)
                far.sendall(b"!")
                assert told.get(timeout=WAIT_S)
                assert near.recv(10) == b"!"
            far.sendall(b"?")
            fd = near.fileno()
            wait_until(partial(_is_forgotten, server, fd))
            assert near.recv(10) == b"?"
            wait_for(near)
            far.sendall(b"!")
            assert told.get(timeout=WAIT_S)


def _is_forgotten(server: HttpServer, fd: int) -> bool:
    return fd not in server._watches
