"""
The browsable API: what a browser gets from every REST view, on every role (ADR 20).

DRF's renderer with a page of our own: what the view does, who may call it, a form for each of its
methods, and the answer. A page needs no script and no other file, so it is the same on both ports
and under the strictest policy. The dashboard shows the same part of it in its own frame.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import uuid4

from django.conf import settings
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar.protocol.endpoints import EndpointBody, FieldBody, IndexBody, MethodBody, fields_of

METHODS = ("GET", "POST")
ANSWER_CHARS_MAX = 200_000
"""Of an answer that is shown in a page; programs get all of it."""
ROWS_MIN, ROWS_MAX = 4, 24
LONG_CHARS = 24
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_STYLE = (Path(__file__).parents[1] / "templates" / "bazaar" / "page.css").read_text("utf-8")
_POLICY = "; ".join(
    (
        *("default-src 'none'", "img-src data:"),
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)


class Shown(Protocol):
    """What a view tells of itself."""

    query: ClassVar[Any]
    example: ClassVar[Any]
    changing: ClassVar[frozenset[str]]
    headers_asked: ClassVar[tuple[FieldBody, ...]]
    audience: ClassVar[str]
    takes_signatures: ClassVar[bool]
    entered: Mapping[str, str]

    @property
    def allowed_methods(self) -> list[str]:
        """The methods that it has."""

    def get_view_description(self) -> str:
        """Return what it does."""

    def way_in(self, path: str) -> str | None:
        """Return where a browser that is refused can get in."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A field of a form with what is in it."""

    field: FieldBody
    value: str

    @property
    def rows(self) -> int:
        """The lines of text that are seen at once."""
        return min(max(self.value.count("\n") + 1, ROWS_MIN), ROWS_MAX)

    @property
    def is_long(self) -> bool:
        """Whether it wants more room than a name does."""
        return len(self.value) > LONG_CHARS


@dataclass(frozen=True, slots=True)
class Form:
    """A form for one method."""

    method: MethodBody
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a page shows it."""

    asked: str
    """Method and path."""
    status: int
    headers: tuple[tuple[str, str], ...]
    text: str

    @property
    def phrase(self) -> str:
        """The status in words."""
        known = self.status in HTTPStatus._value2member_map_
        return HTTPStatus(self.status).phrase if known else ""

    @property
    def is_good(self) -> bool:
        """Whether it is what was asked for."""
        return self.status < HTTPStatus.BAD_REQUEST


def describe_endpoint(view: Shown, path: str) -> EndpointBody:
    """Return what a view tells of itself."""
    parts = {
        "GET": fields_of(view.query, "query"),
        "POST": (*fields_of(view.example, "body"), *view.headers_asked),
    }
    methods = tuple(
        MethodBody(method=name, changes=name in view.changing, fields=parts[name])
        for name in METHODS
        if name in view.allowed_methods
    )
    description = view.get_view_description()
    return EndpointBody(path=path, description=description, audience=view.audience, methods=methods)


def make_forms(
    endpoint: EndpointBody, entered: Mapping[str, str], *, asked: str = "", is_over: bool = True
) -> list[Form]:
    """
    Return a form for every method, with what was entered last.

    asked: the method that it was entered for. is_over: whether the same key has done its work.
    """
    return [
        Form(
            method,
            tuple(
                Entry(one, _value(one, entered if method.method == asked else {}, is_over=is_over))
                for one in method.fields
            ),
        )
        for method in endpoint.methods
    ]


def _value(one: FieldBody, entered: Mapping[str, str], *, is_over: bool) -> str:
    if one.is_fresh and (is_over or one.name not in entered):
        return str(uuid4())
    return entered.get(one.name, one.example)


def cut(text: str) -> str:
    """Return as much of an answer as a page shows."""
    if len(text) <= ANSWER_CHARS_MAX:
        return text
    left_out = len(text) - ANSWER_CHARS_MAX
    return f"{text[:ANSWER_CHARS_MAX]}\n... and {left_out} characters that are not shown"


class PageRenderer(BrowsableAPIRenderer):
    """Render a view and its answer as a page."""

    template = "bazaar/page.html"

    def get_context(
        self,
        data: Any,
        accepted_media_type: str | None,
        renderer_context: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return what the page shows."""
        view, request, response = (
            renderer_context[name] for name in ("view", "request", "response")
        )
        is_bare = _is_bare(view, request, response)
        if is_bare:
            response.status_code = HTTPStatus.OK
            response.headers.pop("Bazaar-Definite", None)
        renderer: Any = self.get_default_renderer(view)
        text = self.get_content(renderer, data, accepted_media_type, dict(renderer_context))
        asked = f"{request.method} {request.get_full_path()}"
        headers = tuple(sorted(response.items()))
        return {
            **_frame(request, response),
            **show(view, request, response),
            "message": _message(data),
            "answer": None if is_bare else Answer(asked, response.status_code, headers, cut(text)),
            "index": data if isinstance(data, IndexBody) else None,
        }


def show(view: Shown, request: Request, response: Response) -> dict[str, Any]:
    """Return endpoint and forms; to who is refused, only the way in."""
    path = request.path.rstrip("/") or "/"
    way_in = view.way_in(path)
    if way_in and response.status_code in _REFUSED:
        signs = view.takes_signatures
        return {"way_in": way_in, "audience": view.audience, "title": path, "signs": signs}
    endpoint = describe_endpoint(view, path)
    entered = view.entered or request.query_params.dict()
    is_over = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    forms = make_forms(endpoint, entered, asked=str(request.method), is_over=is_over)
    return {"endpoint": endpoint, "forms": forms, "title": path}


def _is_bare(view: Shown, request: Request, response: Response) -> bool:
    """Tell whether somebody opened a page to fill its form in: they asked nothing wrong yet."""
    is_open = request.method == "GET" and view.query is not None and not request.query_params
    return is_open and response.status_code == HTTPStatus.BAD_REQUEST


def _message(data: Any) -> str:
    """Return what a refusal says, in whichever dialect."""
    inner = data.get("error", data) if isinstance(data, Mapping) else {}
    return str(inner.get("message", ""))


def _frame(request: Request, response: Response) -> dict[str, Any]:
    """Return name and style of the page; without the dashboard's policy it brings its own."""
    nonce = str(getattr(request, "csp_nonce", ""))
    if not nonce:
        response.headers["Content-Security-Policy"] = _POLICY
    return {"process": process_name(), "style": _STYLE, "nonce": nonce}


def process_name() -> str:
    """Return what this process is called in its cluster."""
    role = str(settings.BAZAAR_ROLE)
    has_many = role in ("order", "frontend")
    return f"{role}-{settings.BAZAAR_NODE.id}" if has_many else role
