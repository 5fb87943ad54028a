"""Every answer names its request; what a client sends is taken, or replaced, never refused."""

import re

import pytest

from bazaar.web.dispatch import Admission, PlainService, WholeAnswer
from bazaar.web.endpoint import Environ
from tests.support.callers import Answer, Caller, Connect, Listen, saying

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
GET = b"GET /stocks HTTP/1.1\r\nHost: here\r\n%s\r\n"
CASES = ("X-Request-ID", "x-request-id")


def from_memory(environ: Environ) -> WholeAnswer:
    return "200 OK", [("Content-Length", "2")], b"{}"


def ids_of(answer: Answer) -> dict[str, str]:
    """Return the headers of an answer; none may come twice."""
    assert len(dict(answer.headers)) == len(answer.headers)
    return dict(answer.headers)


@pytest.fixture(params=["memory", "thread"])
def caller(request: pytest.FixtureRequest, listen: Listen, connect: Connect) -> Caller:
    """Return a connection to a server that answers at once, or from a thread."""
    if request.param == "thread":
        return connect(listen(saying("200 OK", [], b"{}")))
    admission = Admission(answer_now=from_memory)
    return connect(listen(service=PlainService(saying("200 OK", [], b"{}"), admission)))


def test_an_answer_without_an_id_gets_one_of_its_own(caller: Caller) -> None:
    ids = [ids_of(caller.call(GET % b""))["x-request-id"] for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(re.fullmatch("[0-9a-f]{16}-[0-9]+", one) for one in ids)


@pytest.mark.parametrize("name", CASES)
def test_a_request_id_is_returned(caller: Caller, name: str) -> None:
    for number in (1, 2, 2, 3):  # the head of the first is remembered, without its id
        reply = caller.call(GET % f"{name}: mine-{number}\r\n".encode())
        assert ids_of(reply)["x-request-id"] == f"mine-{number}"
        assert "traceparent" not in ids_of(reply)
    assert ids_of(caller.call(GET % b""))["x-request-id"] != "mine-3"


def test_a_trace_goes_on(caller: Caller) -> None:
    for _ in range(2):
        headers = ids_of(caller.call(GET % f"traceparent: {PARENT}\r\n".encode()))
        assert headers["x-request-id"] == TRACE
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", headers["traceparent"])
        assert SPAN not in headers["traceparent"], "the span is ours"


@pytest.mark.parametrize(
    "wrong",
    [
        *(b"X-Request-ID: a b\r\n", b"X-Request-ID:\r\n", b"X-Request-ID: \xff\r\n"),
        *(b"X-Request-ID: a\r\nX-Request-ID: b\r\n", b"X-Request-ID: " + b"x" * 500 + b"\r\n"),
        *(b"traceparent: nonsense\r\n", b"traceparent: " + PARENT[:-3].encode() + b"\r\n"),
    ],
)
def test_a_wrong_id_is_replaced(caller: Caller, wrong: bytes) -> None:
    for _ in range(2):
        reply = caller.call(GET % wrong)
        assert reply.status == 200
        assert re.fullmatch("[0-9a-f]{16}-[0-9]+|[0-9a-f]{32}", ids_of(reply)["x-request-id"])


def test_a_known_head_is_found_whatever_ids_it_has(listen: Listen, connect: Connect) -> None:
    server = listen(saying("200 OK", [], b"{}"))
    caller = connect(server)
    for number in range(20):
        caller.call(GET % f"X-Request-ID: {number}\r\ntraceparent: {PARENT}\r\n".encode())
    assert len(server.heads) == 1


@pytest.mark.parametrize("twice", [b"traceparent", b"Authorization", b"X-Request-ID"])
def test_a_header_that_comes_twice_is_not_remembered(
    listen: Listen, connect: Connect, twice: bytes
) -> None:
    server = listen(saying("200 OK", [], b"{}"))
    caller = connect(server)
    caller.call(GET % (twice + b": a\r\n" + twice.lower() + b": b\r\n"))
    assert not server.heads
