"""What the operations of the public API share: headers, and shapes of errors."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bazaar.web.endpoint import KEY_HEADER
from frontend_app.headers import CACHE_NAME

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
REQUEST_ID_HEADER = "X-Request-ID"
_KEY = "6f1c2e9a-8d34-4b0f-9a57-1e2d3c4b5a69"


class ErrorDetail(Struct, frozen=True):
    """What is wrong, and its status."""

    code: Annotated[int, Meta(description="The status of the answer.", ge=400, le=599)]
    message: Annotated[str, Meta(description="What is wrong, in one sentence.")]


class ErrorAnswer(Struct, frozen=True):
    """An error in the dialects of the seed and of the course."""

    error: ErrorDetail


class FailedTrade(Struct, frozen=True):
    """A failed trade in the seed's dialect."""

    order_no: Literal[-1]
    message: Annotated[str, Meta(description="What is wrong, in one sentence.")]


def _header(text: str, schema: dict[str, Any], *, is_required: bool = False) -> dict[str, Any]:
    return {"description": text, "required": is_required, "schema": schema}


def _text(pattern: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "examples": [example]}


_TAG = r'^(W/)?"[0-9a-z-]+"$'
HEADERS = {
    "Vary": _header("`Accept` decides between JSON and a page.", {"type": "string"}),
    "Allow": _header(
        "The methods of the path.", _text("OPTIONS", "GET, HEAD, OPTIONS"), is_required=True
    ),
    "Cache-Control": _header(
        "Nothing between client and front end answers by itself.", {"type": "string"}
    ),
    "ETag": _header(
        "The tag of this representation; weak when it may be old.",
        _text(_TAG, '"4-v1"'),
        is_required=True,
    ),
    "Age": _header(
        "Seconds since the catalog said so.",
        {"type": "integer", "minimum": 0, "examples": [2]},
        is_required=True,
    ),
    "Cache-Status": _header(
        "Where the answer comes from (RFC 9211).",
        _text(f"^{CACHE_NAME}; ", f"{CACHE_NAME}; hit"),
        is_required=True,
    ),
    "Warning": _header("110: the answer may be old.", _text("^110 ", '110 - "Response is Stale"')),
    "Location": _header(
        "The address of the order.",
        _text("^/api/v1/orders/[1-9][0-9]*$", "/api/v1/orders/7"),
        is_required=True,
    ),
    "Link": _header(
        'The address of the next page, with `rel="next"`; absent on the last one.',
        _text('rel="next"$', '</api/v1/orders?cursor=7>; rel="next"'),
    ),
    KEY_HEADER: _header(
        "The key of the trade; made by the bazaar without one.", _text(_UUID, _KEY)
    ),
    "Idempotency-Replayed": _header(
        "`true`: the order was there before the request.", {"const": "true"}
    ),
    REQUEST_ID_HEADER: _header(
        "The id of the request, for logs and traces.",
        _text("^[A-Za-z0-9._:/+=@~-]{1,128}$", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ),
    "Bazaar-Definite": _header(
        "Whether the request surely had no effect.", {"enum": ["true", "false"]}
    ),
    "Bazaar-Failure": _header("The kind of the failure.", _text("^[a-z_]+$", "unknown_stock")),
    "Retry-After": _header(
        "Seconds to wait before it is repeated.",
        {"type": "integer", "minimum": 1, "examples": [1]},
    ),
    "RateLimit": _header(
        "What is left of the limit that was reached.", _text(";r=0;t=[0-9]+$", '"token";r=0;t=3')
    ),
    "RateLimit-Policy": _header(
        "The limit that was reached.", _text(";q=[0-9]+;w=[0-9]+$", '"token";q=100;w=10')
    ),
    "WWW-Authenticate": _header(
        "Which token is asked for.", _text("^Bearer ", 'Bearer realm="bazaar", scope="trade"')
    ),
}
"""The headers of answers, by their names."""


def _parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


REQUEST_HEADERS = {
    "If-None-Match": _parameter(
        "If-None-Match",
        "Tags that the client has, or `*`: 304 if one is that of the answer.",
        {"type": "string", "examples": ['"4-v1"']},
    ),
    "Cache-Control": _parameter(
        "Cache-Control",
        "`no-cache` asks the catalog or a replica even when memory has the answer.",
        {"type": "string", "examples": ["no-cache"]},
    ),
    KEY_HEADER: _parameter(
        KEY_HEADER,
        "A UUID, bare or in quotes: the same one again places no second order.",
        {
            "anyOf": [{"type": "string", "format": "uuid"}, _text(f'^"{_UUID}"$', f'"{_KEY}"')],
            "examples": [_KEY],
        },
    ),
}
"""The headers of requests, by their names."""
