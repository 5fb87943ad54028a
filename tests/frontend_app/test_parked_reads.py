"""Reads that wait for a catalog which is restarted, and no longer than was said."""

import pytest

from bazaar.core.failures import Unreachable
from bazaar.core.types import ReplicaId
from bazaar.protocol import tracing
from bazaar.protocol.tracing import Span
from bazaar.runtime.waits import Waits
from bazaar.topology import Node
from frontend_app import parked_reads
from frontend_app.entries import StockRead
from frontend_app.leader import LeaderWatch
from frontend_app.stocks import StockReader
from tests.frontend_app.conftest import LIMITS
from tests.frontend_app.fakes import FakeCatalog, FakeReplica
from tests.support.histories import STOCK
from tests.support.waits import wait_until

NAME = STOCK.name


class SetWaits(Waits):
    """A clock that a test sets."""

    at_s = 1000.0

    def now_s(self) -> float:
        return self.at_s


@pytest.fixture
def waits() -> SetWaits:
    return SetWaits()


@pytest.fixture
def away(catalog: FakeCatalog, waits: SetWaits) -> StockReader:
    """Return a reader whose lease is over, because the catalog is away."""
    reader = StockReader(catalog, Node(port=1, control_port=2), LIMITS, waits)
    reader.keep_lease()
    waits.at_s += LIMITS.lease_s
    catalog.failure = Unreachable("it is restarted")
    return reader


def begin(reader: StockReader) -> list[StockRead | Exception]:
    """Begin to read; return where the answer will be."""
    taken: list[StockRead | Exception] = []
    reader.read_later(NAME, is_fresh=False, loop=None, done=taken.append)
    return taken


def test_without_a_word_a_read_fails_at_once(away: StockReader) -> None:
    taken = begin(away)
    wait_until(lambda: taken)
    assert [type(one) for one in taken] == [Unreachable]


def test_a_read_waits_for_a_restart_that_was_announced(
    away: StockReader, catalog: FakeCatalog
) -> None:
    away.parked.expect(10)
    taken = begin(away)
    wait_until(lambda: len(away.parked))
    away.parked.resume()
    wait_until(lambda: len(away.parked))
    assert taken == []
    catalog.failure = None
    away.keep_lease()
    away.parked.resume()
    wait_until(lambda: taken)
    (read,) = taken
    assert isinstance(read, StockRead)
    assert read.entry.version == 1


def test_a_read_that_is_tried_again_is_still_of_its_request(
    away: StockReader, catalog: FakeCatalog
) -> None:
    away.parked.expect(10)
    span = Span("GET /stocks", tracing.read_headers(None, "mine"))
    with tracing.bind(span):
        taken = begin(away)
    wait_until(lambda: len(away.parked))
    catalog.failure = None
    away.keep_lease()
    asked: list[Span | None] = []
    catalog.on_ask = lambda: asked.append(tracing.current())
    away.parked.resume()
    wait_until(lambda: taken)
    assert asked == [span]


def test_it_fails_when_the_time_is_over(away: StockReader, waits: SetWaits) -> None:
    away.parked.expect(10)
    taken = begin(away)
    wait_until(lambda: len(away.parked))
    waits.at_s += 10
    away.parked.resume()
    wait_until(lambda: taken)
    assert [type(one) for one in taken] == [Unreachable]


def test_only_so_many_wait(away: StockReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """I10."""
    monkeypatch.setattr(parked_reads, "PARKED_MAX", 1)
    away.parked.expect(10)
    first = begin(away)
    wait_until(lambda: len(away.parked))
    second = begin(away)
    wait_until(lambda: second)
    assert first == []
    assert [type(one) for one in second] == [Unreachable]


def test_a_moved_holder_registers_anew_at_its_new_address(catalog: FakeCatalog) -> None:
    reader = StockReader(catalog, Node(port=1, control_port=2), LIMITS)
    reader.keep_lease()
    before = reader.holder
    reader.move(Node(port=1, control_port=3))
    reader.keep_lease()
    assert reader.holder.control_port == 3
    assert catalog.registered == [before.holder_id, reader.holder.holder_id]


def test_a_lease_that_is_ended_stays_so(catalog: FakeCatalog) -> None:
    reader = StockReader(catalog, Node(port=1, control_port=2), LIMITS)
    reader.keep_lease()
    reader.end_lease()
    reader.keep_lease()
    assert reader.lease_left_s() == 0
    assert (len(catalog.registered), catalog.renewed) == (1, 0)


def test_trades_have_longer_during_a_restart(catalog: FakeCatalog, waits: SetWaits) -> None:
    replicas = {ReplicaId(1): FakeReplica(1, catalog.history)}
    watch = LeaderWatch(catalog, replicas, LIMITS, waits)
    usual_s = waits.at_s + LIMITS.deadline_s
    assert watch._find_deadline(waits.at_s) == usual_s
    watch.expect_restart(30)
    assert watch._find_deadline(waits.at_s) == usual_s + 30
    watch.expect_restart(0)
    assert watch._find_deadline(waits.at_s) == usual_s
