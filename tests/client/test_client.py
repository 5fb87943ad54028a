"""The client over real sockets: connections, silence, garbage, threads; nothing ever hangs."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from bazaar.client.answers import BadAnswer, ClientError, Indefinite, NoAnswer, OrderAnswer, Refused
from bazaar.client.client import ANSWER_BYTES_MAX, Client
from bazaar.client.client_dialects import SEED
from bazaar.client.exchange import Timeouts
from bazaar.client.front_end_url import BadUrl
from bazaar.clock import monotonic_s
from bazaar.cluster.ports import free_ports
from bazaar.core.types import TradeType
from tests.client.answers import KEY
from tests.support.servers import Handler, ScriptedServer, answer, end, hang, raw
from tests.support.waits import run_together

SHORT = Timeouts(deadline_s=0.8, silence_s=0.8, read_s=0.3, trade_s=0.3)
ORDER = OrderAnswer(8, "3M", TradeType.BUY, 2, KEY)
PLACED = answer(
    json.dumps(
        {"order_no": 8, "stock_name": "3M", "trade_type": "buy", "quantity": 2}
        | {"idempotency_key": str(KEY), "placed_by": None}
    ).encode(),
    f"Idempotency-Key: {KEY}\r\n",
    "201 Created",
)
STOCK = answer(
    b'{"stock_name":"3M","price":"1.50","trade_volume":0,"quantity":9,"version":7}',
    'ETag: "7-v1"\r\nCache-Status: bazaar; fwd=miss; stored\r\n',
)
Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a script."""
    started: list[ScriptedServer] = []

    def start(*script: Handler) -> ScriptedServer:
        started.append(ScriptedServer(list(script)))
        return started[-1]

    yield start
    for server in started:
        server.close()


def url_of(server: ScriptedServer) -> str:
    return f"http://127.0.0.1:{server.address[1]}"


def error_of(*urls: str, limits: Timeouts = SHORT) -> ClientError:
    """Return what a trade ends with, in about the time it has."""
    begin_s = monotonic_s()
    with Client(urls, limits) as client, pytest.raises(ClientError) as caught:
        client.trade("3M", TradeType.BUY, 2, KEY)
    assert monotonic_s() - begin_s < limits.deadline_s + 2
    return caught.value


def test_a_stock_is_asked_for_and_connections_are_kept(serve: Serve) -> None:
    server = serve(STOCK, STOCK, PLACED)
    with Client([url_of(server)]) as client:
        assert client.query("3M") == client.query("3M")
        assert client.trade("3M", TradeType.BUY, 2, KEY) == ORDER
    assert server.connections == 1


def test_a_token_is_sent_with_each_call(serve: Serve) -> None:
    server = serve(STOCK, PLACED, STOCK)
    with Client([url_of(server)], token="bazaar_x") as client:
        client.query("3M")
        client.trade("3M", TradeType.BUY, 2, KEY)
    with Client([url_of(server)]) as client:
        client.query("3M")
    sent = [b"\r\nauthorization: bearer bazaar_x\r\n" in one.lower() for one in server.requests]
    assert sent == [True, True, False]


def test_a_trade_without_a_key_gets_one_that_it_keeps(serve: Serve) -> None:
    server = serve(end, end, answer(b'{"order_no":8}'))
    with Client([url_of(server)], dialect=SEED) as client:
        client.trade("3M", TradeType.BUY, 2)
    keys = {
        line.partition(b": ")[2].decode()
        for request in server.requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"idempotency-key")
    }
    assert len(server.requests) == 3
    (key,) = keys
    assert UUID(key).version == 4


def test_the_front_end_that_answered_is_asked_first_from_then_on(serve: Serve) -> None:
    dead, alive = f"http://127.0.0.1:{free_ports(1)[0]}", serve(STOCK, STOCK)
    other = serve()
    with Client([dead, url_of(alive), url_of(other)]) as client:
        client.query("3M")
        client.query("3M")
    assert (len(alive.requests), other.connections) == (2, 0)


def test_a_paused_front_end_is_left_for_the_next(serve: Serve) -> None:
    with Client([url_of(serve(hang)), url_of(serve(PLACED))], SHORT) as client:
        assert client.trade("3M", TradeType.BUY, 2, KEY) == ORDER


def test_nobody_there_is_unreachable_and_nothing_happened() -> None:
    error = error_of(f"http://127.0.0.1:{free_ports(1)[0]}")
    assert (type(error), error.is_definite) == (NoAnswer, True)
    assert "Connection refused" in error.message


def test_an_unknown_host_is_unreachable() -> None:
    assert type(error_of("http://bazaar.invalid:30001")) is NoAnswer


@pytest.mark.parametrize("url", ["http://.:1", "http://" + "a" * 70 + ".com"])
def test_a_host_that_cannot_be_is_unreachable(url: str) -> None:
    assert type(error_of(url)) is NoAnswer


@pytest.mark.parametrize(
    ("content", "kind"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", NoAnswer), (b"", Indefinite)]
)
def test_without_a_handshake_nothing_was_sent_if_that_is_certain(
    content: bytes, kind: type[ClientError]
) -> None:
    """I9: a connection that only ends may have ended after the request, too."""
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse_all() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(content)

    thread = threading.Thread(target=refuse_all)
    thread.start()
    error = error_of(f"https://127.0.0.1:{listener.getsockname()[1]}")
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    assert type(error) is kind, error.message


@pytest.mark.parametrize(
    "manners",
    [
        hang,
        end,
        raw(b"garbage\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (ANSWER_BYTES_MAX + 1)),
    ],
    ids=["hang", "end", "garbage", "short", "long"],
)
def test_a_trade_without_a_whole_answer_may_have_happened(serve: Serve, manners: Handler) -> None:
    error = error_of(url_of(serve(*[manners] * 9)))
    assert (type(error), error.key) == (Indefinite, str(KEY))
    assert error.message.isprintable()


def test_a_server_of_something_else_is_a_bad_answer(serve: Serve) -> None:
    server = serve(answer(b"<h1>It works!</h1>", "Content-Type: text/html\r\n"))
    assert type(error_of(url_of(server))) is BadAnswer


def test_a_redirection_is_not_followed(serve: Serve) -> None:
    server = serve(answer(b"", "Location: /orders\r\n", "302 Found"))
    assert type(error_of(url_of(server))) is BadAnswer
    assert len(server.requests) == 1


def test_a_refusal_arrives_with_its_reason(serve: Serve) -> None:
    headers = "Bazaar-Definite: true\r\nBazaar-Failure: overstock\r\n"
    body = b'{"order_no":-1,"message":"Too much."}'
    error = error_of(url_of(serve(answer(body, headers, "404 Not Found"))))
    assert (type(error), error.message, error.failure) == (Refused, "Too much.", "overstock")


def test_an_answer_that_drips_ends_with_the_attempt() -> None:
    """Every single wait is short, the whole would not be."""

    def drip(server: ScriptedServer, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not server.release.wait(0.05):
            connection.sendall(b" ")
        return False

    server = ScriptedServer([drip] * 9)
    try:
        assert type(error_of(url_of(server))) is Indefinite
    finally:
        server.close()


def test_threads_share_a_client_and_each_connection_serves_one_call(serve: Serve) -> None:
    server = serve(*[STOCK] * 80)
    with Client([url_of(server)]) as client:

        def ask() -> None:
            for _ in range(10):
                assert client.query("3M").version == 7

        run_together([ask] * 8)
    assert 1 <= server.connections <= 8


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost", "localhost:30001", "ftp://a", "http://", "http://a:0", "http://a:b"),
        *(
            "http://a?b=1",
            "http://a#b",
            "http://u:p@a",
            "http://a:99999",
            "http://[::1",
            "http://a\n",
        ),
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(BadUrl) as caught:
        Client([url])
    assert str(caught.value).isprintable()


def test_a_client_needs_a_front_end() -> None:
    with pytest.raises(BadUrl):
        Client([])
