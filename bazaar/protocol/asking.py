"""
Requests as they come in: the bytes of a connection, taken apart by llhttp (`httptools`, ADR 24).

The counterpart of `connection`, which reads answers. A request counts once it is there as a whole,
body and all. What a connection may make us keep is bounded. Left out: upgrades, and the trailers of
a chunked body.
"""

from dataclasses import dataclass, field
from http import HTTPStatus

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 100


class RefusedError(Exception):
    """A request that gets no answer of the application; the connection ends with it."""

    def __init__(self, status: HTTPStatus, message: str, *, is_definite: bool = True) -> None:
        """message: what was wrong, in a sentence. is_definite: nothing was done."""
        super().__init__(message)
        self.status, self.message, self.is_definite = status, message, is_definite


@dataclass(slots=True)
class Asked:
    """One request as it came."""

    method: str = ""
    target: bytes = b""
    version: str = "1.1"
    headers: list[tuple[str, str]] = field(default_factory=list)
    """In lower case, in the order in which they came, each as often as it came."""
    head_bytes: int = 0
    body: bytearray = field(default_factory=bytearray)
    is_kept: bool = False
    """Whether another request may follow on the connection."""


class Reading:
    """The requests of one connection."""

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._parser = HttpRequestParser(self)
        self._asked = Asked()
        self._is_head = self._is_held_back = False
        self._silent_bytes = 0
        """Fed since the parser last told of anything; it keeps a header until that is whole."""
        self._complete: list[Asked] = []
        self._fault: RefusedError | None = None

    def feed(self, received: bytes) -> list[Asked]:
        """Take bytes; return the requests that are whole now, in their order."""
        self._silent_bytes += len(received)
        try:
            self._parser.feed_data(received)
        except HttpParserUpgrade:
            self._complete[-1].is_kept = False  # it is answered like any other, and is the last one
        except HttpParserError as error:  # what the methods below raise comes as one, too
            message = f"This is not an HTTP request: {error}."
            self._fault = self._fault or RefusedError(HTTPStatus.BAD_REQUEST, message)
        if self._silent_bytes > HEAD_BYTES_MAX:
            self._fault = self._fault or _explain_head(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        complete, self._complete = self._complete, []
        return complete

    def check(self) -> None:
        """Raise RefusedError when something is wrong after the requests that were whole."""
        if self._fault:
            raise self._fault

    def is_held_back(self) -> bool:
        """Tell, once, whether the sender waits with its body until it is told to go on."""
        is_held_back, self._is_held_back = self._is_held_back, False
        return is_held_back

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_head = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._asked.target += url
        self._count(len(url), HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or count a trailer, which may be anything."""
        if self._is_head:
            text = value.decode("latin-1").rstrip(" \t")
            self._asked.headers.append((name.decode("latin-1").lower(), text))
        self._count(len(name) + len(value), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Take method and version; refuse a body that is too long before it is sent."""
        self._is_head, asked = False, self._asked
        asked.method = self._parser.get_method().decode("ascii")
        asked.version = self._parser.get_http_version()
        headers = dict(asked.headers)
        length = int(headers.get("content-length", 0))
        self._check_body(length)
        if self._parser.should_upgrade() and (length or "transfer-encoding" in headers):
            self._refuse(HTTPStatus.BAD_REQUEST, "An upgrade has no body.")  # it would be lost
        is_expecting = headers.get("expect", "").lower() == "100-continue"
        self._is_held_back = is_expecting and asked.version == "1.1"

    def on_body(self, content: bytes) -> None:
        """Take a piece of the body."""
        self._silent_bytes, self._is_held_back = 0, False
        self._asked.body += content
        self._check_body(len(self._asked.body))

    def on_message_complete(self) -> None:
        """End a request, and keep nothing of it."""
        asked, self._asked, self._is_held_back = self._asked, Asked(), False
        asked.is_kept = asked.version == "1.1" and self._parser.should_keep_alive()
        self._complete.append(asked)

    def _count(self, count: int, status: HTTPStatus) -> None:
        """Count what comes before a body."""
        asked, self._silent_bytes = self._asked, 0
        asked.head_bytes += count
        if asked.head_bytes > HEAD_BYTES_MAX:
            self._fault = _explain_head(status)
            raise self._fault
        if len(asked.headers) > HEADERS_MAX:
            self._refuse(status, f"There are more than {HEADERS_MAX} headers.")

    def _check_body(self, count: int) -> None:
        if count > self._body_bytes_max:
            message = f"The body is longer than {self._body_bytes_max} bytes."
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._fault = RefusedError(status, message)
        raise self._fault


def _explain_head(status: HTTPStatus) -> RefusedError:
    return RefusedError(status, f"Target and headers take more than {HEAD_BYTES_MAX} bytes.")
