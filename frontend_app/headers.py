"""Headers of requests and answers at the public port (RFC 9110, 9111, 9211)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from bazaar.protocol.endpoints import FieldBody
from bazaar.web.decoding import bad_request
from bazaar.web.endpoint import ANSWER_HEADERS, Environ
from frontend_app.entries import Source, StockRead

KEY_HEADER = "Idempotency-Key"
KEY_FIELD = FieldBody(
    name=KEY_HEADER,
    part="header",
    hint="a UUID; the same one again places no second order",
    is_required=False,
    is_fresh=True,
)
"""How a form asks for it."""
CACHE_NAME = "bazaar"
FRESH = "no-cache"
"""The `Cache-Control` of a request that wants the answer of the catalog or of a replica."""
STALE_WARNING = '110 - "Response is Stale"'
DIRECTIVES_MAX = 32
"""Directives of a `Cache-Control` that are looked at."""
_UUID_CHARS = 36
_ALWAYS = (
    ("Content-Type", "application/json"),
    ("Vary", "Accept"),
    ("Cache-Control", "no-cache"),  # nothing between us and a client answers by itself (I7)
)
STOCK_HEADERS = (*_ALWAYS, ("Allow", "GET, HEAD, OPTIONS"))
ORDER_HEADERS = (*_ALWAYS, ("Allow", "GET, POST, HEAD, OPTIONS"))
"""What every answer of the two paths has."""


def cache_status(source: Source) -> str:
    """Return the value of `Cache-Status` (RFC 9211)."""
    return f"{CACHE_NAME}; {source}"


_HIT_STATUS = ("Cache-Status", cache_status(Source.HIT))


def hit_headers(version: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """Return all headers of a stock from memory but its age."""
    length = ("Content-Length", str(len(body)))
    return (*STOCK_HEADERS, ("ETag", f'"{version}"'), _HIT_STATUS, length)


def read_headers(read: StockRead, body: bytes) -> list[tuple[str, str]]:
    """Return all headers of a stock as one reader gets it."""
    warning = [("Warning", STALE_WARNING)] if read.is_stale else []
    return [
        *STOCK_HEADERS,
        ("ETag", f'"{read.entry.version}"'),
        ("Age", str(read.age_s)),
        ("Cache-Status", cache_status(read.source)),
        *warning,
        ("Content-Length", str(len(body))),
    ]


def order_headers(body: bytes, source: Source) -> list[tuple[str, str]]:
    """Return all headers of an order that was looked up."""
    length = ("Content-Length", str(len(body)))
    return [*ORDER_HEADERS, ("Cache-Status", cache_status(source)), length]


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

    Raises EndpointRefusedError (400).
    """
    text = environ.get("HTTP_IDEMPOTENCY_KEY")
    key = uuid4() if text is None else _parse_key(text)
    environ[ANSWER_HEADERS] = {KEY_HEADER: str(key)}
    return key


def _parse_key(text: str) -> UUID:
    try:
        key = UUID(text[:_UUID_CHARS])
        if str(key) != text.lower():  # UUID also takes braces, signs and hyphens anywhere
            raise ValueError
        return key
    except ValueError as error:
        raise bad_request(f"{KEY_HEADER}: {text[:40]!r} is not a UUID.") from error
