"""Headers of requests and answers at the public port (RFC 9110, 9111, 9211)."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from bazaar.protocol.endpoints import FieldBody
from bazaar.web.decoding import bad_request
from bazaar.web.endpoint import ANSWER_HEADERS, JSON, KEY_HEADER, OK, Environ, ReadyAnswer
from bazaar.web.negotiation import has_tag
from bazaar.web.wsgi_environ import KEY
from frontend_app.entries import Source, StockRead

KEY_FIELD = FieldBody(
    name=KEY_HEADER,
    part="header",
    hint="a UUID; the same one again places no second order",
    is_required=False,
    is_fresh=True,
)
"""How a form asks for it."""
REPLAYED = ("Idempotency-Replayed", "true")
"""What says that the order was there before the request."""
CACHE_NAME = "bazaar"
FRESH = "no-cache"
"""The `Cache-Control` of a request that wants the answer of the catalog or of a replica."""
STALE_WARNING = '110 - "Response is Stale"'
DIRECTIVES_MAX = 32
"""Directives of a `Cache-Control` that are looked at."""
READ_ONLY, READ_AND_PLACE = "GET, HEAD, OPTIONS", "GET, POST, HEAD, OPTIONS"
"""The methods of a path (`Allow`)."""
TAG_CHARS = 24
"""Of the hash of a body that is its tag."""
NOT_MODIFIED = "304 Not Modified"
_UUID_CHARS = 36
_QUOTE = '"'
Headers = tuple[tuple[str, str], ...]


def standard_headers(allow: str) -> Headers:
    """
    Return what every answer of a path has, but refusals.

    allow: its methods.
    """
    return (
        ("Content-Type", JSON),
        ("Vary", "Accept"),
        ("Cache-Control", "no-cache"),  # nothing between us and a client answers by itself (I7)
        ("Allow", allow),
    )


def length(body: bytes) -> tuple[str, str]:
    """Return the header that says how long a body is."""
    return "Content-Length", str(len(body))


def make_tag(body: bytes, suffix: str = "") -> str:
    """Return the tag of an answer that has no version: a hash of its body."""
    return f'"{hashlib.sha256(body).hexdigest()[:TAG_CHARS]}{suffix}"'


def cache_status(source: Source) -> tuple[str, str]:
    """Return the header that says where an answer came from (RFC 9211)."""
    return "Cache-Status", f"{CACHE_NAME}; {source}"


def read_headers(read: StockRead, tag: str) -> list[tuple[str, str]]:
    """Return the headers of a stock as one reader gets it, beside the standard ones."""
    headers = [("ETag", tag), ("Age", str(read.age_s)), cache_status(read.source)]
    if read.is_stale:
        headers[0] = ("ETag", f"W/{tag}")  # the same version, but it says that it may be old
        headers.append(("Warning", STALE_WARNING))
    return headers


def answer_unless_known(
    environ: Environ,
    tag: str,
    headers: list[tuple[str, str]],
    body: bytes,
    count: Callable[[float], None] | None,
) -> ReadyAnswer:
    """Return an answer, or 304 to a client that names its tag in `If-None-Match`."""
    if "HTTP_IF_NONE_MATCH" in environ and has_tag(environ["HTTP_IF_NONE_MATCH"], tag):
        kept = [one for one in headers if not one[0].startswith("Content-")]
        return NOT_MODIFIED, kept, b"", count
    return OK, headers, body, count


def wants_fresh(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request wants a fresh answer, not one from memory."""
    control = environ.get("HTTP_CACHE_CONTROL")
    if control is None or control == FRESH:
        return control is not None
    parts = control.split(",", DIRECTIVES_MAX)
    directives = (one.partition("=")[0].strip().lower() for one in parts)
    return FRESH in directives


def read_key(environ: Environ) -> UUID:
    """
    Return the client's idempotency key, or a new one; the answer will name it.

    It may come bare, or as a string of structured fields (RFC 9651), which is in quotes. Raises
    EndpointRefusedError (400).
    """
    text = environ.get(KEY)
    key = uuid4() if text is None else parse_key(KEY_HEADER, _strip_quotes(text))
    environ[ANSWER_HEADERS] = {KEY_HEADER: str(key)}
    return key


def _strip_quotes(text: str) -> str:
    is_quoted = len(text) > 1 and text.startswith(_QUOTE) and text.endswith(_QUOTE)
    return text[1:-1] if is_quoted else text


def parse_key(name: str, text: str) -> UUID:
    """
    Return a key that came bare, in 36 characters.

    name: of the header or parameter that it came in. Raises EndpointRefusedError (400).
    """
    try:
        key = UUID(text[:_UUID_CHARS])
        if str(key) != text.lower():  # UUID also takes braces, signs and hyphens anywhere
            raise ValueError
        return key
    except ValueError as error:
        raise bad_request(f"{name}: {text[:40]!r} is not a UUID.") from error
