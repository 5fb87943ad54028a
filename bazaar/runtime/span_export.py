"""
Spans for a trace viewer: OTLP over HTTP, with OpenTelemetry (docs/adr/0041).

The only module that imports OpenTelemetry, which is an extra: `bazaar.wsgi` imports it when
`BAZAAR_OTLP_ENDPOINT` is set. A thread of its own converts and sends; whoever ends a span only puts
it into a bounded queue (I10). Spans that cannot be sent are lost, and counted.
"""

import logging
import threading
from collections import deque
from urllib.parse import urlsplit

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bazaar.protocol.tracing import Span, TraceContext
from bazaar.runtime.log_lines import get_log
from bazaar.topology import process_name

log = get_log("bazaar.runtime.span_export")

EXPORT_INTERVAL_S = 1.0
SPANS_WAITING_MAX = 8192
"""Spans that wait to be sent; past it the oldest are lost."""
SPANS_A_MESSAGE = 512
TIMEOUT_S = 2.0
"""For one message to the collector."""
CLOSE_S = 1.0
"""How long the end of the process waits for the last message."""
PATH = "/v1/traces"
"""Where collectors take spans, if the endpoint has no path."""
_NANOSECONDS = 1_000_000_000


class SpanExport:
    """Sends the spans of this process to a collector; see `SpanSubscriber`."""

    def __init__(self, endpoint: str) -> None:
        """
        Begin; the thread ends with the process, or with `close`.

        endpoint: a URL; without a path it gets the usual one.
        """
        url = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + PATH
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # this says it once, below
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S)
        self._resource = _describe_process()
        self._waiting: deque[Span] = deque(maxlen=SPANS_WAITING_MAX)
        self._lost = 0
        self._is_failing = self._is_closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="span export", daemon=True)
        self._thread.start()

    def take(self, span: Span) -> None:
        """Have an ended span sent soon, if its trace is sampled."""
        if span.context.is_sampled:
            self._lost += len(self._waiting) == SPANS_WAITING_MAX
            self._waiting.append(span)

    def close(self) -> None:
        """Send what waits, for a moment at most."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(CLOSE_S)

    def _repeat(self) -> None:
        while not self._is_closing:
            self._wake.wait(EXPORT_INTERVAL_S)
            while self._waiting:
                self._send()

    def _send(self) -> None:
        """Send one message; say once that spans are lost, and once that it works again."""
        count = min(len(self._waiting), SPANS_A_MESSAGE)
        spans = [self._waiting.popleft() for _ in range(count)]
        try:
            result = self._exporter.export([self._convert(span) for span in spans])
            is_sent = result is SpanExportResult.SUCCESS
        except Exception:
            log.exception("span export broke")
            is_sent = False
        if not is_sent:
            self._lost += count
            if not self._is_failing:
                log.warning("spans are lost", lost=self._lost)
        elif self._is_failing or self._lost:
            log.warning("spans are sent again", lost=self._lost)
            self._lost = 0
        self._is_failing = not is_sent

    def _convert(self, span: Span) -> ReadableSpan:
        context = span.context
        parent = (
            _pack(context, span.parent_id, is_remote=span.is_server) if span.parent_id else None
        )
        attributes = {f"bazaar.{name}": value for name, value in span.attributes.items()}
        return ReadableSpan(
            name=span.name,
            context=_pack(context, context.span_id),
            parent=parent,
            resource=self._resource,
            attributes={"bazaar.request_id": context.request_id, **attributes},
            links=[Link(_pack(link, link.span_id, is_remote=True)) for link in span.links],
            kind=SpanKind.SERVER if span.is_server else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
            start_time=int(span.began_s * _NANOSECONDS),
            end_time=int(span.ended_s * _NANOSECONDS),
        )


def _describe_process() -> Resource:
    role, node = settings.BAZAAR_ROLE, settings.BAZAAR_NODE
    name = process_name(role, node.id)
    return Resource({"service.name": f"bazaar-{role}", "service.instance.id": name})


def _pack(context: TraceContext, span_id: str, *, is_remote: bool = False) -> SpanContext:
    flags = TraceFlags(int(context.flags, 16))
    trace_id = int(context.trace_id, 16)
    return SpanContext(trace_id, int(span_id, 16), is_remote=is_remote, trace_flags=flags)
