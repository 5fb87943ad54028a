"""One listener of a role, called through its WSGI handler: real URLs, no network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from bazaar import clock
from bazaar.protocol.http1 import Reply
from bazaar.protocol.signing import sign
from bazaar.topology import Role, process_name
from bazaar.web.router import Router

Headers = Mapping[str, str]
JSON: Headers = {"Content-Type": "application/json"}

SERVED = tuple(f"bazaar.urls.{role}" for role in Role if role.has_control_port)
CONTROL = tuple(f"{urlconf}_control" for urlconf in SERVED)
"""The URLconfs of every role but the dashboard, which has pages instead of endpoints."""


def signature(
    method: str, path: str, body: bytes = b"", *, late_s: float = 0, receiver: str = ""
) -> dict[str, str]:
    """
    Return the Authorization header of a member whose clock is `late_s` behind.

    receiver: this process, if it is empty.
    """
    now_s = clock.wall_s() - late_s
    name = receiver or process_name(settings.BAZAAR_ROLE, settings.BAZAAR_NODE.id)
    return {"Authorization": sign(settings.BAZAAR_SECRET, name, method, path, body, now_s)}


@dataclass(frozen=True, slots=True)
class Listener:
    """The router of one URLconf, with Django behind it, as every role has them."""

    urlconf: str
    router: Router = field(init=False, repr=False)

    def __post_init__(self) -> None:
        endpoints = import_module(self.urlconf).ENDPOINTS
        object.__setattr__(self, "router", Router(_handler(self.urlconf), endpoints))

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Headers | None = None,
    ) -> Reply:
        """Send one request as it is; no header is added."""
        return _call(self.router, _environ(method, path, body, headers or {}))

    def call_signed(
        self, method: str, path: str, body: bytes = b"", headers: Headers | None = None
    ) -> Reply:
        """Send one request as a member of the cluster does."""
        signed = signature(method, path, body)
        return self.call(
            method, path, body, {**(JSON if body else {}), **signed, **(headers or {})}
        )


@dataclass(slots=True)
class HandlerTransport:
    """A `Transport` to a listener in this process."""

    listener: Listener
    paths: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        """Send one signed request; it never times out."""
        assert timeout_s > 0
        self.paths.append(f"{method} {path}")
        return self.listener.call_signed(method, path, body)


def _handler(urlconf: str) -> WSGIHandler:
    conf = urlconf

    class Request(WSGIRequest):
        def __init__(self, environ: dict[str, Any]) -> None:
            super().__init__(environ)
            self.urlconf = conf

    class Handler(WSGIHandler):
        request_class = Request

    return Handler()


def _environ(method: str, path: str, body: bytes, headers: Headers) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key.startswith("CONTENT_") else f"HTTP_{key}"] = value
    return environ


def _call(handler: Callable[..., Any], environ: dict[str, Any]) -> Reply:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        started.append((status, headers))

    response = handler(environ, start_response)
    try:
        content = b"".join(response)
    finally:
        if close := getattr(response, "close", None):
            close()
    ((status, headers),) = started
    code = HTTPStatus(int(status.split(" ")[0]))
    return Reply(code, {name.lower(): value for name, value in headers}, content)
