"""What the router decides from the head of a request, for real sockets."""

import json
import threading
from collections.abc import Callable, Iterable
from queue import Queue
from typing import Any

import msgspec
import pytest

from bazaar.core.failures import Busy, Unreachable
from bazaar.web.dispatch import LaneLimits
from bazaar.web.endpoint import (
    ANSWER_HEADERS,
    OK,
    Audience,
    DescribedError,
    Endpoint,
    Environ,
    Lane,
    ReadyAnswer,
    TakeAnswer,
    get,
    post,
)
from bazaar.web.router import Router
from tests.support.callers import Caller, Connect, Listen, Start, check_refused
from tests.support.waits import WAIT_S, wait_until

KEY = "Idempotency-Key"
LANES = {Lane.LOCAL: LaneLimits(2, 2), Lane.TRADE: LaneLimits(1, 1)}


class NameQuery(msgspec.Struct, frozen=True):
    """A query."""

    name: str


class TradeBody(msgspec.Struct, frozen=True):
    """A body."""

    quantity: int


class Shop:
    """Endpoints of which one waits until it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.readers = set[threading.Thread]()
        self.traded = list[int]()
        self.begun = Queue[tuple[TradeBody, TakeAnswer]]()

    def begin(self, body: TradeBody, environ: Environ, done: TakeAnswer) -> None:
        """Have a trade answered later; refuse the thirteenth at once."""
        if body.quantity == 13:
            raise Busy
        self.begun.put((body, done))

    def trade(self, body: TradeBody) -> dict[str, int]:
        """Trade, after a while."""
        assert self.released.wait(WAIT_S)
        self.traded.append(body.quantity)
        return {"order_no": len(self.traded)}

    def look(self, query: NameQuery) -> dict[str, str]:
        """Look up."""
        return {"name": query.name, "from": "thread"}

    def find(self, query: NameQuery, environ: Environ) -> Any:
        """Answer what begins with k."""
        self.readers.add(threading.current_thread())
        if not query.name.startswith("k"):
            return None
        body = json.dumps({"name": query.name, "from": "memory"}).encode()
        return (
            OK,
            [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
            body,
            None,
        )

    def service(self) -> Router:
        def read(body: bytes, environ: Environ) -> TradeBody:
            environ[ANSWER_HEADERS] = {KEY: environ["HTTP_IDEMPOTENCY_KEY"]}
            return msgspec.json.decode(body, type=TradeBody)

        def shape(error: DescribedError, environ: Environ) -> dict[str, Any]:
            return {"order_no": -1, "message": error.message}

        trade = post(
            self.trade, TradeBody, TradeBody(1), lane=Lane.TRADE, read=read, shape_failure=shape
        )
        later = post(self.trade, TradeBody, TradeBody(1), later=self.begin)
        look = get(self.look, NameQuery, example=NameQuery("a"), ready=self.find)
        return Router(
            _nothing_here,
            (
                Endpoint("/orders", trade, audience=Audience.PUBLIC),
                Endpoint("/stocks", look, audience=Audience.PUBLIC),
                Endpoint("/later", later, audience=Audience.PUBLIC),
                Endpoint("/inner", post(self.trade, TradeBody, TradeBody(1))),
            ),
        )


def _nothing_here(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


def order(key: str) -> bytes:
    head = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head = f"{head}{KEY}: {key}\r\n"
    return f'{head}Content-Length: 15\r\n\r\n{{"quantity":10}}'.encode()


def trade_later(quantity: int) -> bytes:
    head = "POST /later HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f'{head}Content-Length: 15\r\n\r\n{{"quantity":{quantity:2}}}'.encode()


def number(order_no: int) -> ReadyAnswer:
    body = json.dumps({"order_no": order_no}).encode()
    kind = ("Content-Type", "application/json")
    return OK, [kind, ("Content-Length", str(len(body)))], body, None


def stock(name: str) -> bytes:
    return f"GET /stocks?name={name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def call(shop: Shop, listen: Listen, connect: Connect) -> Callable[[], Caller]:
    server = listen(service=shop.service(), lanes=LANES)
    return lambda: connect(server)


def test_waiting_trades_hold_nothing_else_up_and_too_many_are_refused_with_their_key(
    shop: Shop, call: Callable[[], Caller]
) -> None:
    """I10: a full lane answers at once, and only that lane is full."""
    waiting = [call() for _ in range(2)]
    for number, caller in enumerate(waiting):
        caller.sock.sendall(order(f"key-{number}"))
    wait_until(lambda: _is_refused(call()))
    assert call().call(stock("k")).json()["from"] == "memory"
    assert call().call(stock("a")).json()["from"] == "thread"
    shop.released.set()
    assert [caller.answer().status for caller in waiting] == [200, 200]
    assert len(shop.traded) >= 2


def _is_refused(caller: Caller) -> bool:
    caller.sock.settimeout(1)
    try:
        answer = caller.call(order("key-x"))
    except TimeoutError:  # it waits itself: one place was free
        return False
    assert (answer.status, answer.values("retry-after")) == (429, ["1"])
    assert answer.values(KEY.lower()) == ["key-x"]
    assert answer.json()["order_no"] == -1
    return True


def test_what_memory_has_is_answered_by_the_thread_that_reads(
    shop: Shop, call: Callable[[], Caller]
) -> None:
    caller = call()
    for _ in range(3):  # parsed, then known by its bytes
        assert caller.call(stock("k")).json() == {"name": "k", "from": "memory"}
    assert len(shop.readers) == 1
    assert caller.call(stock("")).status == 400


def test_an_unsigned_body_for_members_is_refused_before_it_is_sent(
    call: Callable[[], Caller],
) -> None:
    caller = call()
    check_refused(
        caller.call(b"POST /inner HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n"),
        401,
    )
    assert caller.is_ended()


def test_a_head_is_remembered_without_its_key_and_its_length(
    shop: Shop, listen: Listen, connect: Connect
) -> None:
    """I2: a trade is known by its own key, however often its head came with others."""
    server = listen(service=shop.service(), lanes=LANES)
    caller = connect(server)
    shop.released.set()
    for key in ("a", "longer", "a, b"):
        assert caller.call(order(key)).values(KEY.lower()) == [key]
        assert len(server.heads) == 1
    padded = order("c").replace(b": 15\r\n\r\n", b": 16\r\n\r\n ")
    assert caller.call(padded).values(KEY.lower()) == ["c"]
    twice = order("d").replace(b"Host: ", f"{KEY}: e\r\nHost: ".encode(), 1)
    assert caller.call(twice).values(KEY.lower()) == ["e, d"]
    assert len(server.heads) == 1


def test_a_head_behind_an_empty_line_is_not_remembered(listen: Listen, connect: Connect) -> None:
    """The line could be the end of a header that is cut out."""
    server = listen()
    assert connect(server).call(b"\r\n" + stock("k")).status == 200
    assert not server.heads


def test_a_head_is_remembered_without_its_signature(listen: Listen, connect: Connect) -> None:
    """Every signature differs, so each is checked, with the body that it is for."""
    server = listen()

    def signed(text: str) -> bytes:
        return f"GET /inner HTTP/1.1\r\nHost: a\r\nAuthorization: {text}\r\nX: y\r\n\r\n".encode()

    bare = b"GET /inner HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    for text in ("one", "two"):
        assert connect(server).call(signed(text)).json()["HTTP_AUTHORIZATION"] == text
        assert list(server.heads) == [bare]
    assert "HTTP_AUTHORIZATION" not in connect(server).call(bare).json()
    twice = signed("one").replace(b"X: y", b"Authorization: two")
    assert connect(server).call(twice).json()["HTTP_AUTHORIZATION"] == "one, two"
    hidden = signed("one").replace(b"one", b"o\x00ne")
    assert connect(server).call(hidden).status == 400
    assert list(server.heads) == [bare]


@pytest.mark.parametrize("cut", [b"", b"hi", b"hi there"])
def test_a_known_head_without_its_whole_body_is_not_a_request(
    listen: Listen, connect: Connect, cut: bytes
) -> None:
    """I12, for what is answered without being parsed again."""
    head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
    server = listen()
    caller = connect(server)
    for body in ("abc", "def"):
        assert caller.call(head + body.encode()).json()["body"] == body
    assert list(server.heads) == [b"POST / HTTP/1.1\r\n\r\n"]
    caller.sock.sendall(head + cut)
    if len(cut) > 3:  # it is whole, and what follows is no request
        assert caller.answer().json()["body"] == "hi "
    caller.stop_sending()
    check_refused(caller.answer(), 400)


def test_trades_that_wait_for_an_answer_take_no_thread(
    shop: Shop, call: Callable[[], Caller]
) -> None:
    """I10: many more than all lanes have threads and places for."""
    callers = [call() for _ in range(40)]
    before = threading.active_count()
    for caller in callers:
        caller.sock.sendall(trade_later(10))
    begun = [shop.begun.get(timeout=WAIT_S)[1] for _ in callers]
    assert threading.active_count() == before
    assert call().call(stock("k")).json()["from"] == "memory"
    for order_no, done in enumerate(begun, 1):
        done(number(order_no))
    assert sorted(caller.answer().json()["order_no"] for caller in callers) == [*range(1, 41)]


def test_what_is_answered_later_keeps_its_order_and_its_connection(
    shop: Shop, call: Callable[[], Caller]
) -> None:
    caller = call()
    caller.sock.sendall(trade_later(11) + stock("k") + trade_later(12))
    body, done = shop.begun.get(timeout=WAIT_S)
    assert body.quantity == 11
    assert shop.begun.empty()
    done(number(1))
    assert [caller.answer().json() for _ in range(2)] == [
        {"order_no": 1},
        {"name": "k", "from": "memory"},
    ]
    shop.begun.get(timeout=WAIT_S)[1](Unreachable("The leader is away."))
    assert caller.answer().status == 503
    assert caller.call(trade_later(13)).status == 429
    assert caller.call(trade_later(13).replace(b"quantity", b"qqqqqqqq")).status == 400


def test_who_is_gone_before_the_answer_harms_nobody(shop: Shop, call: Callable[[], Caller]) -> None:
    caller = call()
    caller.sock.sendall(trade_later(11))
    _, done = shop.begun.get(timeout=WAIT_S)
    caller.sock.close()
    done(number(1))
    assert call().call(stock("k")).status == 200
