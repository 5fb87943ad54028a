"""The listener for real: what it makes of requests and of answers."""

from collections.abc import Iterable, Iterator
from wsgiref.validate import validator

import pytest

from tests.support.callers import (
    BODY_BYTES_MAX,
    GET,
    HOST,
    Caller,
    Connect,
    Environ,
    Listen,
    Start,
    check_refused,
    echo,
    saying,
)

LONG_BODY_BYTES = 4 * 1024 * 1024
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
WAITING = b"POST /w HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def caller(listen: Listen, connect: Connect) -> Caller:
    return connect(listen())


def test_a_request_becomes_an_environment(caller: Caller) -> None:
    told = caller.call(b"GET /a%2Fb%C3%A9?c=%41&d HTTP/1.1\r\nHost: here\r\n\r\n").json()
    assert told["REQUEST_METHOD"] == "GET"
    assert told["PATH_INFO"].encode("latin-1").decode() == "/a/bé"
    assert told["QUERY_STRING"] == "c=%41&d"
    assert (told["SCRIPT_NAME"], told["SERVER_PROTOCOL"]) == ("", "HTTP/1.1")
    assert (told["HTTP_HOST"], told["REMOTE_ADDR"], told["SERVER_NAME"]) == ("here", HOST, HOST)
    assert told["SERVER_PORT"] == str(caller.sock.getpeername()[1])
    assert "CONTENT_LENGTH" not in told


def test_headers_become_variables(caller: Caller) -> None:
    told = caller.call(
        b"POST / HTTP/1.1\r\nX-A: 1\r\nContent-Type: text/plain\r\nx-a: 2\r\nX_A: 3\r\n"
        b"Content_Length: 7\r\nContent-Length: 02\r\n\r\nhi"
    ).json()
    assert (told["HTTP_X_A"], told["CONTENT_TYPE"], told["body"]) == ("1, 2", "text/plain", "hi")
    assert told["CONTENT_LENGTH"] == "2"
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT-LENGTH"} & set(told)


def test_a_body_in_chunks_has_a_length(caller: Caller) -> None:
    told = caller.call(CHUNKED + b"2\r\nhi\r\n3\r\n yo\r\n0\r\nContent-Type: x\r\n\r\n").json()
    assert (told["body"], told["CONTENT_LENGTH"]) == ("hi yo", "5")
    assert not told.get("CONTENT_TYPE")


def test_a_connection_is_kept(caller: Caller) -> None:
    answers = [caller.call(GET) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert not any(answer.values("connection") for answer in answers)


def test_requests_that_come_together_are_answered_in_their_order(caller: Caller) -> None:
    paths = [f"/{number}" for number in range(50)]
    caller.sock.sendall("".join(f"GET {path} HTTP/1.1\r\n\r\n" for path in paths).encode())
    assert [caller.answer().json()["PATH_INFO"] for _ in paths] == paths


def test_a_request_may_come_byte_by_byte(caller: Caller) -> None:
    for byte in b"POST /slow HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi":
        caller.sock.sendall(bytes([byte]))
    assert caller.answer().json()["body"] == "hi"


def test_a_long_body_is_read_whole(listen: Listen, connect: Connect) -> None:
    caller = connect(listen(body_bytes_max=LONG_BODY_BYTES))
    body = b"x" * LONG_BODY_BYTES
    told = caller.call(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body).json()
    assert len(told["body"]) == LONG_BODY_BYTES


@pytest.mark.parametrize(
    "request_",
    [
        LAST,
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_the_connection_ends_after_the_last_request(caller: Caller, request_: bytes) -> None:
    answer = caller.call(request_)
    assert (answer.status, answer.values("connection")) == (200, ["close"])
    assert caller.is_ended()


def test_who_stops_sending_gets_the_answers(caller: Caller) -> None:
    caller.sock.sendall(GET + GET + b"GET /half")
    caller.stop_sending()
    assert [caller.answer().status for _ in range(2)] == [200, 200]
    check_refused(caller.answer(), 400)
    assert caller.is_ended()


def test_other_forms_of_a_target_are_the_applications_business(
    listen: Listen, connect: Connect
) -> None:
    caller = connect(listen(echo))  # what validates takes paths only
    for target in ("*", "http://here/a"):
        answer = caller.call(f"OPTIONS {target} HTTP/1.1\r\n\r\n".encode())
        assert answer.json()["PATH_INFO"] == target


def test_an_answer_to_head_has_the_length_of_what_it_leaves_out(caller: Caller) -> None:
    answer = caller.call(GET.replace(b"GET", b"HEAD"))
    assert answer.status == 200
    assert int(answer.values("content-length")[0]) > 0
    assert caller.call(GET).status == 200


def test_a_head_that_is_refused_gets_no_body(caller: Caller) -> None:
    """RFC 9110: otherwise the body is taken for the next answer."""
    too_long = b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1)
    answer = caller.call(GET.replace(b"GET", b"HEAD")[:-2] + too_long)
    assert (answer.status, answer.values("connection")) == (413, ["close"])
    assert caller.is_ended()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_has_no_length(
    listen: Listen, connect: Connect, status: str
) -> None:
    caller = connect(listen(validator(saying(status, [("X-A", "1")]))))
    for _ in range(2):
        answer = caller.call(GET)
        assert f"{answer.status} " in status
        assert (answer.values("x-a"), answer.values("content-length")) == (["1"], [])


def test_date_and_length_are_added_where_they_are_missing(listen: Listen, connect: Connect) -> None:
    plain = ("Content-Type", "text/plain")
    answer = connect(listen(validator(saying("200 OK", [plain], b"h", b"", b"i")))).call(GET)
    assert (answer.body, answer.values("content-length")) == (b"hi", ["2"])
    assert [value[-4:] for value in answer.values("date")] == [" GMT"]
    told = [plain, ("date", "today"), ("CONTENT-LENGTH", "2")]
    answer = connect(listen(validator(saying("200 OK", told, b"hi")))).call(GET)
    assert (answer.values("date"), answer.values("content-length")) == (["today"], ["2"])


def test_what_is_written_comes_before_what_is_returned(listen: Listen, connect: Connect) -> None:
    def write(environ: Environ, start_response: Start) -> Iterable[bytes]:
        say = start_response("200 OK", [("Content-Type", "text/plain")])
        say(b"first ")
        say(b"second ")
        return [b"third"]

    assert connect(listen(validator(write))).call(GET).body == b"first second third"


def test_an_answer_may_be_replaced_until_it_is_whole(listen: Listen, connect: Connect) -> None:
    def think_again(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start_response("409 Conflict", [("X-A", "1")], (ValueError, error, None))
        yield b"no"

    answer = connect(listen(think_again)).call(GET)
    assert (answer.status, answer.body, answer.values("x-a")) == (409, b"no", ["1"])


class Content:
    """What an application returns, which is closed."""

    def __init__(self, *, is_good: bool) -> None:
        self.is_good, self.is_closed = is_good, False

    def __iter__(self) -> Iterator[bytes]:
        yield b"hi"
        assert self.is_good

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(("content", "status"), [(True, 200), (False, 500)])
def test_what_is_returned_is_closed(
    listen: Listen, connect: Connect, content: int, status: int
) -> None:
    returned = Content(is_good=bool(content))

    def answer(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return returned

    assert connect(listen(answer)).call(GET).status == status
    assert returned.is_closed


def test_a_sender_that_waits_is_told_to_go_on_once(caller: Caller) -> None:
    for _ in range(2):
        assert caller.call(WAITING % 2).status == 100
        assert caller.call(b"hi").json()["body"] == "hi"


def test_the_go_on_comes_after_the_answers_before_it(caller: Caller) -> None:
    assert caller.call(GET + WAITING % 2).status == 200
    assert caller.answer().status == 100
    assert caller.call(b"hi").status == 200


def test_a_sender_whose_body_is_too_long_is_not_told_to_go_on(caller: Caller) -> None:
    check_refused(caller.call(WAITING % (BODY_BYTES_MAX + 1)), 413)
    assert caller.is_ended()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"garbage\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1), 413),
        (CHUNKED + b"fff\r\n" + b"x" * (BODY_BYTES_MAX + 1), 413),
        (b"GET /" + b"a" * 70_000, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 140_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 101 + b"\r\n", 431),
    ],
)
def test_what_cannot_be_answered_is_refused_after_what_can(
    caller: Caller, content: bytes, status: int
) -> None:
    assert caller.call(GET + GET + content).status == 200
    assert caller.answer().status == 200
    check_refused(caller.answer(), status)
    assert caller.is_ended()


def test_who_sends_too_much_gets_to_see_the_answer(caller: Caller) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % LONG_BODY_BYTES
    check_refused(caller.call(head + b"x" * LONG_BODY_BYTES), 413)
