"""
What every REST view shares: JSON in and out, and failures to answers (DESIGN 6, I9).

Programs get JSON whatever they say they accept; browsers, who ask for text/html, get DRF's
browsable page (`bazaar.web.pages`) and may send its forms. The parser gives a view that names a
`body_type` a checked message instead of a dict.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO
from typing import IO, Any, ClassVar, TypeVar

import msgspec
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, HttpRequest, JsonResponse, QueryDict
from rest_framework import exceptions, status
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from bazaar.core.failures import (
    Busy,
    Corrupt,
    DamagedPage,
    Deposed,
    Diverged,
    Failure,
    NotLeader,
    NotReplicated,
    NotServing,
    StaleTerm,
    TooFewInSync,
)
from bazaar.core.types import ORDER_NO_MAX, STOCK_NAME_CHARS_MAX
from bazaar.protocol import errors
from bazaar.protocol.clients import encode
from bazaar.protocol.endpoints import FieldBody, fill
from bazaar.runtime.metrics import events
from bazaar.web.member_auth import IsMember, MemberAuthentication
from bazaar.web.pages import PageRenderer, describe_endpoint, process_name

log = logging.getLogger("bazaar.web.rest")
T = TypeVar("T")

PUBLIC_BODY_BYTES_MAX = 64 * 1024
MEMBER_BODY_BYTES_MAX = 8 * 1024 * 1024
_NUMBER_CHARS_MAX = 19
MISTAKE = (
    int(HTTPStatus.INTERNAL_SERVER_ERROR),
    "Something is wrong on our side; the log has the details.",
    {"Bazaar-Definite": "false"},
)
"""Status, message and headers of a mistake of our own; it may have had an effect."""
_REFUSALS = (
    *(Busy, Corrupt, DamagedPage, Deposed, Diverged, NotLeader, NotReplicated, NotServing),
    *(StaleTerm, TooFewInSync),
)
"""Failures that are events: what is refused for the cluster's sake, not for the caller's."""


class JsonRenderer(BaseRenderer):
    """Write messages, dicts and decimals as JSON; prices keep their digits."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the encoded answer; indented for the browsable page."""
        if data is None:
            return b""
        content = encode(data)
        indent = (renderer_context or {}).get("indent")
        return msgspec.json.format(content, indent=indent) if indent else content


class JsonParser(BaseParser):
    """Read JSON strictly: no NaN, no lone surrogates, no bottomless nesting."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as the view's `body_type`. Raises ParseError (400)."""
        kind = getattr((parser_context or {}).get("view"), "body_type", None) or Any
        try:
            return msgspec.json.decode(stream.read(), type=kind)
        except msgspec.ValidationError as error:
            raise exceptions.ParseError(f"The body is not right: {error}.") from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise exceptions.ParseError(f"The body is not JSON: {error}.") from error
        except RecursionError as error:
            raise exceptions.ParseError("The body is nested too deeply.") from error


class FormParser(JsonParser):
    """Read the form of a page as the JSON that it stands for; a page of another site sends none."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as `JsonParser` does. Raises PermissionDenied (403), ParseError (400)."""
        assert parser_context is not None, "DRF gives one to every parser"
        view, request = parser_context["view"], parser_context["request"]
        origin = request.META.get("HTTP_ORIGIN")
        if origin and origin.partition("://")[2] != request.get_host():
            raise exceptions.PermissionDenied("This form was sent by a page of another site.")
        view.entered = QueryDict(stream.read(), encoding="utf-8").dict()
        method = describe_endpoint(view, request.path).method(str(request.method))
        if method is None:
            return {}
        filled = fill(method, view.entered)
        for name, value in filled.headers.items():
            request.META["HTTP_" + name.upper().replace("-", "_")] = value
        return super().parse(BytesIO(filled.body), self.media_type, parser_context)


class Negotiation(BaseContentNegotiation):
    """Give browsers a page and everybody else JSON; nobody gets 406, only a page sends forms."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """Return the parser for the content type; None (415) when there is none."""
        media_type = _media_type(request)
        found = next((parser for parser in parsers if parser.media_type == media_type), None)
        return None if isinstance(found, FormParser) and not _wants_page(request) else found

    def select_renderer(  # type: ignore[override]
        self,
        request: Request,
        renderers: Sequence[Any],
        format_suffix: str | None = None,
    ) -> tuple[Any, str]:
        """Return the renderer: the page only for who names text/html."""
        renderer = renderers[1 if _wants_page(request) else 0]
        return renderer, renderer.media_type


def _media_type(request: Request) -> str:
    return (request.content_type or "").partition(";")[0].strip().lower()


def _wants_page(request: Request) -> bool:
    return "text/html" in request.META.get("HTTP_ACCEPT", "")


class TooLarge(exceptions.APIException):
    """The body is longer than this endpoint takes."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class LengthRequired(exceptions.APIException):
    """The body comes in pieces (chunked), so nobody knows how long it is."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send a Content-Length; a chunked body is not read."


class Endpoint(APIView):
    """A view whose errors have the seed's shape; its docstring is shown on its page."""

    parser_classes = [JsonParser, FormParser]
    renderer_classes = [JsonRenderer, PageRenderer]
    content_negotiation_class = Negotiation
    body_bytes_max: ClassVar[int] = PUBLIC_BODY_BYTES_MAX
    body_type: ClassVar[Any] = None
    query: ClassVar[msgspec.Struct | None] = None
    """A valid example of what a GET asks for; the form on the page is made of it."""
    example: ClassVar[msgspec.Struct | None] = None
    """The same of the body of a POST."""
    headers_asked: ClassVar[tuple[FieldBody, ...]] = ()
    """What the form of a POST asks for besides."""
    changing: ClassVar[frozenset[str]] = frozenset({"POST"})
    """The methods after which something is different."""
    audience: ClassVar[str] = "Anybody; no signature is asked for."
    takes_signatures: ClassVar[bool] = False
    entered: Mapping[str, str] = {}
    """What a form of the page was filled in with."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a body that is long, or of no known length, before anything reads it."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if "HTTP_TRANSFER_ENCODING" in request.META and length == "0":
            raise LengthRequired  # WSGI would read nothing, and the request would seem empty
        if not _is_digits(length):
            raise exceptions.ParseError("Content-Length: this is not a number of bytes.")
        if int(length) > self.body_bytes_max:
            raise TooLarge(f"The body is longer than {self.body_bytes_max} bytes.")
        super().initial(request, *args, **kwargs)
        if _media_type(request) == FormParser.media_type and _wants_page(request):
            _ = request.data  # a form has headers in it: they count from here on

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Say how long the answer is: without it servers send it in pieces."""
        response.add_post_render_callback(_measure)
        return super().finalize_response(request, response, *args, **kwargs)

    def way_in(self, path: str) -> str | None:
        """Return where a browser that is refused can get in; None when there is no other door."""
        return None

    def shape_failure(self, code: int, message: str) -> dict[str, Any]:
        """Return the body of an error."""
        return {"error": {"code": code, "message": message}}

    def failure_headers(self) -> dict[str, str]:
        """Return headers that every error of this request carries."""
        return {}


def _measure(response: Any) -> None:
    response.headers["Content-Length"] = str(len(response.content))


class MemberEndpoint(Endpoint):
    """A view for cluster members only."""

    body_bytes_max = MEMBER_BODY_BYTES_MAX
    authentication_classes = [MemberAuthentication]
    permission_classes = [IsMember]
    takes_signatures = True
    audience = "Members of the cluster, who sign each request, and staff at the dashboard."

    def way_in(self, path: str) -> str:
        """Return this view's page at the dashboard, which signs for who is signed in as staff."""
        node = settings.BAZAAR_TOPOLOGY.dashboard
        host = f"[{node.host}]" if ":" in node.host else node.host
        is_control = getattr(self.request, "urlconf", None) == settings.BAZAAR_CONTROL_URLCONF
        listener = "control" if is_control else "served"
        return f"http://{host}:{node.port}/api/{process_name()}/{listener}{path}"


def answer_failure(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the answer for what a view raised; None (a 500) for our own mistakes."""
    code, message, headers = describe(error)
    if code is None:
        return None
    set_rollback()
    view: Endpoint = context["view"]
    headers.update(view.failure_headers())
    return Response(view.shape_failure(code, message), status=code, headers=headers)


def describe(error: Exception) -> tuple[int | None, str, dict[str, str]]:
    """Return status, message and headers of an error."""
    if isinstance(error, Failure):
        if isinstance(error, _REFUSALS):
            events.emit_refusal(log, errors.kind_of(error))
        return errors.status_of(error), error.message, errors.headers_of(error)
    if isinstance(error, DatabaseError):
        log.error("database failed reason=%s", error)
        headers = {"Bazaar-Definite": "false", "Retry-After": str(errors.RETRY_AFTER_S)}
        return status.HTTP_503_SERVICE_UNAVAILABLE, f"The database failed: {error}", headers
    headers = {"Bazaar-Definite": "true"}
    if isinstance(error, exceptions.APIException):
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        return error.status_code, _words(error.detail), headers
    for kind, code, message in _DJANGO_ERRORS:
        if isinstance(error, kind):
            return code, str(error) or message, headers
    return None, "", {}


_DJANGO_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (Http404, 404, "There is nothing here."),
    (PermissionDenied, 403, "This is not allowed."),
    (BadRequest, 400, "The request is malformed."),
    (SuspiciousOperation, 400, "The request is malformed."),
)


def _words(detail: Any) -> str:
    """Return DRF's error details as one sentence after another, each with its field."""
    if isinstance(detail, Mapping):
        return " ".join(
            text if field == "non_field_errors" else f"{field}: {text}"
            for field, text in ((field, _words(inner)) for field, inner in detail.items())
        )
    if isinstance(detail, list | tuple):
        return " ".join(_words(inner) for inner in detail)
    return str(detail)


def read_param(request: Request, name: str) -> str:
    """Return a query parameter that must be there exactly once. Raises ParseError (400)."""
    values = request.query_params.getlist(name)
    if not values:
        raise exceptions.ParseError(f"{name}: this query parameter is required.")
    if len(values) > 1:
        raise exceptions.ParseError(f"{name}: this query parameter is given {len(values)} times.")
    return str(values[0])


def read_number(request: Request, name: str, minimum: int = 0) -> int:
    """Return a whole number from the query, minimum..2**63-1. Raises ParseError (400)."""
    return check_number(name, read_param(request, name), minimum)


def check_number(name: str, text: str, minimum: int = 0) -> int:
    """Return the whole number in a text, minimum..2**63-1. Raises ParseError (400)."""
    if not _is_digits(text) or not minimum <= int(text) <= ORDER_NO_MAX:
        raise exceptions.ParseError(
            f"{name}: {text[:40]!r} is not a whole number from {minimum} to {ORDER_NO_MAX}."
        )
    return int(text)


def _is_digits(text: str) -> bool:
    """Tell whether a text is a plain decimal number that is not absurdly long."""
    return text.isascii() and text.isdigit() and len(text) <= _NUMBER_CHARS_MAX


def read_stock_name(request: Request) -> str:
    """Return the stock's name from the query, as given. Raises ParseError (400)."""
    return check_stock_name(read_param(request, "stock_name"))


def check_stock_name(name: str) -> str:
    """Return a name that a stock can have. Raises ParseError (400)."""
    return _check_text("stock_name", "a name", name)


def read_text(request: Request, name: str) -> str:
    """Return a text that may stand in a stock's name, from the query. Raises ParseError (400)."""
    return _check_text(name, "it", read_param(request, name))


def _check_text(field: str, what: str, text: str) -> str:
    if not text.strip():
        raise exceptions.ParseError(f"{field}: this may not be empty.")
    if len(text) > STOCK_NAME_CHARS_MAX:
        raise exceptions.ParseError(
            f"{field}: {what} has at most {STOCK_NAME_CHARS_MAX} characters, not {len(text)}."
        )
    if "\0" in text:
        raise exceptions.ParseError(f"{field}: {what} contains no null character.")
    return text


def read_body(request: Request, kind: type[T]) -> T:
    """Return the checked body of a view with a `body_type`. Raises ParseError (400)."""
    body = request.data
    if not isinstance(body, kind):
        raise exceptions.ParseError("A JSON object is required as the body.")
    return body


def answer_unknown_path(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a path that no role serves, in JSON (handler404)."""
    body = {"error": {"code": HTTPStatus.NOT_FOUND, "message": f"There is no {request.path} here."}}
    return JsonResponse(body, status=HTTPStatus.NOT_FOUND, headers={"Bazaar-Definite": "true"})


def answer_mistake(request: HttpRequest) -> JsonResponse:
    """Answer our own mistake, in JSON (handler500); it may have had an effect."""
    code, message, headers = MISTAKE
    return JsonResponse({"error": {"code": code, "message": message}}, status=code, headers=headers)
