"""
The pages that show the description of the API (docs/adr/0042).

They are served from here and load nothing from elsewhere. Each has a policy of its own, which
allows what its library needs and no inline script.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend_app.schema_views import SCHEMA_PATH

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
