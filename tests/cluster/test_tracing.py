"""A trade followed through every process, in JSON log lines and a collector; trades in vain."""

import http.client
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cluster.conftest import LiveCluster
from tests.cluster.proof import assert_proof
from tests.cluster.requests import buy, query
from tests.cluster.test_disks import failing
from tests.cluster.test_trace import follow, of_kind
from tests.support.otlp import OtlpReceiver, ReceivedSpan, receive_spans
from tests.support.waits import in_thread, wait_until

pytestmark = pytest.mark.cluster

TIMEOUT_S = 30.0
DEADLINE_S = "4"
"""A trade that finds no replica is answered after it."""
TRADES, CLIENTS = 60, 16
MARK = "mark-of-a-caller"
"""What must be in no log."""
PARENT_SPAN = "b7ad6b7169203331"
OF_EACH_LINE = {"time", "level", "event", "role"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with receive_spans() as running:
        yield running


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path, receiver: OtlpReceiver
) -> Iterator[LiveCluster]:
    """Return a cluster that writes JSON and exports spans."""
    folder = tmp_path_factory.mktemp("traced")
    shutil.copytree(prepared / "data", folder / "data")
    environ = {
        **os.environ,
        "BAZAAR_LOG": "json",
        "BAZAAR_OTLP_ENDPOINT": receiver.url,
        "BAZAAR_DEADLINE_S": DEADLINE_S,
    }
    made = LiveCluster(folder, environ=environ)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def traced(shared: LiveCluster) -> LiveCluster:
    """Return the same cluster, healthy."""
    shared.heal()
    return shared


def trade(cluster: LiveCluster, trace_id: str, **headers: str) -> tuple[int, dict[str, str]]:
    """Buy one share within a trace; return the status and the headers of the answer."""
    connection = http.client.HTTPConnection(
        *cluster.topology.front_ends[0].address, timeout=TIMEOUT_S
    )
    body = json.dumps({"stock_name": "GameStart", "trade_type": "buy", "quantity": 1})
    sent = {
        "Content-Type": "application/json",
        "traceparent": f"00-{trace_id}-{PARENT_SPAN}-01",
        **headers,
    }
    try:
        connection.request("POST", "/orders", body, sent)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}
    finally:
        connection.close()


def await_spans(receiver: OtlpReceiver, trace_id: str, count: int) -> dict[str, list[ReceivedSpan]]:
    """Wait for the spans of a trace; return them by name."""
    wait_until(lambda: len(receiver.of_trace(trace_id)) >= count)
    found: dict[str, list[ReceivedSpan]] = {}
    for span in receiver.of_trace(trace_id):
        found.setdefault(span.name, []).append(span)
    return found


def read_lines(cluster: LiveCluster) -> Iterator[dict[str, Any]]:
    """Yield every log line of every process. Raises ValueError: one is no JSON."""
    for name, _ in cluster.topology.nodes():
        for line in cluster.data.log_path(name).read_text().splitlines():
            yield json.loads(line)


def test_one_trade_is_one_trace_through_every_process(
    traced: LiveCluster, receiver: OtlpReceiver
) -> None:
    trace_id, key = uuid4().hex, str(uuid4())
    status, headers = trade(traced, trace_id, **{"X-Request-ID": "mine", "Idempotency-Key": key})
    assert status == 200
    assert headers["x-request-id"] == "mine"
    assert headers["traceparent"].startswith(f"00-{trace_id}-")
    spans = await_spans(receiver, trace_id, 12)
    (request,), (forward,) = spans["POST /orders"], spans["forward trades"]
    (attempt,), (ask,) = spans["send trades"], spans["send batch"]
    (place,), (decide,) = spans["place trades"], spans["decide trades"]
    (trades,), (batch,) = spans["POST /trades"], spans["POST /batch"]
    leader = traced.leader()
    assert (request.process, request.parent_id) == ("frontend-1", PARENT_SPAN)
    assert headers["traceparent"].split("-")[2] == request.span_id
    assert (forward.process, forward.parent_id) == ("frontend-1", request.span_id)
    assert (attempt.process, attempt.parent_id) == ("frontend-1", forward.span_id)
    assert (trades.process, trades.parent_id) == (leader, attempt.span_id)
    assert (place.process, place.parent_id) == (leader, trades.span_id)
    assert (ask.process, ask.parent_id) == (leader, place.span_id)
    assert (batch.process, batch.parent_id) == ("catalog", ask.span_id)
    assert (decide.process, decide.parent_id) == ("catalog", batch.span_id)
    appends = {span.attributes["bazaar.replica"]: span for span in spans["append"]}
    followers = {view.node.id for view in traced.look().replicas if view.name != leader}
    assert set(appends) == followers
    stored = {span.process: span.parent_id for span in spans["POST /sync"]}
    assert stored == {f"order-{number}": appends[number].span_id for number in followers}
    for span in (forward, place, decide):
        assert span.links == ((trace_id, request.span_id),)
        assert (span.attributes["bazaar.key"], span.attributes["bazaar.request_id"]) == (
            key,
            "mine",
        )


def test_a_batch_links_to_every_trade_in_it(traced: LiveCluster, receiver: OtlpReceiver) -> None:
    """Those of many clients travel together; nobody's context is lost on the way."""
    traces = [uuid4().hex for _ in range(TRADES)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        assert {status for status, _ in pool.map(lambda one: trade(traced, one), traces)} == {200}

    def linked(name: str) -> set[str]:
        spans = [span for span in list(receiver.spans) if span.name == name]
        return {trace_id for span in spans for trace_id, _ in span.links}

    for name in ("forward trades", "place trades", "decide trades"):
        wait_until(lambda name=name: linked(name) >= set(traces))  # type: ignore[misc]


def test_a_trade_without_ids_gets_them(traced: LiveCluster, receiver: OtlpReceiver) -> None:
    answer = buy(traced, "GameStart")
    request_id = answer.headers["x-request-id"]
    assert "traceparent" not in answer.headers
    assert "decide trades" in await_spans(receiver, request_id, 12)


def test_with_all_replicas_dead_a_trade_gets_its_key_and_can_be_repeated(
    traced: LiveCluster,
) -> None:
    """I2, I9: queries go on; the 503 names the key, which brings the order and its trace later."""
    for replica in traced.topology.replicas:
        traced.kill(f"order-{replica.id}")
    trace_id, other_key = uuid4().hex, str(uuid4())
    headers = {"X-Request-ID": "in-vain", "Idempotency-Key": other_key}
    other = in_thread(lambda: trade(traced, trace_id, **headers))
    assert query(traced, "GameStart").status == 200
    refused = buy(traced, "GameStart")
    key = refused.headers["idempotency-key"]
    assert (refused.status, refused.body["order_no"]) == (503, -1)
    assert key in refused.body["message"]
    assert int(refused.headers["retry-after"]) >= 1
    failed = follow(traced, f"traces/{key}")
    assert (failed["outcome"], failed["order_no"]) == ("failed, status 503", None)
    assert of_kind(failed, "wait", "waits for another leader")
    assert other.result(TIMEOUT_S)[0] == 503
    check_lines(traced, trace_id, other_key)
    traced.heal()
    placed = buy(traced, "GameStart", key=key)
    assert placed.status == 200
    order_no = placed.body["order_no"]
    check_retried(follow(traced, f"orders/{order_no}/trace"), order_no)
    assert buy(traced, "GameStart", key=key).body == placed.body
    assert_proof(traced)


def check_lines(cluster: LiveCluster, trace_id: str, key: str) -> None:
    """See that every log line is JSON, and that the front end says of which request it gave up."""
    lines: list[dict[str, Any]] = []

    def has_come() -> bool:  # the supervisor writes the line, soon
        lines[:] = read_lines(cluster)
        return any(line.get("request_id") == "in-vain" for line in lines)

    wait_until(has_come, TIMEOUT_S)
    assert all(set(line) >= OF_EACH_LINE and TIME.fullmatch(line["time"]) for line in lines)
    assert {line["role"] for line in lines} >= {"catalog", "order", "frontend"}
    assert {line["level"] for line in lines} <= {"info", "warning", "error", "critical"}
    for line in (line for line in lines if line.get("request_id") == "in-vain"):
        assert (line["trace_id"], line["key"]) == (trace_id, key)


def check_retried(trace: dict[str, Any], order_no: int) -> None:
    """See that a trade's trace has both of its requests, and one decision."""
    assert trace["outcome"] == "placed, status 200 (the last of 2 requests)"
    requests = [one["process"] for one in of_kind(trace, "request")]
    assert requests == ["frontend-1", "frontend-1"]
    assert len(of_kind(trace, "work", f"this one is order {order_no}")) == 1


def test_a_trade_that_nobody_can_store_gets_its_key_and_can_be_repeated(
    traced: LiveCluster,
) -> None:
    """I2, I9: 503 names the key, and the key brings the order once it can be stored."""
    with failing(traced, "catalog"):
        refused = buy(traced, "GameStart")
    key = refused.headers["idempotency-key"]
    assert (refused.status, refused.body["order_no"]) == (503, -1)
    assert "cannot use its database now" in refused.body["message"]
    assert key in refused.body["message"]
    placed = buy(traced, "GameStart", key=key)
    assert placed.status == 200
    assert buy(traced, "GameStart", key=key).body == placed.body
    assert_proof(traced)


def test_no_log_has_what_a_caller_sent(traced: LiveCluster) -> None:
    """Nor the secret: paths, queries, bodies, names and headers of bad requests."""
    head = (
        f"Host: localhost\r\nX-Other: {MARK}\r\nAuthorization: Bazaar {MARK}\r\nCookie: {MARK}\r\n"
    )
    body = json.dumps({"stock_name": MARK, "trade_type": MARK, "quantity": MARK})
    calls = [
        *(f"GET /{path}{MARK}?{MARK}={MARK} HTTP/1.1\r\n{head}\r\n" for path in ("", "stocks?x=")),
        f"POST /orders HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}",
        f"POST /batch HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}",
        f"{MARK} {MARK} HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {MARK}\r\n\r\n",
    ]
    for _, node in traced.topology.nodes():
        for port in {node.port, node.control_port} - {0}:
            for call in calls:
                with socket.create_connection((node.host, port), timeout=TIMEOUT_S) as sock:
                    sock.sendall(call.encode())
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass
    assert any(line["event"] == "refused" for line in read_lines(traced)), "they are counted"
    text = "".join(map(json.dumps, read_lines(traced)))
    assert MARK not in text
    assert traced.secret.decode(errors="replace") not in text
