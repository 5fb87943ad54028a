"""
The span of a request that came over HTTP, and the ids that its answer returns (docs/adr/0041).

A request whose answer is in memory has none: all it gets is a request id of its own.
"""

from http import HTTPStatus

from bazaar.clock import monotonic_s
from bazaar.protocol import tracing
from bazaar.protocol.tracing import Span
from bazaar.runtime.metrics import BEGAN
from bazaar.web.endpoint import Environ

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
        span.began_s -= monotonic_s() - environ.get(BEGAN, monotonic_s())
    return span


def id_headers(environ: Environ) -> list[tuple[str, str]]:
    """
    Return the headers of an answer that name its request.

    A made request id is the trace id; whoever sent an id gets the whole trace context, too.
    """
    if TRACEPARENT not in environ and REQUEST_ID not in environ:
        return [("X-Request-ID", span_of(environ).context.request_id)]
    context = span_of(environ).context
    return [("X-Request-ID", context.request_id), ("traceparent", context.traceparent)]


def id_lines(environ: Environ) -> str:
    """Return the same as lines of a head, each with its end; quickly for an answer from memory."""
    if TRACEPARENT not in environ and REQUEST_ID not in environ and SPAN not in environ:
        return f"X-Request-ID: {tracing.make_request_id()}\r\n"
    return "".join([f"{name}: {value}\r\n" for name, value in id_headers(environ)])


def end_span(environ: Environ, status: int) -> None:
    """End the span of a request that is answered, if it has one."""
    span: Span | None = environ.get(SPAN)
    if span is not None:
        span.attributes["status"] = status
        span.end(f"status {status}" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None)
