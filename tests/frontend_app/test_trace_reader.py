"""Spans are collected from all processes, side by side, a bounded number of times a second."""

import threading
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import pytest

from bazaar.core.failures import Busy, UnknownTrace, Unreachable
from bazaar.core.types import Order
from bazaar.protocol.member_client import MemberClient
from bazaar.protocol.traces import SpanBody, SpansBody, SpansWantedBody, TradeTrace
from bazaar.runtime.span_ring import SpanRing
from bazaar.topology import Address, Node, local
from frontend_app import services, trace_reader, wiring
from frontend_app.trace_assembly import AskedProcess, merge
from frontend_app.trace_reader import TraceReader, TraceSources
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import make_trade
from tests.support.waits import WAIT_S, start_together, wait_until

KEY = UUID(int=1)
HERE = Node(port=30001, control_port=30002)
SENT = SpanBody(
    name="send trades",
    trace_id="t",
    span_id="0" * 15 + "1",
    began_s=1.0,
    ended_s=2.0,
    attributes={"replica": 3},
    has_key=True,
)
TAKEN = SpanBody(
    name="POST /trades",
    trace_id="t",
    span_id="0" * 15 + "2",
    parent_id=SENT.span_id,
    began_s=1.2,
    ended_s=1.8,
)


class FakeMember(MemberClient):
    """A process that has some spans: those of a trade, and those of others' messages."""

    def __init__(
        self,
        name: str,
        spans: tuple[SpanBody, ...] = (),
        parts: tuple[SpanBody, ...] = (),
        holders: tuple[tuple[str, int], ...] = (),
    ) -> None:
        self.name, self.own, self.parts, self.holders = name, spans, parts, holders
        self.wanted: list[SpansWantedBody] = []
        self.is_away = self.is_closed = False
        self.gate: threading.Event | None = None

    def spans(self, wanted: SpansWantedBody, timeout_s: float) -> SpansBody:
        self.wanted.append(wanted)
        if self.gate:
            assert self.gate.wait(WAIT_S)
        if self.is_away:
            raise Unreachable("gone")
        spans = self.own if wanted.key else self.parts
        return SpansBody(process=self.name, now_s=1.0, spans=spans, holders=self.holders)

    def close(self) -> None:
        self.is_closed = True


class Cluster:
    """The processes, and the reader of the first front end."""

    def __init__(self) -> None:
        self.me = FakeMember("frontend-1", (SENT,))
        self.leader = FakeMember("order-3", parts=(TAKEN,))
        self.worker = FakeMember("frontend-1/7")
        address = ("127.0.0.1", 50000)
        self.catalog = FakeMember("catalog", holders=(HERE.control_address, address))
        self.connected: list[Address] = []
        self.ring = SpanRing(10)
        members: dict[str, tuple[Node, MemberClient]] = {
            "frontend-1": (HERE, FakeMember("never asked over the network")),
            "catalog": (Node(port=1, control_port=2), self.catalog),
            "order-3": (Node(port=3, control_port=4), self.leader),
        }
        sources = TraceSources(
            lambda: HERE,
            lambda wanted: self.me.spans(wanted, 1),
            members,
            local(1).list_workers,
            self.connect,
        )
        self.reader = TraceReader(sources, self.ring, 1)

    def connect(self, address: Address) -> MemberClient:
        self.connected.append(address)
        return self.worker


DECIDED = SpanBody(
    name="decide trades",
    trace_id="t",
    span_id="0" * 15 + "3",
    began_s=1.0,
    ended_s=2.0,
    attributes={"order_no": 1, "placed": 2, "trades": 3},
    marks=(("durable", 1.5),),
    has_key=True,
)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(trace_reader, "PAUSE_S", 0.0)
    monkeypatch.setattr(trace_reader, "REST_FACTOR", 0)
    return Cluster()


def test_all_are_asked_twice_workers_too(cluster: Cluster) -> None:
    trace = cluster.reader.read(KEY)
    (step,) = trace.steps
    assert (step.to, step.received_ms) == ("order-3", 200.0)
    first, second = cluster.leader.wanted
    assert (first.key, second.parents) == (KEY, (SENT.span_id,))
    assert len(cluster.worker.wanted) == len(cluster.catalog.wanted) == 2
    assert cluster.connected == [("127.0.0.1", 50000)]
    assert not [one for one in threading.enumerate() if one.name.startswith("trace")]


def test_a_worker_that_is_gone_is_asked_no_more(cluster: Cluster) -> None:
    cluster.reader.read(KEY)
    cluster.catalog.holders = (HERE.control_address,)
    cluster.reader.read(KEY)
    assert cluster.worker.is_closed
    assert len(cluster.worker.wanted) == 2


def test_who_does_not_answer_is_named_and_not_asked_again(cluster: Cluster) -> None:
    cluster.leader.is_away = cluster.worker.is_away = True
    trace = cluster.reader.read(KEY)
    reasons = {one.name: one.reason for one in trace.processes}
    assert reasons["order-3"] == reasons["worker-50000"] == "gone"
    assert len(cluster.leader.wanted) == len(cluster.worker.wanted) == 1


def test_a_slow_trade_is_kept_when_everybody_has_forgotten_it(cluster: Cluster) -> None:
    cluster.ring.noted.append(str(KEY))
    cluster.reader.look_after()
    cluster.me.own = cluster.leader.parts = ()
    assert cluster.reader.read(KEY).steps[0].received_ms == 200.0
    with pytest.raises(UnknownTrace):
        cluster.reader.read(UUID(int=2))


@pytest.mark.usefixtures("watch")
def test_an_order_is_told_of_when_its_request_is_forgotten(
    cluster: Cluster, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number that was asked for says which of a batch it is, and that it was committed."""
    monkeypatch.setattr(wiring, "traces", lambda: cluster.reader)
    order = catalog.history.place(make_trade(1))
    assert isinstance(order, Order)
    cluster.me.own = (DECIDED,)
    trace = services.read_order_trace(order_no=order.order_no)
    assert (trace.order_no, trace.idempotency_key) == (1, str(order.key))
    assert [step.text for step in trace.steps] == [
        "decides 3 trades together: this one is order 1",
        "has committed it to the ledger",
    ]
    assert cluster.reader.read(order.key).order_no is None


def test_a_kept_trade_can_be_read_while_it_is_kept_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_meanwhile: list[TradeTrace] = []

    def merge_slowly(
        fresh: Sequence[AskedProcess], kept: Sequence[AskedProcess]
    ) -> list[AskedProcess]:
        monkeypatch.setattr(trace_reader, "merge", merge)
        read_meanwhile.append(cluster.reader.read(KEY))
        return merge(fresh, kept)

    cluster.ring.noted.append(str(KEY))
    cluster.reader.look_after()
    cluster.me.own = cluster.leader.parts = ()
    monkeypatch.setattr(trace_reader, "merge", merge_slowly)
    cluster.ring.noted.append(str(KEY))
    cluster.reader.look_after()
    assert [len(trace.steps) for trace in read_meanwhile] == [1]


def test_what_is_kept_is_bounded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_reader, "KEPT_MAX", 1)
    for number in (2, 1):
        cluster.ring.noted.append(str(UUID(int=number)))
    for _ in range(3):
        cluster.reader.look_after()
    cluster.me.own = ()
    assert cluster.reader.read(UUID(int=2)).steps, "the one that was noted first is looked at last"
    with pytest.raises(UnknownTrace):
        cluster.reader.read(KEY)


def test_there_is_a_rest_after_each(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_reader, "REST_FACTOR", 1_000_000)
    cluster.ring.noted.extend([str(KEY), str(UUID(int=2))])
    for _ in range(2):
        cluster.reader.look_after()
    assert list(cluster.ring.noted) == [str(KEY)]


def test_more_readers_than_a_few_are_refused(cluster: Cluster) -> None:
    cluster.leader.gate = threading.Event()
    readings = start_together([partial(cluster.reader.read, KEY)] * (trace_reader.READERS_MAX + 1))
    try:
        wait_until(lambda: any(reading.done() for reading in readings))
    finally:
        cluster.leader.gate.set()
    (refused,) = filter(None, [reading.exception(WAIT_S) for reading in readings])
    assert isinstance(refused, Busy)
    assert cluster.reader.read(KEY).steps
