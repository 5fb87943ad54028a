"""
The browsable API: the page a browser gets from an endpoint (docs/adr/0020).

DRF's renderer with a page of our own: what the endpoint does, who may call it, a form for each of
its methods, and the answer. A page needs no script and no other file, so it is the same on both
ports and under the strictest policy. The dashboard shows the same part of it in its own frame.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from django.conf import settings
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from bazaar import topology
from bazaar.protocol.endpoints import EndpointBody, FieldBody, IndexBody, MethodBody
from bazaar.web.problems import ProblemPage

ANSWER_CHARS_MAX = 200_000
"""Of an answer that is shown in a page; programs get all of it."""
ROWS_MIN, ROWS_MAX = 4, 24
LONG_CHARS = 24
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_UNFILLED = HTTPStatus.BAD_REQUEST
_STYLE = (Path(__file__).parents[1] / "templates" / "bazaar" / "page.css").read_text("utf-8")
_POLICY = "; ".join(
    (
        *("default-src 'none'", "img-src data:"),
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)


class PageView(Protocol):
    """What a page needs of its view."""

    takes_signatures: bool
    entered: Mapping[str, str]

    def describe(self, path: str) -> EndpointBody:
        """Return what the view does and takes."""

    def way_in(self, path: str) -> str | None:
        """Return where a browser that is refused can get in."""


@dataclass(frozen=True, slots=True)
class FormEntry:
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
class MethodForm:
    """A form for one method."""

    method: MethodBody
    entries: tuple[FormEntry, ...]


@dataclass(frozen=True, slots=True)
class ShownAnswer:
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


def make_forms(
    endpoint: EndpointBody, entered: Mapping[str, str], *, asked: str = "", is_over: bool = True
) -> list[MethodForm]:
    """
    Return a form for every method, with what was entered last.

    asked: the method that it was entered for. is_over: whether the same key has done its work.
    """
    return [
        MethodForm(
            method,
            tuple(
                FormEntry(
                    one, _value(one, entered if method.method == asked else {}, is_over=is_over)
                )
                for one in method.fields
                if one.part != "path"
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
            "answer": None
            if is_bare
            else ShownAnswer(asked, response.status_code, headers, cut(text)),
            "index": data if isinstance(data, IndexBody) else None,
            "problem": data if isinstance(data, ProblemPage) else None,
        }


def show(view: PageView, request: Request, response: Response) -> dict[str, Any]:
    """Return endpoint and forms; for a browser that is refused only the way in."""
    path = request.path.rstrip("/") or "/"
    endpoint = view.describe(path)
    way_in = view.way_in(path)
    if way_in and response.status_code in _REFUSED:
        signs = view.takes_signatures
        return {"way_in": way_in, "audience": endpoint.audience, "title": path, "signs": signs}
    entered = view.entered or request.query_params.dict()
    is_over = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    forms = make_forms(endpoint, entered, asked=str(request.method), is_over=is_over)
    return {"endpoint": endpoint, "forms": forms, "title": path}


def _is_bare(view: PageView, request: Request, response: Response) -> bool:
    """Tell whether a page was only opened, in order to fill its form in."""
    if request.method != "GET" or request.query_params or response.status_code != _UNFILLED:
        return False
    action = view.describe(request.path).method("GET")
    return action is not None and bool(action.fields)


def _message(data: Any) -> str:
    """Return what a refusal says, in whichever dialect."""
    inner = data.get("error", data) if isinstance(data, Mapping) else {}
    return str(inner.get("message", ""))


def _frame(request: Request, response: Response) -> dict[str, Any]:
    """Return name and style of the page; it brings a policy where it has none."""
    nonce = str(getattr(request, "csp_nonce", ""))
    if not nonce:
        response.headers["Content-Security-Policy"] = _POLICY
    return {"process": process_name(), "style": _STYLE, "nonce": nonce}


def process_name() -> str:
    """Return what this process is called in its cluster."""
    return topology.process_name(settings.BAZAAR_ROLE, settings.BAZAAR_NODE.id)
