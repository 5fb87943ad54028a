"""Which hosts are answered for, and which pages may change something (docs/adr/0027)."""

import pytest

from tests.support.callers import Caller, Connect, Listen
from tests.web.test_admission import LANES, Shop

BODY = b'{"quantity":10}'


@pytest.fixture
def caller(listen: Listen, connect: Connect) -> Caller:
    shop = Shop()
    shop.released.set()
    return connect(listen(service=shop.service(), lanes=LANES))


def stock(*lines: str) -> bytes:
    return "\r\n".join(["GET /stocks?name=k HTTP/1.1", *lines, "", ""]).encode()


def trade(*lines: str) -> bytes:
    head = ("POST /orders HTTP/1.1", "Content-Type: application/json", "Idempotency-Key: a")
    return "\r\n".join([*head, *lines, "Content-Length: 15", "", ""]).encode() + BODY


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:30001", "[::1]:8", "LOCALHOST:1"])
def test_our_own_hosts_are_answered_for_at_any_port(caller: Caller, host: str) -> None:
    for _ in range(2):  # checked, then known
        assert caller.call(stock(f"Host: {host}")).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Host:",),
        ("Host: evil.example",),
        ("Host: evil.example:30001",),
        ("Host: localhost", "Host: localhost"),
        ("Host: localhost", "Host: evil.example"),
        ("Host: localhost.evil.example",),
        ("Host: localhost:port",),
        ("Host: user@localhost",),
    ],
)
def test_another_host_is_refused_whatever_is_wanted(caller: Caller, lines: tuple[str, ...]) -> None:
    """A page whose name leads to this machine (DNS rebinding) reads nothing and trades nothing."""
    answer = caller.call(stock(*lines))
    assert answer.status == 400
    assert "BAZAAR_ALLOWED_HOSTS" in answer.json()["error"]["message"]


def test_another_host_trades_nothing_and_learns_of_no_path(
    listen: Listen, connect: Connect
) -> None:
    shop = Shop()
    shop.released.set()
    server = listen(service=shop.service(), lanes=LANES)
    assert connect(server).call(trade("Host: evil.example")).status == 400
    assert connect(server).call(b"GET /no HTTP/1.1\r\nHost: evil.example\r\n\r\n").status == 400
    assert shop.traded == []


@pytest.mark.parametrize(
    "line",
    [
        "Origin: http://evil.example",
        "Origin: https://localhost:30001",
        "Origin: http://localhost:30002",
        "Origin: http://localhost",
        "Origin: null",
        "Origin:",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
def test_a_page_of_another_site_trades_nothing(listen: Listen, connect: Connect, line: str) -> None:
    shop = Shop()
    shop.released.set()
    server = listen(service=shop.service(), lanes=LANES)
    for accept in ("application/json", "text/html"):
        answer = connect(server).call(trade("Host: localhost:30001", f"Accept: {accept}", line))
        assert answer.status == 403
    assert shop.traded == []
    assert connect(server).call(stock("Host: localhost:30001", line)).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("Host: localhost:30001", "Origin: http://localhost:30001"),
        ("Host: localhost:80", "Origin: http://localhost"),
        ("Host: localhost", "Sec-Fetch-Site: same-origin"),
        ("Host: localhost", "Sec-Fetch-Site: none"),
    ],
)
def test_programs_and_pages_of_ours_trade(caller: Caller, lines: tuple[str, ...]) -> None:
    assert caller.call(trade(*lines)).status == 200


def test_with_tls_a_page_of_ours_is_one_that_came_with_it(listen: Listen, connect: Connect) -> None:
    shop = Shop()
    shop.released.set()
    server = listen(service=shop.service(), lanes=LANES)
    server.environ["wsgi.url_scheme"] = "https"
    for scheme, status in (("http", 403), ("https", 200)):
        lines = ("Host: localhost:30001", f"Origin: {scheme}://localhost:30001")
        assert connect(server).call(trade(*lines)).status == status


def test_what_memory_answers_is_kept_nowhere_else(caller: Caller) -> None:
    """I7: a proxy in between would show an old stock; the room's headers say so for hits."""
    answers = [
        caller.call(stock("Host: localhost")[:-2].replace(b"=k", b"=a") + b"\r\n"),
        caller.call(stock("Host: localhost").replace(b"name=k", b"x=k")),
        caller.call(b"GET /no HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ]
    assert [answer.status for answer in answers] == [200, 400, 404]
    assert [answer.values("cache-control") for answer in answers] == [["no-store"]] * 3
