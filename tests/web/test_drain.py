"""A server that drains fails no request: its clients go on to its successor."""

import socket
from collections.abc import Callable

from bazaar.web.drain import Drain
from bazaar.web.server import HttpServer
from bazaar.web.server_limits import ServerLimits
from tests.support.callers import GET, Connect, Listen
from tests.support.waits import WAIT_S, in_thread, wait_until


def test_the_next_answer_ends_the_connection(listen: Listen, connect: Connect) -> None:
    server = listen()
    caller = connect(server)
    assert not caller.call(GET).values("connection")
    server.drain()
    answer = caller.call(GET)
    assert answer.status == 200
    assert answer.values("connection") == ["close"]
    assert caller.is_ended()


def test_requests_that_came_together_are_all_answered(listen: Listen, connect: Connect) -> None:
    server = listen()
    caller = connect(server)
    caller.call(GET)
    server.drain()
    caller.sock.sendall(GET * 3)
    answers = [caller.answer() for _ in range(3)]
    assert [answer.values("connection") for answer in answers] == [[], [], ["close"]]


def test_it_ends_when_its_connections_have(
    prepare: Listen, connect: Connect, start: Callable[[HttpServer], None]
) -> None:
    server = prepare()
    ended = in_thread(server.run)
    caller = connect(server)
    caller.call(GET)
    server.drain()
    assert not ended.done(), "the connection is kept for a while"
    caller.call(GET)
    ended.result(WAIT_S)


def test_an_idle_connection_ends_after_a_while(listen: Listen, connect: Connect) -> None:
    server = listen(drain_idle_s=0.2, idle_s=2.0)
    caller = connect(server)
    caller.call(GET)
    server.drain()
    assert caller.is_ended()


def test_a_connection_that_waits_in_the_queue_is_the_successors(
    prepare: Listen, connect: Connect, listen: Listen
) -> None:
    """Both have one socket, as the workers of a front end do."""
    old = listen(drain_idle_s=0.2)
    shared = socket.socket(fileno=socket.dup(old.listeners[0].fileno()))
    connect(old).call(GET)
    old.drain()
    wait_until(lambda: old.is_empty)
    late = connect(old)
    late.sock.sendall(GET)
    successor = prepare()
    successor.add_listener(shared)
    ended = in_thread(successor.run)
    assert late.answer().status == 200
    successor.stop()
    ended.result(WAIT_S)


class FakeConnection:
    """A connection as a drain sees it."""

    def __init__(self, *, is_idle: bool, since_s: float) -> None:
        self.is_idle, self.since_s, self.is_closed = is_idle, since_s, False

    def close(self) -> None:
        self.is_closed = True


def test_time_is_bounded_for_those_that_work_and_for_those_that_do_not() -> None:
    drain = Drain(100.0, ServerLimits(drain_s=10, drain_idle_s=5))
    busy = FakeConnection(is_idle=False, since_s=0.0)
    idle = FakeConnection(is_idle=True, since_s=0.0)
    fresh = FakeConnection(is_idle=True, since_s=103.0)
    every = [busy, idle, fresh]
    assert not drain.step(every, 104.9)
    assert not any(one.is_closed for one in every)
    assert not drain.step(every, 105.0)
    assert [one.is_closed for one in every] == [False, True, False]
    assert drain.step([busy], 110.0)
    assert drain.step([], 101.0)
