"""Spans reach a collector as OpenTelemetry has them; without an endpoint nothing of it is there."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest

from bazaar.core.types import Trade, TradeType
from bazaar.protocol.tracing import Span, read_headers
from bazaar.runtime import span_export
from bazaar.runtime.span_export import SPANS_WAITING_MAX, SpanExport
from bazaar.settings import env
from bazaar.settings.env import SettingsError
from tests.support.otlp import OtlpReceiver, receive_spans
from tests.support.waits import wait_until
from tests.support.written import lines_of

TRACE, PARENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{PARENT_SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT_SPAN}-00"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with receive_spans() as running:
        yield running


@pytest.fixture
def export(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpanExport]:
    monkeypatch.setattr(span_export, "EXPORT_INTERVAL_S", 0.02)
    made = SpanExport(receiver.url)
    yield made
    made.close()


def ended(name: str, parent: str = PARENT, error: str | None = None) -> Span:
    span = Span(name, read_headers(parent, "mine"), is_server=True)
    span.attributes.update(key="k", term=3)
    span.end(error)
    return span


def test_a_span_arrives_as_it_was(export: SpanExport, receiver: OtlpReceiver) -> None:
    asked = read_headers(PARENT, None)
    trade = Trade(UUID(int=1), "GameStart", TradeType.BUY, 1, context=PARENT)
    batch = Span("place trades", asked, trades=[trade, trade])
    batch.end()
    request = ended("POST /orders", error="status 503")
    for span in (batch, request):
        export.take(span)
    wait_until(lambda: len(receiver.spans) == 2)
    first, second = receiver.spans
    assert receiver.paths == {"/v1/traces"}
    assert (first.name, first.trace_id, first.parent_id) == ("place trades", TRACE, PARENT_SPAN)
    assert first.span_id == batch.context.span_id
    assert first.links == ((TRACE, PARENT_SPAN),) * 2
    assert (first.is_server, first.has_failed) == (False, False)
    assert (second.is_server, second.has_failed) == (True, True)
    assert second.attributes == {
        "bazaar.request_id": "mine",
        "bazaar.key": "k",
        "bazaar.term": 3,
    }
    assert (second.service, second.process) == ("bazaar-frontend", "frontend-1")
    assert 0 <= second.seconds < 60


def test_what_is_not_sampled_stays_here(export: SpanExport, receiver: OtlpReceiver) -> None:
    export.take(ended("hidden", UNSAMPLED))
    export.take(ended("shown"))
    wait_until(lambda: bool(receiver.spans))
    assert [span.name for span in receiver.spans] == ["shown"]


def test_what_waits_is_sent_at_the_end(receiver: OtlpReceiver) -> None:
    export = SpanExport(f"{receiver.url}/v1/traces")
    export.take(ended("last"))
    export.close()
    assert [span.name for span in receiver.spans] == ["last"]
    assert receiver.paths == {"/v1/traces"}


def test_a_collector_that_fails_is_said_once(
    export: SpanExport, receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bazaar.runtime.span_export")
    receiver.is_refusing = True
    for number in (1, 2):
        export.take(ended("lost"))
        wait_until(lambda number=number: receiver.refused == number)  # type: ignore[misc]
    receiver.is_refusing = False
    export.take(ended("found"))
    wait_until(lambda: bool(receiver.spans))
    wait_until(lambda: len(caplog.records) == 2)
    assert lines_of(caplog.records) == ["spans are lost lost=1", "spans are sent again lost=2"]


def test_waiting_spans_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpanExport, "_send", lambda self: self._wake.wait())
    export = SpanExport("http://127.0.0.1:1")
    for _ in range(SPANS_WAITING_MAX + 10):
        export.take(ended("many"))
    assert (len(export._waiting), export._lost) == (SPANS_WAITING_MAX, 10)
    monkeypatch.setattr(SpanExport, "_send", lambda self: self._waiting.clear())
    export.close()
    assert not export._thread.is_alive()


@pytest.mark.parametrize("wrong", ["127.0.0.1:4318", "ftp://x", "http://", "http://a b", "x"])
def test_a_wrong_endpoint_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="BAZAAR_OTLP_ENDPOINT"):
        env.read_otlp_endpoint({"BAZAAR_OTLP_ENDPOINT": wrong})


def test_without_the_extra_the_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(env, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install '.*\[otel\]'"):
        env.read_otlp_endpoint({"BAZAAR_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    assert env.read_otlp_endpoint({}) == ""


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    """All that a role imports but `bazaar.wsgi`, which starts it, and which imports by name."""
    script = (
        "import sys, django; django.setup();"
        "import bazaar.web.serving, bazaar.web.control, bazaar.urls.frontend, frontend_app.wiring;"
        "import catalog_app.wiring, order_app.wiring, bazaar.urls.catalog, bazaar.urls.order;"
        "print([one for one in sys.modules if one.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"DJANGO_SETTINGS_MODULE": "bazaar.settings.test", "PATH": ""},
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
    assert span_export.__name__ in sys.modules, "the export itself imports it"
