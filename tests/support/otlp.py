"""A small receiver of OTLP over HTTP: it keeps the spans that it gets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it came; ids in hex."""

    process: str
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[tuple[str, str], ...]
    """Trace id and span id of each."""
    attributes: dict[str, Any]
    is_server: bool
    has_failed: bool
    seconds: float


@dataclass(slots=True)
class OtlpReceiver:
    """What has come so far, and where to send it."""

    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    is_refusing: bool = False
    refused: int = 0
    """Messages that were refused."""

    def of_trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Return the spans of a trace."""
        return [span for span in list(self.spans) if span.trace_id == trace_id]


@contextmanager
def receive_spans() -> Iterator[OtlpReceiver]:
    """Run a receiver at a free port of loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.paths.add(self.path)
            is_refused = receiver.is_refusing
            if not is_refused:
                receiver.spans += _read(body)
            receiver.refused += is_refused
            self.send_response(400 if is_refused else 200)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _read(body: bytes) -> list[ReceivedSpan]:
    found = []
    for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _read_attributes(of_process.resource.attributes)
        for scope in of_process.scope_spans:
            found += [_read_span(resource, span) for span in scope.spans]
    return found


def _read_span(resource: dict[str, Any], span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        process=resource["service.instance.id"],
        service=resource["service.name"],
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_read_attributes(span.attributes),
        is_server=span.kind == span.SPAN_KIND_SERVER,
        has_failed=span.status.code == span.status.STATUS_CODE_ERROR,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _read_attributes(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
