"""Slow readers, members' next calls, and connections that end in a crowd."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from bazaar.web.dispatch import Admission, HeadRefusedError, PlainService, WholeAnswer
from bazaar.web.server_connection import READ_BYTES
from tests.support.callers import GET, Connect, Environ, Listen, Start, check_refused, saying
from tests.support.waits import WAIT_S, run_together, wait_until
from tests.web.test_server_limits import LONG_ANSWER_BYTES, OK, SHORT_S, is_served


def test_an_answer_that_is_not_taken_ends_the_connection(listen: Listen, connect: Connect) -> None:
    server = listen(saying("200 OK", [], b"x" * LONG_ANSWER_BYTES), write_s=SHORT_S)
    caller = connect(server)
    caller.sock.sendall(GET)
    assert caller.sock.recv(1) == b"H"
    wait_until(lambda: server.is_empty)
    received = 0
    while piece := caller.sock.recv(LONG_ANSWER_BYTES):
        received += len(piece)
    assert received < LONG_ANSWER_BYTES


def test_who_sends_more_than_is_answered_and_reads_late_gets_every_answer(
    listen: Listen, connect: Connect
) -> None:
    """What the server has not read when it ends must not take its answers back."""
    server = listen(saying("200 OK", [], b"x" * LONG_ANSWER_BYTES))
    caller = connect(server)
    caller.sock.sendall(GET + b"garbage\r\n\r\n" + b"x" * READ_BYTES)
    caller.stop_sending()
    assert caller.answer().body == b"x" * LONG_ANSWER_BYTES
    wait_until(lambda: server.is_empty)
    check_refused(caller.answer(), 400)
    assert not caller.sock.recv(1)


@dataclass(frozen=True, slots=True)
class Refusing(PlainService):
    """Refuses every request by its head."""

    refusal: WholeAnswer = ("403 Forbidden", [], b"x" * LONG_ANSWER_BYTES)

    def admit(self, environ: Environ, *, has_body: bool) -> Admission:
        raise HeadRefusedError(self.refusal)


def test_a_refusal_that_is_taken_slowly_comes_whole(listen: Listen, connect: Connect) -> None:
    caller = connect(listen(service=Refusing(saying("200 OK", []))))
    refused = caller.call(GET)
    assert (refused.status, len(refused.body)) == (403, LONG_ANSWER_BYTES)
    assert not caller.sock.recv(1)


def test_a_members_next_call_is_run_by_the_same_thread(listen: Listen, connect: Connect) -> None:
    threads = list[threading.Thread]()

    def answer(environ: Environ, start_response: Start) -> Iterable[bytes]:
        threads.append(threading.current_thread())
        return OK(environ, start_response)

    signed = b"GET /a HTTP/1.1\r\nAuthorization: x\r\n\r\n"
    server = listen(answer, stay_s=SHORT_S, stayers_max=1)
    first, second = connect(server), connect(server)
    assert [first.call(signed).status for _ in range(5)] == [200] * 5
    assert [second.call(signed).status for _ in range(5)] == [200] * 5
    assert [first.call(signed + signed).status, first.answer().status] == [200, 200]
    check_refused(first.call(b"garbage\r\n\r\n"), 400)
    assert second.call(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n" + b"hi").status == 200
    second.sock.sendall(signed[:20])
    assert second.call(signed[20:]).status == 200
    assert len(set(threads[:5])) == 1


def test_no_thread_waits_for_a_member_that_calls_rarely(listen: Listen, connect: Connect) -> None:
    signed = b"GET /a HTTP/1.1\r\nAuthorization: x\r\n\r\n"
    server = listen(OK, stay_s=WAIT_S, stayers_max=1)
    caller = connect(server)
    assert caller.call(GET).status == 200
    (connection,) = server._connections.values()
    wait_until(lambda: not connection.is_busy)
    connection.since_s -= 2 * WAIT_S
    assert caller.call(signed).status == 200
    assert server.stayers.acquire(blocking=False), "no thread waits"
    server.stayers.release()
    assert caller.call(signed).status == 200
    assert not server.stayers.acquire(blocking=False), "this call came soon"


def test_connections_that_end_while_room_is_made_for_others_harm_nobody(
    listen: Listen, connect: Connect
) -> None:
    """One turn may close a connection of which it has an event still."""
    server = listen(OK, connections_max=4)

    def hurry() -> int:
        answered = 0
        for number in range(100):
            caller = connect(server)
            caller.sock.sendall(GET)
            if number % 3:
                caller.vanish()
            else:
                answered += is_served(caller)
        return answered

    assert sum(run_together([hurry] * 4)) > 0
    wait_until(lambda: is_served(connect(server)))


def test_a_request_that_comes_with_its_connection_waits_for_no_other_turn(
    prepare: Listen, connect: Connect
) -> None:
    """I10: in a crowd each turn may be long."""
    server = prepare(OK)
    server.listeners[0].settimeout(0)
    server._accept_again()
    caller = connect(server)
    caller.sock.sendall(GET)
    server._turn()
    assert caller.answer().status == 200
