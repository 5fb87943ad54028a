"""
HTTP/1.1: requests and answers, parsed and packed (docs/adr/0014, 0024).

llhttp, the parser of Node.js (`httptools`), reads. A message counts once it is there as a whole,
with its body, and the memory that a peer can make us use is bounded. Left out: upgrades, trailers
of a chunked body, and answers that end with the connection instead of a length.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from wsgiref.handlers import format_date_time

from httptools import (
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)
from msgspec import Struct

from bazaar.topology import format_address

HEAD_BYTES_MAX = 64 * 1024
"""First line and headers of one message; also all that comes without a piece of the body."""
HEADERS_MAX = 100
REPLY_BODY_BYTES_MAX = 64 * 1024 * 1024
_HEADER_NAMES_MAX = 1000
_INTERIM_STATUS_MAX = 199
_TARGET = re.compile(r"[!-~]+")
PACKED_HEADS_MAX, PACKED_HEAD_BYTES_MAX = 1024, 1024
"""Heads of answers that are remembered as they are sent, and how long one of them may be."""
_TARGET_TOO_LONG = HTTPStatus.REQUEST_URI_TOO_LONG
_HEADERS_TOO_LONG = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
_BODYLESS = ("1", "204", "304")
"""How the statuses begin whose answers have no body."""


class RequestRefusedError(Exception):
    """A request that the server itself refuses; the connection ends with it."""

    def __init__(self, status: HTTPStatus, message: str, *, is_definite: bool = True) -> None:
        """message: what is wrong, in a sentence. is_definite: nothing was done."""
        super().__init__(message)
        self.status, self.message, self.is_definite = status, message, is_definite


@dataclass(slots=True)
class ParsedRequest:
    """One request as it came."""

    method: str = ""
    target: bytes = b""
    version: str = "1.1"
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Names in lower case, in the order in which they came, each as often as it came."""
    head_bytes: int = 0
    body: bytearray = field(default_factory=bytearray)
    is_kept: bool = False
    """Whether another request may follow on the connection."""
    context: Any = None
    """What `admit` knows of it."""


class RequestParser:
    """Reads the requests of one connection."""

    def __init__(
        self, body_bytes_max: int, admit: Callable[[ParsedRequest], int] | None = None
    ) -> None:
        """
        Take the longest body.

        admit: called at the end of each head; it returns the longest body of that request, or
        raises RequestRefusedError before any of the body is kept.
        """
        self._body_bytes_max, self._admit = body_bytes_max, admit
        self.is_begun = False
        """Whether a request has begun and is not whole."""
        self.is_in_body = False
        """Whether its head is whole."""
        self._parser = HttpRequestParser(self)
        self._request = ParsedRequest()
        self._is_in_head = self._awaits_continue = False
        self._silent_bytes = 0
        """Bytes since llhttp last called a method here; it buffers a header until it is whole."""
        self._complete: list[ParsedRequest] = []
        self._refusal: RequestRefusedError | None = None

    def feed(self, received: bytes) -> list[ParsedRequest]:
        """Take bytes; return the requests that are whole now, in their order."""
        self._silent_bytes += len(received)
        try:
            self._parser.feed_data(received)
        except HttpParserUpgrade:
            self._complete[-1].is_kept = False  # it is answered like any other, and is the last one
        except HttpParserError as error:  # what the methods below raise comes as one, too
            message = f"This is not an HTTP request: {error}."
            self._refusal = self._refusal or RequestRefusedError(HTTPStatus.BAD_REQUEST, message)
        if self._silent_bytes > HEAD_BYTES_MAX:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refusal = self._refusal or _refuse_head(status)
        complete, self._complete = self._complete, []
        return complete

    @property
    def method(self) -> str:
        """The method of the request that has begun; empty until its head is whole."""
        return self._request.method

    def close(self) -> None:
        """Free what is held at once; it is of no use afterwards."""
        del self._parser  # it refers back to this: only the garbage collector would free both
        self._request, self._admit = ParsedRequest(), None
        self.is_begun = self.is_in_body = False

    def check(self) -> None:
        """Raise RequestRefusedError when what came after the whole requests is wrong."""
        if self._refusal:
            raise self._refusal

    def take_continue(self) -> bool:
        """Tell, once, whether the sender waits for "100 Continue"."""
        awaits_continue, self._awaits_continue = self._awaits_continue, False
        return awaits_continue

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_in_head = self.is_begun = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._request.target += url
        self._count(len(url), _TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is counted only, because it may be anything."""
        if self._is_in_head:
            text = value.decode("latin-1").rstrip(" \t")
            self._request.headers.append((name.decode("latin-1").lower(), text))
        self._count(len(name) + len(value), _HEADERS_TOO_LONG)

    def on_headers_complete(self) -> None:
        """Take method and version; refuse a body that is too long before it is sent."""
        self._is_in_head, request = False, self._request
        request.method = self._parser.get_method().decode("ascii")
        request.version = self._parser.get_http_version()
        headers = dict(request.headers)
        length = int(headers.get("content-length", 0))
        self.is_in_body = True
        if self._admit is not None:
            self._body_bytes_max = self._call_admit(self._admit)
        self._check_body(length)
        if self._parser.should_upgrade() and (length or "transfer-encoding" in headers):
            self._refuse(HTTPStatus.BAD_REQUEST, "An upgrade has no body.")  # it would be lost
        is_expecting = headers.get("expect", "").lower() == "100-continue"
        self._awaits_continue = is_expecting and request.version == "1.1"

    def on_body(self, content: bytes) -> None:
        """Take a piece of the body."""
        self._silent_bytes, self._awaits_continue = 0, False
        self._request.body += content
        self._check_body(len(self._request.body))

    def on_message_complete(self) -> None:
        """End a request, and keep nothing of it."""
        request, self._request, self._awaits_continue = self._request, ParsedRequest(), False
        self.is_begun = self.is_in_body = False
        request.is_kept = request.version == "1.1" and self._parser.should_keep_alive()
        self._complete.append(request)

    def _call_admit(self, admit: Callable[[ParsedRequest], int]) -> int:
        try:
            return admit(self._request)
        except RequestRefusedError as refused:
            self._refusal = refused
            raise

    def _count(self, count: int, status: HTTPStatus) -> None:
        """
        Count bytes of the head, or of trailers.

        Raises RequestRefusedError past the limits.
        """
        request, self._silent_bytes = self._request, 0
        request.head_bytes += count
        if request.head_bytes > HEAD_BYTES_MAX:
            self._refusal = _refuse_head(status)
            raise self._refusal
        if len(request.headers) > HEADERS_MAX:
            self._refuse(status, f"There are more than {HEADERS_MAX} headers.")

    def _check_body(self, count: int) -> None:
        if count > self._body_bytes_max:
            message = f"The body is longer than {self._body_bytes_max} bytes."
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._refusal = RequestRefusedError(status, message)
        raise self._refusal


def _refuse_head(status: HTTPStatus) -> RequestRefusedError:
    message = f"Target and headers take more than {HEAD_BYTES_MAX} bytes."
    return RequestRefusedError(status, message)


class Reply(Struct, frozen=True, gc=False):
    """One answer as it came, whatever its status; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ReplyParser:
    """Reads the answers of one connection, one after the other."""

    def __init__(self, body_bytes_max: int = REPLY_BODY_BYTES_MAX) -> None:
        self._body_bytes_max = body_bytes_max
        self._parser = HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = self._silent_bytes = 0
        self._reply: Reply | None = None
        self._fault = ""
        self.is_kept = True
        """Whether another request may follow on the connection, once an answer is whole."""

    def feed(self, received: bytes) -> Reply | None:
        """
        Take bytes; return the answer when it is whole.

        Raises ValueError: this is no HTTP, or past a limit; the connection is of no use any more.
        """
        self._silent_bytes += len(received)
        try:
            self._parser.feed_data(received)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise ValueError(self._fault or f"this is no HTTP answer: {error}") from error
        if self._silent_bytes > HEAD_BYTES_MAX:
            raise ValueError("the answer has too many headers")
        reply, self._reply = self._reply, None
        return reply

    def on_message_begin(self) -> None:
        """Begin an answer."""
        if self._reply is not None:
            self._refuse("there is more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[_read_name(name)] = value.decode("latin-1")

    def on_body(self, content: bytes) -> None:
        """Take a piece of the body."""
        self._silent_bytes = 0
        self._body_bytes += len(content)
        if self._body_bytes > self._body_bytes_max:
            self._refuse(f"the answer is longer than {self._body_bytes_max} bytes")
        self._body.append(content)

    def on_message_complete(self) -> None:
        """End an answer, unless it only says that one will come."""
        status = self._parser.get_status_code()
        if len(self._headers) > HEADERS_MAX:
            self._refuse("the answer has too many headers")
        if status > _INTERIM_STATUS_MAX:
            self._reply = Reply(status, self._headers, b"".join(self._body))
            self.is_kept = self._parser.should_keep_alive()  # afterwards llhttp no longer knows
        self._headers, self._body, self._body_bytes, self._silent_bytes = {}, [], 0, 0

    def _refuse(self, fault: str) -> None:
        self._fault = fault  # llhttp wraps what is raised here
        raise ValueError(fault)


@lru_cache(_HEADER_NAMES_MAX)
def _read_name(name: bytes) -> str:
    return name.decode("latin-1").lower()


def pack_request(
    method: str, target: str, address: tuple[str, int], headers: Mapping[str, str], body: bytes
) -> bytes:
    """
    Return a request as it is sent.

    Raises ValueError: the target is not plain ASCII.
    """
    if not _TARGET.fullmatch(target):
        raise ValueError(f"{target[:80]!r} is not the path of a request")
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {format_address(*address)}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode() + body


@lru_cache(2)
def _date_line(second: int) -> str:
    return f"Date: {format_date_time(second)}\r\n"


_PackedHead = tuple[bytes, bool, str | None]
"""Status line and headers, whether Date is among them, and what Content-Length says."""
_packed_heads: dict[tuple[str, tuple[tuple[str, str], ...]], _PackedHead] = {}
"""Most are repeated; all are forgotten when there are more. Long ones may be a stranger's words."""


def _pack_head(status: str, headers: tuple[tuple[str, str], ...]) -> _PackedHead:
    if known := _packed_heads.get((status, headers)):
        return known
    given = {name.lower(): value for name, value in headers}
    lines = [f"HTTP/1.1 {status}\r\n", *(f"{name}: {value}\r\n" for name, value in headers)]
    head = "".join(lines)
    assert head.count("\r") + head.count("\n") == 2 * len(lines), "a header is one line"
    packed = head.encode("latin-1"), "date" in given, given.get("content-length")
    if len(head) <= PACKED_HEAD_BYTES_MAX:
        if len(_packed_heads) >= PACKED_HEADS_MAX:
            _packed_heads.clear()
        _packed_heads[status, headers] = packed
    return packed


def pack_reply(
    request: ParsedRequest,
    status: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    now_s: float,
    more_lines: str = "",
) -> bytes:
    """
    Return the answer to a request as it is sent.

    status: code and phrase. now_s: seconds since 1970, for the header Date. more_lines: of the
    head, each with its end. Asserts that the next answer on the connection cannot be taken for a
    part of this one.
    """
    head, has_date, length = _pack_head(status, tuple(headers))
    if not has_date:
        more_lines += _date_line(int(now_s))
    is_bodyless = status.startswith(_BODYLESS)
    if not is_bodyless:
        if length is None:
            more_lines += f"Content-Length: {len(body)}\r\n"
        elif request.method != "HEAD":
            assert length == str(len(body)), "the length is that of the body"
    if not request.is_kept:
        more_lines += "Connection: close\r\n"
    packed = head + f"{more_lines}\r\n".encode("latin-1")
    return packed if is_bodyless or request.method == "HEAD" else packed + body
