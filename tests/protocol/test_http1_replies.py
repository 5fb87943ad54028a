"""Answers taken apart: any pieces give the same, what is wrong or too long is refused."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.protocol import http1
from bazaar.protocol.http1 import (
    HEAD_BYTES_MAX,
    PACKED_HEAD_BYTES_MAX,
    PACKED_HEADS_MAX,
    ParsedRequest,
    Reply,
    ReplyParser,
    pack_reply,
)
from tests.protocol.pieces import PIECE_BYTES, cut

BODY_BYTES_MAX = 100
OK = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi"
OK_CHUNKED = b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\nX-B: c\r\n\r\n"


def read_replies(parser: ReplyParser, pieces: Sequence[bytes]) -> list[Reply]:
    """Return the answers that the pieces are."""
    return [reply for piece in pieces if (reply := parser.feed(piece)) is not None]


@given(
    sent=st.lists(st.sampled_from([OK, OK_CHUNKED, INTERIM + OK]), min_size=1, max_size=4),
    places=st.lists(st.integers(0, 2**16), max_size=20),
)
def test_answers_are_read_one_after_the_other_however_they_are_split(
    sent: list[bytes], places: list[int]
) -> None:
    parser = ReplyParser()
    for one in sent:
        (reply,) = read_replies(parser, cut(one, places))
        assert reply.body == b"hi"
        expected = {"transfer-encoding": "chunked"} if one == OK_CHUNKED else {"x-a": "b"}
        assert expected.items() <= reply.headers.items()
        assert "x-b" not in reply.headers
        assert (reply.status == 404) == (one == OK_CHUNKED)
        assert parser.is_kept


@pytest.mark.parametrize(
    ("start", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
    ],
)
def test_an_answer_may_be_the_last(start: bytes, *, is_kept: bool) -> None:
    parser = ReplyParser()
    assert parser.feed(start + b"Content-Length: 0\r\n\r\n") is not None
    assert parser.is_kept == is_kept


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"garbage\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "no HTTP answer"),
        (OK + OK, "more than one answer"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(101)) + OK[17:],
            "headers",
        ),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * HEAD_BYTES_MAX, "headers"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (HEAD_BYTES_MAX // 6), "headers"),
        (OK_CHUNKED[:-2] + b"A: " + b"b" * 2 * HEAD_BYTES_MAX, "headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 101, "longer than 100"),
    ],
)
def test_an_answer_that_is_wrong_or_too_long_is_refused(content: bytes, fault: str) -> None:
    """Whether it comes whole or in pieces."""
    for size in (HEAD_BYTES_MAX, PIECE_BYTES):
        parser = ReplyParser(BODY_BYTES_MAX)
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        with pytest.raises(ValueError, match=fault):
            read_replies(parser, pieces)


def test_few_heads_of_answers_are_remembered_and_short_ones_only() -> None:
    """I10: a redirect repeats what a stranger has sent."""
    request = ParsedRequest(method="GET", is_kept=True)
    for number in range(PACKED_HEADS_MAX + 10):
        for name, value in (("ETag", f'"{number}"'), ("Location", f"/{number}" + 5000 * "x")):
            packed = pack_reply(request, "200 OK", [(name, value)], b"", 0.0)
            assert f"\r\n{name}: {value}\r\n".encode() in packed
            assert packed == pack_reply(request, "200 OK", [(name, value)], b"", 0.0)
    heads = [head for head, *_ in http1._packed_heads.values()]
    assert 0 < len(heads) <= PACKED_HEADS_MAX
    assert max(map(len, heads)) <= PACKED_HEAD_BYTES_MAX
