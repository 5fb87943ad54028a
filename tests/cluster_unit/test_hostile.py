"""The makers and judges of hostile requests: pure, of every kind, and not blind."""

from collections import Counter

import pytest

from tests.cluster.hostile_calls import AnswerReader
from tests.support.hostile import Attempt, Ending, HostilePort, examples_of, make_attempt
from tests.support.hostile_parts import CHANGES
from tests.support.hostile_values import RAW

PORT = HostilePort(
    "order-1 served", ("127.0.0.1", 1), examples_of("bazaar.urls.order"), receiver="order-1"
)
FRONT = HostilePort(
    "frontend-1 served", ("127.0.0.1", 1), examples_of("bazaar.urls.frontend"), is_public=True
)
PAGES = HostilePort("dashboard", ("127.0.0.1", 1), (), cookie="a=b", token="t")
COUNT = 3000


def make(port: HostilePort, number: int) -> Attempt:
    return make_attempt(port, 5, number, lambda *told: f"signed {told[0]} {told[1]}")


@pytest.mark.parametrize("port", [PORT, FRONT, PAGES], ids=lambda port: port.name)
def test_a_seed_makes_the_same_attempt_again(port: HostilePort) -> None:
    assert [make(port, number) for number in range(200)] == [
        make(port, number) for number in range(200)
    ]


def test_every_change_ending_and_raw_kind_is_made() -> None:
    attempts = [make(PORT, number) for number in range(COUNT)]
    made = Counter(word for one in attempts for word in one.kind.replace("+", " ").split(" "))
    assert {change.__name__ for change, _ in CHANGES} <= made.keys()
    assert {"cut", "signed"} <= made.keys()
    assert {kind for kind, _ in RAW} <= {one.kind for one in attempts}
    assert {one.ending for one in attempts} == set(Ending)
    assert max(len(one.methods) for one in attempts) > 10
    assert max(len(one.pieces) for one in attempts) > 30


def test_nothing_that_is_signed_is_a_trade() -> None:
    signed = [one.content for one in (make(PORT, n) for n in range(COUNT)) if one.is_signed]
    assert len(signed) > COUNT / 10
    trades = [one for one in signed if b"\r\nAuthorization: signed order-1 GET" in one]
    assert not [one for one in trades if b" /trade?stock_name=" in one and b"&quantity=1 " in one]


def test_only_what_is_whole_and_keyed_is_left_unread_where_anybody_may_trade() -> None:
    for number in range(COUNT):
        attempt = make(FRONT, number)
        is_left = attempt.ending in (Ending.RESET, Ending.LEAVE)
        if is_left and b"POST" in attempt.content and not attempt.kind.startswith("cut"):
            assert len(attempt.keys) == len(attempt.methods)
            assert attempt.kind == "as it is"


@pytest.mark.parametrize(
    ("content", "methods", "statuses", "is_right"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", [b"GET"], [200], True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", [b"HEAD"], [200], True),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            *([b"GET", b"HEAD"], [200, 204], True),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", [b"POST"], [204], True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", [b"GET"], [], False),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", [b"GET"], [], False),
        (b"hello\r\n\r\n", [b"GET"], [], False),
        (b"", [b"GET"], [], True),
    ],
)
def test_answers_are_told_from_garbage(
    content: bytes, methods: list[bytes], statuses: list[int], *, is_right: bool
) -> None:
    reader = AnswerReader(methods)
    for byte in content:
        reader.feed(bytes((byte,)))
    reader.feed(b"", is_end=True)
    assert [one.status for one in reader.answers] == statuses
    assert (reader.fault == "") is is_right
