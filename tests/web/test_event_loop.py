"""A server is an event loop for calls to other processes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from queue import Queue

import pytest

from bazaar import clock
from tests.support.callers import GET, Connect, Listen, echo
from tests.support.waits import WAIT_S

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
        assert not server._watched


def test_an_action_that_breaks_ends_nothing_else(
    listen: Listen, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = listen(echo)

    def fail() -> None:
        raise RuntimeError("planted")

    server.call_soon(fail)
    assert connect(server).call(GET).status == 200
    assert "action broke" in caplog.text


def test_an_action_that_comes_during_a_turn_waits_for_nothing(listen: Listen) -> None:
    """Were it done at the next sweep only, so many would take longer than anybody waits."""
    server, is_done = listen(echo), threading.Event()

    def go_on(left: int) -> None:
        server.call_soon(partial(go_on, left - 1) if left else is_done.set)

    server.call_soon(partial(go_on, 1000))
    assert is_done.wait(WAIT_S)
