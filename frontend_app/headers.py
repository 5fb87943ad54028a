"""What an answer says of its version and of where it came from (RFC 9110, 9111, 9211)."""

from collections.abc import Mapping
from typing import Any

from bazaar.protocol.endpoints import FieldBody
from frontend_app.readings import Reading, Source

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
"""The `Cache-Control` of a request that wants the catalog's or a replica's answer, not memory's."""
STALE_WARNING = '110 - "Response is Stale"'
_VIEW_HEADERS = (
    ("Content-Type", "application/json"),
    ("Vary", "Accept"),
    ("Allow", "GET, HEAD, OPTIONS"),
)
_ORDER_HEADERS = (*_VIEW_HEADERS[:2], ("Allow", "GET, POST, HEAD, OPTIONS"))
"""What the views' framework adds to every answer."""


def headers_of(reading: Reading) -> dict[str, str]:
    """Return the headers of one reader's answer."""
    headers = {
        "ETag": f'"{reading.kept.version}"',
        "Age": str(reading.age_s),
        "Cache-Status": cache_status(reading.source),
    }
    if reading.is_stale:
        headers["Warning"] = STALE_WARNING
    return headers


def hit_headers(version: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """Return all headers of a hit but its age, as the view would send them."""
    return (
        *_VIEW_HEADERS,
        ("ETag", f'"{version}"'),
        ("Cache-Status", cache_status(Source.HIT)),
        ("Content-Length", str(len(body))),
    )


def miss_headers(reading: Reading) -> tuple[tuple[str, str], ...]:
    """Return all headers of an answer that memory did not have, as the view would send them."""
    length = ("Content-Length", str(len(reading.kept.body)))
    return (*_VIEW_HEADERS, *headers_of(reading).items(), length)


def placed_headers(body: bytes) -> tuple[tuple[str, str], ...]:
    """Return all headers of an order that was placed but its key, as the view would send them."""
    return (*_ORDER_HEADERS, ("Content-Length", str(len(body))))


def order_headers(body: bytes, source: Source) -> tuple[tuple[str, str], ...]:
    """Return all headers of an order that was looked up, as the view would send them."""
    return (
        *_ORDER_HEADERS,
        ("Cache-Status", cache_status(source)),
        ("Content-Length", str(len(body))),
    )


def cache_status(source: Source) -> str:
    """Return the value of `Cache-Status` (RFC 9211)."""
    return f"{CACHE_NAME}; {source}"


def asks_for_fresh(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request wants the catalog's answer, not memory's."""
    return FRESH in environ.get("HTTP_CACHE_CONTROL", "").lower()
