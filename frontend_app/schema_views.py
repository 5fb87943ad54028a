"""
The description of the API, and the pages that show it (docs/adr/0042).

The pages are served from here and load nothing from elsewhere. Each has a policy of its own, which
allows what its library needs and no inline script.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from msgspec import Struct

from bazaar.protocol.clients import encode
from bazaar.web.endpoint import (
    Audience,
    Endpoint,
    Environ,
    Port,
    ReadyAnswer,
    get,
    with_index,
)
from frontend_app.api_operations import SCHEMA_PATH
from frontend_app.dialects import V1
from frontend_app.headers import READ_ONLY, answer_unless_known, length, standard_headers
from frontend_app.openapi import make_document

TAG_CHARS = 24
"""Of the hash of the description that are its tag."""


class SchemaQuery(Struct, frozen=True):
    """Nothing: there is one description."""


def make_schema_endpoint(endpoints: tuple[Endpoint, ...]) -> Endpoint:
    """Return the endpoint that describes these, itself, and the list of all."""

    @cache
    def describe() -> tuple[str, bytes]:
        served = with_index((*endpoints, endpoint), Port.SERVED, Audience.PUBLIC)
        body = encode(make_document(served))
        return f'"{hashlib.sha256(body).hexdigest()[:TAG_CHARS]}"', body

    def show_schema(query: SchemaQuery, environ: Environ) -> ReadyAnswer:
        """
        Describe this API as OpenAPI 3.1.

        GET answers the description, in JSON. `/api/docs/` shows it with Swagger UI, and
        `/api/docs/redoc/` with Redoc.
        """
        tag, body = describe()
        headers = [*standard_headers(READ_ONLY), ("ETag", tag), length(body)]
        return answer_unless_known(environ, tag, headers, body, None)

    action = get(
        show_schema,
        SchemaQuery,
        takes_environ=True,
        is_instant=True,
        is_strict=True,
        **V1.errors,
    )
    endpoint = Endpoint(SCHEMA_PATH, action, audience=Audience.PUBLIC)
    return endpoint


_POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


_REDOC = {
    "style-src": "'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    " 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
}
"""Redoc puts in an empty style element, which it fills by script, and one that never changes."""


@require_safe
def show_swagger(request: HttpRequest) -> HttpResponse:
    """Show the API with Swagger UI, which also tries it out."""
    return _show(request, "swagger")


@require_safe
def show_redoc(request: HttpRequest) -> HttpResponse:
    """Show the API with Redoc."""
    return _show(request, "redoc", _REDOC)


def _show(
    request: HttpRequest, name: str, more: Mapping[str, str] = MappingProxyType({})
) -> HttpResponse:
    """
    Return a page with its policy.

    more: the directives that differ from those of all pages.
    """
    context: dict[str, Any] = {"schema": SCHEMA_PATH}
    answer = render(request, f"api_docs/{name}.html", context)
    policy = {**_POLICY, **more}
    answer["Content-Security-Policy"] = "; ".join(f"{key} {text}" for key, text in policy.items())
    return answer
