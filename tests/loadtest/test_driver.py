"""The clients of a load process against front ends that behave in every way."""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import uvloop

from bazaar import clock
from bazaar.cluster.ports import free_ports
from bazaar.loadtest.engine import Engine, OnDone
from bazaar.loadtest.plan import Plan
from bazaar.loadtest.scripts import ClientMix
from bazaar.proof.records import Done
from tests.loadtest.plans import make_plan, make_share

STOCK = b'{"stock_name":"BoarCo","price":24.5,"trade_volume":0,"quantity":1000}'
HEADERS = b'ETag: "3"\r\nCache-Status: bazaar; hit\r\nAge: 0\r\n'
Answer = Callable[[socket.socket, int], bool]
"""Does something with a connection on which a request came; False: closes it."""


def whole(body: bytes = STOCK, headers: bytes = HEADERS, status: bytes = b"200 OK") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + length + headers + b"\r\n" + body


class RawServer:
    """Does byte by byte what a test says, with every request it gets."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self.connections = answer, 0
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while request := connection.recv(65536):
                self.received.append(request)
                if not self._answer(connection, len(self.received)):
                    return


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], RawServer]]:
    made: list[RawServer] = []

    def make(answer: Answer) -> RawServer:
        made.append(RawServer(answer))
        return made[-1]

    yield make
    for server in made:
        server.close()


def play(
    plan: Plan, stop_after_s: float | None = None, on_done: OnDone | None = None
) -> list[Done]:
    """Run one process's part of a plan, here, and return what its clients noted."""
    found: list[Done] = []

    async def main() -> None:
        share = make_share()
        share = type(share)(plan=plan, number=0, key_prefix=1, is_noting=True)
        engine = Engine(plan, ClientMix(share), on_done or (lambda done, _: found.append(done)))
        if stop_after_s is not None:
            asyncio.get_running_loop().call_later(stop_after_s, engine.stop, 0.05)
        async with asyncio.timeout(20):
            await engine.run(share.clients, clock.monotonic_s())

    uvloop.run(main())
    return found


def plan_for(*urls: str, requests: int = 5, **changes: object) -> Plan:
    fields = {"clients": 1, "p": 0.0, "duration_s": None, "deadline_s": 0.5, **changes}
    stocks = make_plan().stocks[:1]
    return make_plan(urls=urls, requests=requests, stocks=stocks, **fields)


def say(*parts: bytes, stays: bool = True) -> Answer:
    def answer(connection: socket.socket, number: int) -> bool:
        del number
        for part in parts:
            connection.sendall(part)
        return stays

    return answer


def test_queries_are_sent_over_one_kept_connection(serve: Callable[[Answer], RawServer]) -> None:
    server = serve(say(whole()))
    found = play(plan_for(server.url))
    assert [one.outcome for one in found] == ["ok"] * 5
    assert (len(server.received), server.connections) == (5, 1)
    one = found[0]
    shown = (one.stock_name, one.version, one.price, one.quantity, one.cache)
    assert shown == ("BoarCo", 3, "24.5", 1000, "hit")
    for one in found:
        assert one.done_s is not None
        assert 0 <= one.intended_s == one.sent_s < one.done_s < 10


def test_a_mistake_in_our_own_code_ends_the_run(serve: Callable[[Answer], RawServer]) -> None:
    def fail(done: Done, end_s: float) -> None:
        raise LookupError(done.kind, end_s)

    with pytest.raises(LookupError):
        play(plan_for(serve(say(whole())).url), on_done=fail)


def test_answers_come_in_pieces_of_any_size(serve: Callable[[Answer], RawServer]) -> None:
    text = whole()
    server = serve(say(*(text[place : place + 1] for place in range(len(text)))))
    assert [one.outcome for one in play(plan_for(server.url))] == ["ok"] * 5


def test_chunked_answers_and_interim_ones_are_read(serve: Callable[[Answer], RawServer]) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + HEADERS + b"\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(STOCK), STOCK)
    server = serve(say(b"HTTP/1.1 100 Continue\r\n\r\n", head + chunks))
    assert [one.outcome for one in play(plan_for(server.url))] == ["ok"] * 5


@pytest.mark.parametrize("headers", [HEADERS, HEADERS + b"Connection: close\r\n"])
def test_a_connection_that_ends_is_opened_anew(
    headers: bytes, serve: Callable[[Answer], RawServer]
) -> None:
    server = serve(say(whole(headers=headers), stays=False))
    assert [one.outcome for one in play(plan_for(server.url))] == ["ok"] * 5
    assert server.connections >= 5


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (say(b"SSH-2.0-OpenSSH\r\n"), "unreachable"),
        (say(b"", stays=False), "unreachable"),
        (say(whole()[:40], stays=False), "unreachable"),
        (say(whole()[:-5]), "unreachable"),
        (say(), "unreachable"),
        (say(whole(b"<p>Hello</p>")), "malformed"),
        (say(whole(b"{}")), "malformed"),
        (say(whole(STOCK, b"")), "malformed"),
        (say(whole(STOCK.replace(b"Boar", b"Pig"))), "malformed"),
        (say(whole(b"[" * 100_000)), "malformed"),
        (say(whole(status=b"302 Found")), "malformed"),
    ],
)
def test_what_is_no_answer_ends_in_time_and_has_a_name(
    answer: Answer, outcome: str, serve: Callable[[Answer], RawServer]
) -> None:
    server = serve(answer)
    began_s = clock.monotonic_s()
    found = play(plan_for(server.url, requests=1))
    assert [one.outcome for one in found] == [outcome]
    assert clock.monotonic_s() - began_s < 5


def test_an_answer_without_end_is_given_up_at_once(serve: Callable[[Answer], RawServer]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"
    server = serve(say(head, b"x" * 3_000_000))
    found = play(plan_for(server.url, requests=1, deadline_s=2.0))
    assert [one.outcome for one in found] == ["unreachable"]
    assert found[0].attempts > 1  # the first did not wait for the rest


def test_a_silent_front_end_is_left_for_the_next(serve: Callable[[Answer], RawServer]) -> None:
    (port,) = free_ports(1)
    server = serve(say(whole()))
    found = play(plan_for(f"http://127.0.0.1:{port}", server.url, deadline_s=5.0))
    assert [(one.outcome, one.url) for one in found] == [("ok", 1)] * 5
    assert found[0].attempts == 2
    assert sum(one.attempts for one in found) == 6  # from then on it begins where it was answered


def test_nobody_there_is_unreachable_after_the_deadline() -> None:
    (port,) = free_ports(1)
    found = play(plan_for(f"http://127.0.0.1:{port}", requests=1))
    assert [(one.outcome, one.status) for one in found] == [("unreachable", None)]
    assert found[0].attempts > 1


KEY = re.compile(rb"\r\nIdempotency-Key: (\S+)\r\n")


def test_a_trade_whose_answer_is_lost_is_repeated_with_its_key(
    serve: Callable[[Answer], RawServer],
) -> None:
    def answer(connection: socket.socket, number: int) -> bool:
        if number == 2:
            return False
        key = KEY.search(server.received[-1])
        named = b"Idempotency-Key: " + key[1] + b"\r\n" if key else b""
        connection.sendall(whole(b'{"order_no":7}', named) if key else whole())
        return True

    server = serve(answer)
    _, trade = play(plan_for(server.url, requests=2, p=1.0, lookup=0.0))
    assert (trade.kind, trade.outcome, trade.order_no, trade.attempts) == ("trade", "ok", 7, 2)
    sent = KEY.findall(b"".join(server.received))
    assert sent == [str(trade.key).encode()] * 2


def test_what_is_under_way_when_the_run_is_stopped_has_no_answer(
    serve: Callable[[Answer], RawServer],
) -> None:
    server = serve(say())
    found = play(plan_for(server.url, clients=3, deadline_s=10.0), stop_after_s=0.2)
    assert [(one.outcome, one.done_s) for one in found] == [("indefinite", None)] * 3


def test_in_an_open_loop_an_operation_counts_from_when_it_was_due(
    serve: Callable[[Answer], RawServer],
) -> None:
    waiting = threading.Event()

    def slow(connection: socket.socket, number: int) -> bool:
        if number == 1:
            waiting.wait(0.3)
        connection.sendall(whole())
        return True

    server = serve(slow)
    found = play(plan_for(server.url, requests=6, rate=20.0, deadline_s=5.0))
    assert [one.intended_s for one in found] == pytest.approx([n / 20 for n in range(6)])
    waited = [one.sent_s - one.intended_s for one in found]
    assert waited[1] > 0.2
    assert waited[5] < 0.1
