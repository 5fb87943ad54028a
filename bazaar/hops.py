"""
The short way of a hop: a WSGI wrapper before Django for calls inside the cluster (ADR 0014).

A *hop* is a member's view that is one call, from a checked message to the message that answers it.
Django and DRF take longer to reach such a view than it takes itself, and a trade makes several
hops. So a signed, well-formed request to one is answered here, with the status and body that the
view gives; everything else goes the long way with nothing done yet: pages for browsers, strangers,
bad signatures, bad bodies, other methods.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from importlib import import_module
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import unquote_plus

import msgspec
from django.conf import settings
from django.db import close_old_connections
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.protocol import signing
from bazaar.protocol.clients import encode
from bazaar.rest import MISTAKE, MemberEndpoint, describe, read_body, read_param

log = logging.getLogger("bazaar.hops")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_LENGTH_CHARS_MAX = 8


class PostHop(MemberEndpoint):
    """POST: one call, from the message in the body to the message in the answer."""

    def answer(self, body: Any) -> Any:
        """Return the answer to a checked body of `body_type`. Raises Failure."""
        raise NotImplementedError

    def post(self, request: Request) -> Response:
        """Take the long way."""
        return Response(self.answer(read_body(request, self.body_type)))


class GetHop(MemberEndpoint):
    """GET: one call, from the one query parameter, if it has one, to the message in the answer."""

    param: ClassVar[str] = ""

    def show(self, value: str) -> Any:
        """
        Return the answer.

        value: of `param`, unchecked. Raises ParseError (400) before anything else, and Failure.
        """
        raise NotImplementedError

    def get(self, request: Request) -> Response:
        """Take the long way."""
        return Response(self.show(read_param(request, self.param) if self.param else ""))


class HopPath:
    """A WSGI application that answers hops itself and passes everything else on."""

    def __init__(self, application: Application, urlconf: str) -> None:
        """application: all of a listener's endpoints. urlconf: the module that names them."""
        self._application = application
        self._hops = dict(_list_hops(urlconf))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        hop = self._hops.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if hop is not None and (call := _prepare(view := hop(), environ)):
            return _answer(view, call, start_response)
        return self._application(environ, start_response)


def _list_hops(urlconf: str) -> Iterable[tuple[tuple[str, str], type[PostHop | GetHop]]]:
    """Yield the hops of a listener by method and path."""
    for pattern in import_module(urlconf).urlpatterns:
        view: type = getattr(pattern.callback, "view_class", object)
        path = "/" + str(pattern.pattern).removeprefix("^").removesuffix("/?$")
        if issubclass(view, PostHop):
            yield ("POST", path), view
        if issubclass(view, GetHop):
            yield ("GET", path), view


def _prepare(view: PostHop | GetHop, environ: Environ) -> Callable[[], Any] | None:
    """Return what is to be done; None when the long way has to say what is wrong with it."""
    header = environ.get("HTTP_AUTHORIZATION")
    if not header or "text/html" in environ.get("HTTP_ACCEPT", ""):
        return None
    body = _read(view, environ) if isinstance(view, PostHop) else b""
    if body is None:
        return None
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    target = f"{path}?{query}" if query else path
    method = environ["REQUEST_METHOD"]
    if signing.fault(settings.BAZAAR_SECRET, header, method, target, body, clock.wall_s()):
        return None
    if isinstance(view, GetHop):
        name, _, value = query.partition("=")
        is_plain = name == view.param and "&" not in query
        return partial(view.show, unquote_plus(value)) if is_plain else None
    try:
        return partial(view.answer, msgspec.json.decode(body, type=view.body_type))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _read(view: PostHop, environ: Environ) -> bytes | None:
    """Return the body, and leave it to be read again; None when it is not as it should be."""
    length = environ.get("CONTENT_LENGTH") or ""
    if (
        environ.get("CONTENT_TYPE") != view.parser_classes[0].media_type
        or not (length.isascii() and length.isdigit() and len(length) <= _LENGTH_CHARS_MAX)
        or int(length) > view.body_bytes_max
    ):
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    return body


def _answer(
    view: PostHop | GetHop, call: Callable[[], Any], start_response: StartResponse
) -> Iterable[bytes]:
    """Do what is asked and say what came of it, failures as the long way says them."""
    code, headers = int(HTTPStatus.OK), dict[str, str]()
    try:
        body = encode(call())
    except Exception as error:  # noqa: BLE001 - nobody else would answer
        code, message, headers = _explain(error)
        body = encode(view.shape_failure(code, message))
    start_response(
        f"{code} {HTTPStatus(code).phrase}",
        [
            ("Content-Type", view.renderer_classes[0].media_type),
            ("Content-Length", str(len(body))),
            *headers.items(),
        ],
    )
    return [body]


def _explain(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Return status, message and headers of what went wrong."""
    code, message, headers = describe(error)
    if code is None:
        log.error("hop failed", exc_info=error)
        code, message, headers = MISTAKE
    if not isinstance(error, Failure):
        close_old_connections()
    return code, message, headers
