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
from bazaar.runtime.metrics import BEGAN, Meter, operations
from bazaar.web.rest import MISTAKE, MemberEndpoint, describe, read_body, read_param

log = logging.getLogger("bazaar.web.router")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_LENGTH_CHARS_MAX = 8
_METHODS = ("GET", "POST")
"""What is counted by its path; the rest together, as paths that nobody serves."""


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
        self._meters = {
            (method, path): operations.meter(f"{method} {path}")
            for path, _ in list_paths(urlconf)
            for method in _METHODS
        }
        self._other = operations.meter("other")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, and count it."""
        began_s = environ.get(BEGAN) or clock.monotonic_s()
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        hop = self._hops.get(asked)
        if hop is not None and (call := _prepare(view := hop(), environ)):
            code, content = _answer(view, call, start_response)
            self._meters[asked].add(clock.monotonic_s() - began_s, code)
            return content
        meter = self._meters.get((asked[0], asked[1].rstrip("/") or "/"), self._other)
        return self._pass_on(environ, start_response, meter, began_s)

    def _pass_on(
        self, environ: Environ, start_response: StartResponse, meter: Meter, began_s: float
    ) -> Iterable[bytes]:
        """Have the application answer, and count what it says."""
        code = int(HTTPStatus.INTERNAL_SERVER_ERROR)

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal code
            code = int(status[:3])
            return start_response(status, headers, *rest)

        try:
            return self._application(environ, begin)
        finally:
            meter.add(clock.monotonic_s() - began_s, code)


def list_paths(urlconf: str) -> Iterable[tuple[str, type]]:
    """Yield the paths of a listener, without a slash at the end, and their views."""
    for pattern in import_module(urlconf).urlpatterns:
        route = str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix("/?")
        yield "/" + route, getattr(pattern.callback, "view_class", object)


def _list_hops(urlconf: str) -> Iterable[tuple[tuple[str, str], type[PostHop | GetHop]]]:
    """Yield the hops of a listener by method and path."""
    for path, view in list_paths(urlconf):
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
) -> tuple[int, Iterable[bytes]]:
    """Do what is asked, say what came of it, failures as the long way says them; tell both."""
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
    return code, [body]


def _explain(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Return status, message and headers of what went wrong."""
    code, message, headers = describe(error)
    if code is None:
        log.error("hop failed", exc_info=error)
        code, message, headers = MISTAKE
    if not isinstance(error, Failure):
        close_old_connections()
    return code, message, headers
