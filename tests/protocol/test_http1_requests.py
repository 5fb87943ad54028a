"""Requests taken apart: any pieces give the same, what is wrong is refused, little is kept."""

import gc
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.protocol.http1 import (
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    ParsedRequest,
    RequestParser,
    RequestRefusedError,
)
from tests.protocol.pieces import PIECE_BYTES, cut, split

BODY_BYTES_MAX = 100
GET = b"GET /a?b=c HTTP/1.1\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
WAITING = b"POST / HTTP/1.1\r\nExpect: 100-Continue \r\nContent-Length: %d\r\n\r\n"
TOO_LONG = (HTTPStatus.REQUEST_URI_TOO_LONG, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


@dataclass(frozen=True)
class Sent:
    """A request as a sender means it, and how it puts it."""

    method: str
    target: bytes
    headers: list[tuple[str, str]]
    body: bytes
    chunk_bytes: int
    """0: the length is told."""

    def pack(self) -> bytes:
        lines = [f"{self.method} {self.target.decode()} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.framed()]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return head + (b"".join(self.chunks()) if self.chunk_bytes else self.body)

    def framed(self) -> list[tuple[str, str]]:
        if self.chunk_bytes:
            return [*self.headers, ("transfer-encoding", "chunked")]
        return [*self.headers, ("content-length", str(len(self.body)))]

    def chunks(self) -> list[bytes]:
        starts = range(0, len(self.body), self.chunk_bytes)
        chunks = [self.body[start : start + self.chunk_bytes] for start in starts]
        return [*(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks), b"0\r\n\r\n"]


letters = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
sendings = st.builds(
    Sent,
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    target=letters.map(lambda text: f"/{text}?{text}=%2F".encode()),
    headers=st.lists(st.tuples(letters.map(lambda text: f"x-{text}"), letters | st.just(""))),
    body=st.binary(max_size=BODY_BYTES_MAX),
    chunk_bytes=st.integers(0, 40),
)


def read(pieces: Sequence[bytes]) -> tuple[list[ParsedRequest], RequestRefusedError | None]:
    """Return what a connection takes of the pieces, and what was wrong with the rest."""
    parser, found = RequestParser(BODY_BYTES_MAX), list[ParsedRequest]()
    for piece in pieces:
        for request in parser.feed(piece):
            found.append(request)
            if not request.is_kept:
                return found, None
        try:
            parser.check()
        except RequestRefusedError as refused:
            return found, refused
    return found, None


def read_one(*pieces: bytes) -> ParsedRequest:
    """Return the one request that the pieces are."""
    (request,), refused = read(pieces)
    assert refused is None
    return request


def refusal(*pieces: bytes) -> HTTPStatus:
    """Return with what the pieces are refused, of which nothing came."""
    found, refused = read(pieces)
    assert found == []
    assert refused is not None
    assert refused.is_definite
    return refused.status


@given(
    sent=st.lists(sendings, min_size=1, max_size=4),
    places=st.lists(st.integers(0, 2**16), max_size=20),
)
def test_any_split_of_a_stream_gives_the_requests_that_were_sent(
    sent: list[Sent], places: list[int]
) -> None:
    stream = b"".join(one.pack() for one in sent)
    for pieces in (cut(stream, places), split(stream)):
        found, refused = read(pieces)
        assert refused is None
        assert [(one.method, one.target, one.headers, bytes(one.body)) for one in found] == [
            (one.method, one.target, one.framed(), one.body) for one in sent
        ]
        assert all(one.is_kept for one in found)


@given(
    sent=st.lists(sendings, min_size=1, max_size=3),
    changes=st.dictionaries(st.integers(0, 2**16), st.integers(0, 255), max_size=3),
    noise=st.binary(max_size=20),
)
def test_a_damaged_stream_is_understood_the_same_however_it_comes(
    sent: list[Sent], changes: dict[int, int], noise: bytes
) -> None:
    """Whoever looked at it before us in other pieces saw the same requests."""
    stream = bytearray(b"".join(one.pack() for one in sent) + noise)
    for place, byte in changes.items():
        stream[place % len(stream)] = byte
    (whole, refused), (bytewise, also_refused) = read([bytes(stream)]), read(split(bytes(stream)))
    assert whole == bytewise
    assert (refused and refused.status) == (also_refused and also_refused.status)


def test_headers_are_in_lower_case_and_without_the_space_around_them() -> None:
    request = read_one(b"GET / HTTP/1.1\r\nX-B: \t 2 \t\r\nx-a:\r\nX-B:  3  4\r\n\r\n")
    assert request.headers == [("x-b", "2"), ("x-a", ""), ("x-b", "3  4")]


def test_empty_lines_between_requests_are_passed_over() -> None:
    found, refused = read([b"\r\n\r\n" + GET + b"\r\n" + GET])
    assert (len(found), refused) == (2, None)


def test_trailers_are_no_headers() -> None:
    trailers = b"Authorization: somebody\r\nExpect: 100-continue\r\n"
    request = read_one(CHUNKED + b"2;ext=1\r\nhi\r\n0\r\n" + trailers + b"\r\n")
    assert request.headers == [("transfer-encoding", "chunked")]
    assert request.body == b"hi"


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n",
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\n",
    ],
)
def test_another_request_may_follow(start: bytes) -> None:
    found, refused = read([start + b"\r\n" + GET])
    assert ([request.is_kept for request in found], refused) == ([True, True], None)


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nConnection: close\r\n",
        b"GET / HTTP/1.1\r\nConnection: x, Close\r\n",
        b"GET / HTTP/1.0\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
        b"GET / HTTP/2.0\r\n",
        UPGRADE,
        UPGRADE + b"Content-Length: 0\r\n",
        b"CONNECT here:80 HTTP/1.1\r\n",
    ],
)
def test_a_request_may_be_the_last(start: bytes) -> None:
    found, refused = read([start + b"\r\n" + GET])
    assert ([request.is_kept for request in found], refused) == ([False], None)


@pytest.mark.parametrize(
    "target", ["*", "http://here:80/a?b", "/a//../b", "/%41%2f?%41", "/a?b?c", "/a#b"]
)
def test_a_target_is_passed_on_as_it_is(target: str) -> None:
    assert read_one(f"OPTIONS {target} HTTP/1.1\r\n\r\n".encode()).target == target.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET a HTTP/1.1\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET / HTTP/1.1\nHost: here\n\n",
        "GET /é HTTP/1.1\r\n\r\n".encode(),
        b"GET /?\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nName : space\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: folded\r\n line\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\rB: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\0y\r\n\r\n",
        UPGRADE + b"Content-Length: 2\r\n\r\nhi",
        UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x1\r\n",
        CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nxy\r\n0\r\n\r\n",
        CHUNKED + b"1\nx\n0\n\n",
        CHUNKED + b"fffffffffffffffff\r\n",
        CHUNKED + b"0\r\nContent-Length: 1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(content: bytes) -> None:
    assert refusal(content) == HTTPStatus.BAD_REQUEST
    assert refusal(*split(content)) == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "framing",
    [
        *(b"Content-Length: " + length for length in (b"", b"-1", b"+1", b"1, 1", b"0x1", b"1_0")),
        b"Content-Length: " + b"9" * 20,
        b"Content-Length: " + b"0" * 5000,
        b"Content-Length: 1\r\nContent-Length: 1",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 1",
        *(b"Transfer-Encoding: " + name for name in (b"", b"gzip", b"xchunked", b"chunked, gzip")),
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
    ],
)
def test_a_body_whose_end_is_in_doubt_is_refused(framing: bytes) -> None:
    assert refusal(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n") == HTTPStatus.BAD_REQUEST


def test_what_was_whole_before_a_fault_counts() -> None:
    found, refused = read([GET + GET + b"garbage" + GET])
    assert len(found) == 2
    assert refused is not None
    assert refused.status == HTTPStatus.BAD_REQUEST


def test_a_request_that_ends_in_the_middle_gives_nothing() -> None:
    whole = Sent("POST", b"/", [("x-a", "1")], b"hello", 2).pack()
    assert all(read([whole[:length]]) == ([], None) for length in range(len(whole)))


def test_a_body_may_be_as_long_as_allowed() -> None:
    for chunk_bytes in (0, 1):
        request = read_one(Sent("POST", b"/", [], b"x" * BODY_BYTES_MAX, chunk_bytes).pack())
        assert len(request.body) == BODY_BYTES_MAX


def test_a_body_that_will_be_too_long_is_refused_before_it_comes() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1)
    assert refusal(head) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_chunks_that_are_too_long_together_are_refused() -> None:
    chunks = [b"1\r\nx\r\n"] * BODY_BYTES_MAX
    assert read([CHUNKED, *chunks]) == ([], None)
    assert refusal(CHUNKED, *chunks, b"1\r\nx\r\n") == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_a_long_target_is_refused() -> None:
    longest = b"/" + b"a" * (HEAD_BYTES_MAX - 1)
    assert read_one(b"GET ", longest, b" HTTP/1.1\r\n\r\n").target == longest
    status = refusal(b"GET ", longest, b"a", b" HTTP/1.1\r\n\r\n")
    assert status == HTTPStatus.REQUEST_URI_TOO_LONG


def test_long_headers_are_refused() -> None:
    sizes = [HEAD_BYTES_MAX // 2] * 2
    lines = [b"A: " + b"x" * (size - 2) + b"\r\n" for size in sizes]
    assert read_one(b"GET / HTTP/1.1\r\n", *lines, b"\r\n").method == "GET"
    status = refusal(b"GET /aa HTTP/1.1\r\n", *lines, b"\r\n")
    assert status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def test_many_headers_are_refused() -> None:
    lines = b"A: x\r\n" * HEADERS_MAX
    assert len(read_one(b"GET / HTTP/1.1\r\n" + lines + b"\r\n").headers) == HEADERS_MAX
    status = refusal(b"GET / HTTP/1.1\r\n" + lines + b"B: x\r\n\r\n")
    assert status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\n", b"a"),
        (b"GET / HTTP/1.1\r\nA: ", b"a"),
        (b"GET / HTTP/1.1\r\n", b"A: a\r\n"),
        (CHUNKED + b"1;", b"a"),
        (CHUNKED + b"0\r\n", b"A: a\r\n"),
        (CHUNKED + b"0\r\nA: ", b"a"),
    ],
)
def test_what_never_ends_is_refused_before_much_of_it_is_kept(start: bytes, more: bytes) -> None:
    """Without this a stranger fills the memory of a member with one header."""
    piece = more * (PIECE_BYTES // len(more))
    found, refused = read([start, *[piece] * (4 * HEAD_BYTES_MAX // PIECE_BYTES)])
    assert found == []
    assert refused is not None
    assert refused.status in TOO_LONG


def test_nothing_of_a_request_is_kept_once_it_was_read() -> None:
    """A connection that idles holds no body."""
    parser = RequestParser(BODY_BYTES_MAX)
    (request,) = parser.feed(WAITING % 2 + b"hi")
    assert sys.getrefcount(request) <= 2
    assert request.body == b"hi"


def test_a_sender_that_waits_with_its_body_is_told_to_go_on_once() -> None:
    parser = RequestParser(BODY_BYTES_MAX)
    told = []
    for piece in (*split(WAITING % 2), b"h", b"i", GET):
        parser.feed(piece)
        told.append(parser.take_continue())
        assert not parser.take_continue()
    assert [number for number, is_told in enumerate(told, 1) if is_told] == [len(WAITING % 2)]


@pytest.mark.parametrize(
    "content",
    [
        WAITING % 2 + b"h",
        WAITING % 0,
        WAITING % (BODY_BYTES_MAX + 1),
        (WAITING % 2).replace(b"HTTP/1.1", b"HTTP/1.0"),
        (WAITING % 2).replace(b"100-Continue", b"101-continue"),
    ],
)
def test_nobody_else_is_told_to_go_on(content: bytes) -> None:
    parser = RequestParser(BODY_BYTES_MAX)
    parser.feed(content)
    assert not parser.take_continue()


def test_a_closed_parser_gives_its_memory_back_at_once() -> None:
    """I10: what an unfinished request held must not wait for the garbage collector."""
    gc.disable()
    try:
        parser = RequestParser(10)
        parser.feed(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
        known = weakref.ref(parser)
        parser.close()
        del parser
        assert known() is None
    finally:
        gc.enable()
