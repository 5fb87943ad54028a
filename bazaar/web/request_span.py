"""
The span of a request over HTTP, and the ids that its answer returns.

See docs/adr/0041. A request whose answer is in memory has none: all it gets is a request id of its
own.
"""

from http import HTTPStatus

from bazaar.clock import monotonic_s
from bazaar.protocol import tracing
from bazaar.protocol.tracing import Span
from bazaar.runtime.metrics import BEGAN
from bazaar.web.endpoint import Environ

_MISTAKE = int(HTTPStatus.INTERNAL_SERVER_ERROR)
SPAN = "bazaar.span"
"""Where a request carries its span, once it has one."""
TRACEPARENT, REQUEST_ID = "HTTP_TRACEPARENT", "HTTP_X_REQUEST_ID"
"""Where a request carries the ids that it was sent with."""


def span_of(environ: Environ, name: str = "", *, is_public: bool = False) -> Span:
    """
    Return the span of a request; it begins with the first call.

    name: method and path. is_public: one of a member is recorded only when it belongs to a trace.
    """
    span: Span | None = environ.get(SPAN)
    if span is None:
        asked = tracing.read_headers(environ.get(TRACEPARENT), environ.get(REQUEST_ID))
        is_recorded = is_public or TRACEPARENT in environ
        span = environ[SPAN] = Span(name, asked, is_server=True, is_recorded=is_recorded)
        if (began_s := environ.get(BEGAN)) is not None:
            span.began_s -= monotonic_s() - began_s
    return span


def id_headers(environ: Environ) -> list[tuple[str, str]]:
    """
    Return the headers of an answer that name its request.

    A made request id is the trace id; whoever sent a trace context gets that of our span.
    """
    context = span_of(environ).context
    headers = [("X-Request-ID", context.request_id)]
    if TRACEPARENT in environ:
        headers.append(("traceparent", context.traceparent))
    return headers


def id_lines(environ: Environ) -> str:
    """
    Return the same as lines of a head, each with its end.

    A request that was answered from memory has no span.
    """
    is_traced, span = TRACEPARENT in environ, environ.get(SPAN)
    if span is not None and not is_traced:
        return f"X-Request-ID: {span.context.request_id}\r\n"
    if is_traced:
        return "".join([f"{name}: {value}\r\n" for name, value in id_headers(environ)])
    request_id = environ.get(REQUEST_ID)
    if request_id is None or not tracing.is_request_id(request_id):
        request_id = tracing.make_request_id()
    return f"X-Request-ID: {request_id}\r\n"


def end_span(environ: Environ, status: int) -> None:
    """End the span of a request that is answered, if it has one."""
    span: Span | None = environ.get(SPAN)
    if span is not None:
        span.attributes["status"] = status
        span.end(f"status {status}" if status >= _MISTAKE else None)
