"""
The router: answers the requests of programs before Django is asked.

From its head alone (`admit`): host, origin, signature, and how long the body may be. Once all of it
is there: method, decoding, the handler, encoding. Whatever fails on the way becomes the endpoint's
own kind of error. Browsers and unknown paths go on to Django, where the same endpoints are shown by
`view`.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import close_old_connections

from bazaar.clock import monotonic_s
from bazaar.core.failures import Busy, Failure
from bazaar.protocol import tracing
from bazaar.protocol.codec import encode
from bazaar.protocol.tracing import Span
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import operations
from bazaar.web import client_auth
from bazaar.web.decoding import (
    EndpointRefusedError,
    check_length,
    decode_message,
    make_reader,
    read_body,
    tame_content_type,
)
from bazaar.web.dispatch import Admission, HeadRefusedError, WholeAnswer
from bazaar.web.endpoint import (
    ANSWER_HEADERS,
    CLIENT_NAME,
    JSON,
    SIGNED_DIGEST,
    Audience,
    Endpoint,
    EndpointMethod,
    Environ,
    Lane,
    ReadyAnswer,
    get,
)
from bazaar.web.errors import MISTAKE, describe
from bazaar.web.member_auth import check_body, check_head, check_member
from bazaar.web.negotiation import prefers_page
from bazaar.web.origin import HostCheck, check_sender
from bazaar.web.request_span import end_span, id_headers, span_of
from bazaar.web.wsgi_environ import UNSTORED

log = get_log("bazaar.web")

StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]
COUNTED = ("GET", "POST")
"""Methods that have a meter for each path; all others share one."""
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """What came of a request, before it is encoded."""

    status: int
    content: Any
    """A message or a dict."""
    headers: dict[str, str]
    content_type: str = JSON


class Route:
    """One method of one path: how its requests are answered, and what counts them."""

    def __init__(self, endpoint: Endpoint, method: str) -> None:
        """Take the method as it was sent; the endpoint need not have it."""
        self.endpoint, self.action = endpoint, endpoint.action(method)
        self.meter = operations.meter(f"{method} {endpoint.path}" if method in COUNTED else "other")
        self._is_for_members, self._bytes_max = endpoint.is_for_members, endpoint.body_bytes_max
        self._is_for_clients = endpoint.audience is Audience.PUBLIC
        self._read_query = make_reader(endpoint, self.action)
        self._call = self.action.call if self.action else None
        self.is_public_change = (  # so no page of another site may send it
            not endpoint.is_for_members and self.action is not None and self.action.changes
        )
        self._gate = client_auth.gate()
        self._is_open = not (self.is_public_change or self._gate.counts_addresses)
        self._headers: Headers = [UNSTORED]
        if not endpoint.is_for_members:
            self._headers += [("Vary", "Accept"), ("Allow", endpoint.allow)]

    def span_of(self, environ: Environ) -> Span:
        """Return the span of a request; it is begun now if it has none."""
        return span_of(environ, self.meter.name, is_public=self._is_for_clients)

    def perform(self, environ: Environ) -> ReadyAnswer | PlainAnswer:
        """Do what a request asks for; never raises."""
        with tracing.bind(self.span_of(environ)):
            return self._perform(environ)

    def _perform(self, environ: Environ) -> ReadyAnswer | PlainAnswer:
        action = self.action
        try:
            body = self._read_body(environ)
            if action is None or self._call is None:
                return self._answer_without_action(environ)
            answer = self._call(self._read_message(action, body, environ), environ)
        except Exception as error:  # noqa: BLE001 - nobody else would answer
            return self.explain(error, environ)
        if isinstance(answer, tuple):
            return answer
        return PlainAnswer(HTTPStatus.OK, answer, environ.get(ANSWER_HEADERS) or {})

    def _read_body(self, environ: Environ) -> bytes:
        """Return the body of a caller who may send it. Raises EndpointRefusedError, Failure."""
        self._check_client(environ)
        body = b""
        if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
            body = read_body(environ, self._bytes_max)
        if self._is_for_members:
            self._check_member(environ, body)
        return body

    def _read_message(self, action: EndpointMethod, body: bytes, environ: Environ) -> Any:
        """Return the decoded query or body. Raises EndpointRefusedError."""
        if self._read_query is not None:
            return self._read_query(environ)
        return decode_message(action, body, environ)

    @property
    def admission(self) -> Admission:
        """How requests of programs are served."""
        action = self.action
        if action is None:
            return Admission(body_bytes_max=self._bytes_max)
        answer_now: Callable[[Environ], WholeAnswer | None] | None = None
        if action.is_instant:
            answer_now = self._answer_instantly
        elif action.ready is not None:
            answer_now = self._answer_when_ready
        later = None if action.later is None else self._answer_later
        return Admission(action.lane, self._bytes_max, answer_now, self._refuse_busy, later)

    @property
    def page_admission(self) -> Admission:
        """How requests of browsers are served: Django needs a thread."""
        lane = self.action.lane if self.action else Lane.LOCAL
        return Admission(lane, self._bytes_max, None, self._refuse_busy)

    def _answer_instantly(self, environ: Environ) -> WholeAnswer:
        """Answer without waiting."""
        began_s = monotonic_s()
        return self.finish(self.perform(environ), began_s, environ)

    def _answer_when_ready(self, environ: Environ) -> WholeAnswer | None:
        """Answer from memory; None: not without waiting."""
        began_s = monotonic_s()
        assert self.action is not None, "only an action is ready"
        assert self.action.ready is not None, "only an action with a ready answer is asked"
        assert self._read_query is not None, "only queries are answered from memory"
        try:
            self._check_client(environ)
            answer = self.action.ready(self._read_query(environ), environ)
        except Exception as error:  # noqa: BLE001 - nobody else would answer
            with tracing.bind(self.span_of(environ)):
                return self.finish(self.explain(error, environ), began_s, environ)
        return answer and self.finish(answer, began_s, environ)

    def _answer_later(self, environ: Environ, done: Callable[[WholeAnswer], None]) -> None:
        """Begin a request whose answer `done` gets, now or from another thread."""
        began_s = monotonic_s()
        assert self.action is not None, "only an action is begun"
        assert self.action.later is not None, "only what can be begun is"
        span = self.span_of(environ)

        def take(answer: ReadyAnswer | PlainAnswer | Exception) -> None:
            if isinstance(answer, Exception):
                with tracing.bind(span):
                    answer = self.explain(answer, environ)
            done(self.finish(answer, began_s, environ))

        with tracing.bind(span):
            try:
                body = self._read_body(environ)
                self.action.later(self._read_message(self.action, body, environ), environ, take)
            except Exception as error:  # noqa: BLE001 - nobody else would answer
                take(error)

    def _refuse_busy(self, environ: Environ, body: bytes) -> WholeAnswer:
        """Refuse a request for which no thread is free; a trade is told its key."""
        error: Exception = Busy()
        with tracing.bind(self.span_of(environ)):
            try:
                if self.action is not None:
                    decode_message(self.action, body, environ)
            except EndpointRefusedError as refused:
                error = refused
            return self.encode(self.explain(error, environ))

    def finish(
        self, answer: ReadyAnswer | PlainAnswer, began_s: float, environ: Environ
    ) -> WholeAnswer:
        """Encode an answer, count it, and end the span of its request."""
        if isinstance(answer, tuple):
            status, headers, body, count = answer
            (count or self.meter.add)(monotonic_s() - began_s)
            end_span(environ, int(status[:3]))
            return status, headers, body
        self.meter.add(monotonic_s() - began_s, answer.status)
        end_span(environ, answer.status)
        return self.encode(answer)

    def refuse_head(self, environ: Environ) -> None:
        """Raise HeadRefusedError for a request whose body need not be read."""
        try:
            if self._is_for_members:
                environ[SIGNED_DIGEST] = check_head(environ)
            self._check_client(environ)
            check_length(environ, self._bytes_max)
        except (EndpointRefusedError, Failure) as refused:
            raise self.refusal(refused, environ) from refused

    def refusal(
        self, refused: EndpointRefusedError | Failure, environ: Environ
    ) -> HeadRefusedError:
        """Return the refusal of a request by its head."""
        with tracing.bind(self.span_of(environ)):
            status, headers, body = self.encode(self.explain(refused, environ))
        return HeadRefusedError((status, [*headers, *id_headers(environ)], body))

    def _check_client(self, environ: Environ) -> None:
        """Find out which client calls, once a request. Raises Failure (definite)."""
        if self._is_open and "HTTP_AUTHORIZATION" not in environ:
            return  # nearly all
        if not self._is_for_clients or CLIENT_NAME in environ:
            return
        try:
            environ[CLIENT_NAME] = self._gate.check(environ, is_trade=self.is_public_change)
        except Failure:
            if self.is_public_change and self.action is not None and self.action.read is not None:
                with suppress(EndpointRefusedError):
                    self.action.read(b"", environ)  # it has no body yet, but its key is told
            raise

    @staticmethod
    def _check_member(environ: Environ, body: bytes) -> None:
        """Check the signature, or only the body when the head was checked as it came."""
        if SIGNED_DIGEST in environ:
            check_body(environ[SIGNED_DIGEST], body)
        else:
            check_member(environ, body)

    def explain(self, error: Exception, environ: Environ) -> PlainAnswer:
        """Return the answer to an error, in the shape that the endpoint has for it."""
        described = describe(error)
        if described is None:
            log.error("call failed", exc_info=error)
        if not isinstance(error, Failure | EndpointRefusedError):
            close_old_connections()
        action = self.action or self.endpoint.actions[0]
        restated = action.restate(described or MISTAKE)
        headers = {**restated.headers, **(environ.get(ANSWER_HEADERS) or {})}
        content = action.shape_failure(restated, environ)
        return PlainAnswer(restated.code, content, headers, action.error_type)

    def encode(self, outcome: PlainAnswer) -> tuple[str, Headers, bytes]:
        """Return status line, headers and body of an answer."""
        body = encode(outcome.content)
        kind, length = ("Content-Type", outcome.content_type), ("Content-Length", str(len(body)))
        headers = [kind, *self._headers, *outcome.headers.items(), length]
        return _STATUS_LINES[outcome.status], headers, body

    def _answer_without_action(self, environ: Environ) -> PlainAnswer:
        """Answer OPTIONS; refuse any other method that the endpoint does not have."""
        headers = {"Allow": self.endpoint.allow} if self.endpoint.is_for_members else {}
        if environ["REQUEST_METHOD"].upper() == "OPTIONS":
            return PlainAnswer(HTTPStatus.OK, self.endpoint.describe(), headers)
        message = f'Method "{environ["REQUEST_METHOD"][:80]}" not allowed.'
        raise EndpointRefusedError(HTTPStatus.METHOD_NOT_ALLOWED, message, headers)


class Router:
    """A WSGI application that answers programs itself and passes everything else on."""

    def __init__(self, application: Application, endpoints: Iterable[Endpoint]) -> None:
        """application: Django, with the same endpoints. endpoints: those of one listener."""
        self._application = application
        self._endpoints = {one.path: one for one in endpoints}
        with_parameter = [one for one in self._endpoints.values() if one.parameter]
        self._with_parameter = sorted(with_parameter, key=Endpoint.rank)
        self._routes = {
            (method, path): Route(one, method)
            for path, one in self._endpoints.items()
            for method in COUNTED
        }
        self._other = operations.meter("other")
        self._admissions = {route: route.admission for route in self._routes.values()}
        self._page_admissions = {route: route.page_admission for route in self._routes.values()}
        self._passed_on = Admission()
        self._hosts = HostCheck(settings.ALLOWED_HOSTS)
        self._unknown = Route(Endpoint("", get(dict), audience=Audience.PUBLIC), "GET")

    def admit(self, environ: Environ, *, has_body: bool) -> Admission:
        """
        Return how a request is served, from its head alone.

        Raises HeadRefusedError: for another host, from another site, not signed as it must be, or
        of a client that may not send it.
        """
        route = self._routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        route = route or self._find(environ)
        self._check_origin(environ, route)
        if route is None:
            return self._passed_on
        if has_body:
            route.refuse_head(environ)
        if prefers_page(environ.get("HTTP_ACCEPT", "")):
            return self._page_admissions.get(route) or route.page_admission
        return self._admissions.get(route) or route.admission

    def _check_origin(self, environ: Environ, route: Route | None) -> None:
        try:
            self._hosts.check(environ)
            if route is not None and route.is_public_change:
                check_sender(environ)
        except EndpointRefusedError as refused:
            raise (route or self._unknown).refusal(refused, environ) from refused

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, and count it."""
        began_s = monotonic_s()
        route = self._routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if route is None:
            route = self._find(environ)
        if route is None or prefers_page(environ.get("HTTP_ACCEPT", "")):
            return self._pass_on(environ, start_response, route, began_s)
        answer = route.perform(environ)
        status, headers, body = route.finish(answer, began_s, environ)
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _find(self, environ: Environ) -> Route | None:
        """
        Return the route of another request than the usual.

        It has a parameter in its path, a slash at the end, or another method.
        """
        path = environ["PATH_INFO"]
        bare = path.removesuffix("/")
        endpoint = self._endpoints.get(path) or (self._endpoints.get(bare) if bare != "/" else None)
        endpoint = endpoint or next((one for one in self._with_parameter if one.takes(path)), None)
        method = environ["REQUEST_METHOD"].upper()
        if endpoint is None:
            return None
        return self._routes.get((method, endpoint.path)) or Route(endpoint, method)

    def _pass_on(
        self, environ: Environ, start_response: StartResponse, route: Route | None, began_s: float
    ) -> Iterable[bytes]:
        """Have Django answer, and count what it says."""
        meter = self._other if route is None else route.meter
        code = int(HTTPStatus.INTERNAL_SERVER_ERROR)

        def begin(status: str, headers: Headers, *rest: Any) -> Any:
            nonlocal code
            code = int(status[:3])
            if not any(name.lower() == "cache-control" for name, _ in headers):
                headers = [*headers, UNSTORED]
            return start_response(status, headers, *rest)

        tame_content_type(environ)
        try:
            with tracing.bind(span_of(environ, meter.name)):
                return self._application(environ, begin)
        finally:
            meter.add(monotonic_s() - began_s, code)
            end_span(environ, code)
