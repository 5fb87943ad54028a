"""Acknowledged orders are read back from a front end, which here says whatever it is told to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bazaar.cluster import exits
from bazaar.cluster.ports import free_ports
from bazaar.loadtest.plan import FrontEndAccess
from bazaar.loadtest.prove import audit
from bazaar.loadtest.readback import UNANSWERED_MAX, read_back
from bazaar.proof.audit_database import AuditDatabase
from bazaar.proof.history_checks import load_history
from bazaar.proof.verdict import AuditNotes, Verdict
from tests.proof.cluster_files import ORDERS, ClusterFiles


class FrontEnd(ThreadingHTTPServer):
    """Shows orders; what `said` has for a number comes before what is right."""

    daemon_threads = True
    request_queue_size = 64  # of connections at once; a client would wait a second for the sixth

    def __init__(self, files: ClusterFiles) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.right: dict[int, dict[str, Any]] = {
            order.order_no: {
                "order_no": order.order_no,
                "stock_name": order.stock_name,
                "trade_type": order.trade_type.value,
                "quantity": order.quantity,
            }
            for order in files.orders
        }
        self.said: dict[int, tuple[int, dict[str, Any], dict[str, str]]] = {}
        self.asked: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FrontEnd

    def do_GET(self) -> None:
        order_no = int(parse_qs(urlsplit(self.path).query)["order_no"][0])
        self.server.asked.append(order_no)
        right = (200, {"data": self.server.right.get(order_no)}, dict[str, str]())
        status, body, headers = self.server.said.get(order_no, right)
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def front_end(files: ClusterFiles) -> Iterator[FrontEnd]:
    with FrontEnd(files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def judge(files: ClusterFiles, *urls: str) -> Verdict:
    access = FrontEndAccess(urls=urls)
    return audit(files.records(), data=files.data, is_offline=True, access=access)


def failure(status: int, name: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    headers = {"Bazaar-Failure": name, "Bazaar-Definite": "true"}
    return status, {"error": {"code": status, "message": name}}, headers


def test_every_acknowledged_order_is_read_back_once(
    files: ClusterFiles, front_end: FrontEnd
) -> None:
    verdict = judge(files, front_end.url)
    assert (verdict.sentences, verdict.gaps) == ((), ())
    assert verdict.counts["orders read back"] == ORDERS
    assert sorted(front_end.asked) == list(range(1, ORDERS + 1))


def test_an_order_that_is_not_shown_any_more_is_lost(
    files: ClusterFiles, front_end: FrontEnd
) -> None:
    """I3, though every database has it."""
    front_end.said[17] = failure(404, "unknown_order")
    (finding,) = judge(files, front_end.url).findings
    assert (finding.invariant, finding.where, finding.order_no) == ("I3", "front end", 17)
    assert "acknowledged to client 1, is not shown any more (status 404)" in finding.message


def test_an_order_that_is_shown_otherwise_is_named(
    files: ClusterFiles, front_end: FrontEnd
) -> None:
    wrong = {**front_end.right[17], "quantity": 99}
    front_end.said[17] = (200, {"data": wrong}, {})
    front_end.said[18] = (200, {"data": front_end.right[19]}, {})
    first, second = judge(files, front_end.url).findings
    assert first.order_no == 17
    assert f"is shown as {wrong['trade_type']} 99 {wrong['stock_name']} now" in first.message
    assert (second.order_no, second.invariant) == (18, "I3")


def test_a_front_end_that_answers_nonsense_is_named(
    files: ClusterFiles, front_end: FrontEnd
) -> None:
    front_end.said[18] = (200, {"data": []}, {})
    (finding,) = judge(files, front_end.url).findings
    assert (finding.invariant, finding.order_no) == ("I3", 18)


def test_orders_that_nobody_tells_of_are_a_gap_and_asked_for_in_vain_a_few_times(
    files: ClusterFiles, front_end: FrontEnd
) -> None:
    for number in range(1, ORDERS + 1):
        front_end.said[number] = failure(503, "not_serving")
    notes = AuditNotes()
    with AuditDatabase() as scratch:
        load_history(files.records(), scratch, notes)
        read_back(FrontEndAccess(urls=(front_end.url,)), scratch, notes, deadline_s=0.2)
    assert notes.findings == []
    (gap,) = notes.gaps
    assert gap.startswith(f"{ORDERS} of {ORDERS} acknowledged orders could not be read back")
    assert UNANSWERED_MAX <= len(set(front_end.asked)) < ORDERS


def test_the_other_front_end_is_asked_when_one_is_gone(
    files: ClusterFiles, front_end: FrontEnd
) -> None:
    (nobody,) = free_ports(1)
    verdict = judge(files, f"http://127.0.0.1:{nobody}", front_end.url)
    assert (verdict.exit, verdict.counts["orders read back"]) == (exits.OK, ORDERS)
