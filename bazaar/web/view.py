"""
The one DRF view of all endpoints, and the URL patterns made of them.

A page shows the answer of the same route that answers programs, with a form for each method.
"""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from django.http import QueryDict
from django.urls import URLPattern, re_path
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bazaar.protocol.codec import encode
from bazaar.protocol.endpoints import EndpointBody, fill
from bazaar.web.decoding import FORM, EndpointRefusedError, media_type, read_body
from bazaar.web.endpoint import FORM_BODY, JSON, Endpoint, Environ, Port
from bazaar.web.negotiation import prefers_page
from bazaar.web.pages import PageRenderer, process_name
from bazaar.web.router import PlainAnswer, Route

_NOT_OF_A_PAGE = ("Content-Type", "Content-Length", "ETag", "Vary", "Allow")
"""Headers of an answer that its page has otherwise or not at all; DRF adds some of its own."""


class JsonRenderer(BaseRenderer):
    """Write messages, dicts and decimals as JSON; prices keep their digits."""

    media_type = JSON
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the encoded answer; indented for a page."""
        if data is None:
            return b""
        content = encode(data)
        indent = (renderer_context or {}).get("indent")
        return msgspec.json.format(content, indent=indent) if indent else content


class Negotiation(BaseContentNegotiation):
    """Give browsers a page and all others JSON; never answer 406."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """Return none: bodies are read by the routes."""
        return None

    def select_renderer(  # type: ignore[override]
        self,
        request: Request,
        renderers: Sequence[Any],
        format_suffix: str | None = None,
    ) -> tuple[Any, str]:
        """Return the renderer: the page only for a request that prefers one."""
        is_page = prefers_page(request.META.get("HTTP_ACCEPT", ""))
        renderer = renderers[1 if is_page else 0]
        return renderer, renderer.media_type


class JsonView(APIView):
    """A view that answers JSON, and in a browser a page about it."""

    renderer_classes = [JsonRenderer, PageRenderer]
    content_negotiation_class = Negotiation
    takes_signatures: ClassVar[bool] = False
    entered: Mapping[str, str] = {}
    """What a form of the page was filled in with."""

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Say how long the answer is: without it servers send it in pieces."""
        response.add_post_render_callback(_measure)
        return super().finalize_response(request, response, *args, **kwargs)

    def describe(self, path: str) -> EndpointBody:
        """Return what the page says of the view."""
        raise NotImplementedError

    def way_in(self, path: str) -> str | None:
        """Return the page where a browser that is refused can get in, if there is one."""
        return None


def _measure(response: Any) -> None:
    response.headers["Content-Length"] = str(len(response.content))


class EndpointView(JsonView):
    """The DRF view of one endpoint; `make_urlconf` derives a class for each."""

    endpoint: ClassVar[Endpoint]
    port: ClassVar[Port]

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """
        Answer as the router does; only browsers get here.

        A page is another representation than the JSON, and never the same twice: it has no tag.
        """
        environ: Environ = request.META
        environ.pop("HTTP_IF_NONE_MATCH", None)
        route = Route(self.endpoint, str(request.method))
        try:
            self._read_form(environ)
            answer = route.perform(environ)
        except EndpointRefusedError as refused:
            answer = route.explain(refused, environ)
        if isinstance(answer, tuple):
            status, headers, body, _ = answer
            own = {name: value for name, value in headers if name not in _NOT_OF_A_PAGE}
            answer = PlainAnswer(int(status[:3]), msgspec.Raw(body), own)
        return Response(answer.content, status=answer.status, headers=answer.headers)

    options = answer  # type: ignore[assignment]
    http_method_not_allowed = answer  # type: ignore[assignment]

    def describe(self, path: str) -> EndpointBody:
        """Return what the page says of the endpoint."""
        return self.endpoint.describe()

    @property
    def takes_signatures(self) -> bool:  # type: ignore[override]
        """Whether a program may sign its request instead."""
        return self.endpoint.is_for_members

    def way_in(self, path: str) -> str | None:
        """Return the page where a browser that is refused can get in, if there is one."""
        if not self.endpoint.is_for_members:
            return None
        node = settings.BAZAAR_TOPOLOGY.dashboard
        host = f"[{node.host}]" if ":" in node.host else node.host
        return f"http://{host}:{node.port}/api/{process_name()}/{self.port}{path}"

    def _read_form(self, environ: Environ) -> None:
        """Turn the form of a page into the JSON and the headers that it stands for."""
        if media_type(environ) != FORM or environ["REQUEST_METHOD"] != "POST":
            return
        action = self.endpoint.action("POST")
        if action is None:
            return
        sent = read_body(environ, self.endpoint.body_bytes_max)
        environ["wsgi.input"] = BytesIO(sent)
        self.entered = QueryDict(sent, encoding="utf-8").dict()
        filled = fill(action.describe(), self.entered)
        for name, value in filled.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        environ[FORM_BODY] = filled.body


def make_patterns(endpoints: Iterable[Endpoint], port: Port) -> list[URLPattern]:
    """Return the URL patterns of one port; a slash at the end of a path is allowed."""
    ranked = sorted(endpoints, key=Endpoint.rank)
    return [re_path(_pattern(one), _view(one, port)) for one in ranked]


def _pattern(endpoint: Endpoint) -> str:
    if endpoint.parameter:
        end = f"{endpoint.suffix}/?" if endpoint.suffix else ""
        return rf"^{endpoint.prefix.removeprefix('/')}(?s:.)+{end}$"
    return rf"^{endpoint.path.removeprefix('/')}/?$" if endpoint.path != "/" else r"^$"


def _view(endpoint: Endpoint, port: Port) -> Any:
    methods = {action.method.lower(): EndpointView.answer for action in endpoint.actions}
    kind = type("EndpointView", (EndpointView,), {**methods, "endpoint": endpoint, "port": port})
    kind.__doc__ = endpoint.doc
    return kind.as_view()  # type: ignore[attr-defined]
