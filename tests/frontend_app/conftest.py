"""A front end between a faked catalog and three faked replicas."""

from collections.abc import Iterator

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.election import Leadership
from bazaar.core.types import ReplicaId, Term
from bazaar.settings.env import Limits
from bazaar.topology import Node
from frontend_app import wiring
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from frontend_app.stocks import StockReader
from tests.frontend_app.fakes import FakeCatalog, FakeReplica

Replicas = dict[ReplicaId, FakeReplica]

LIMITS = Limits(ping_interval_s=0.01, lease_s=3600, deadline_s=5)
NEVER_S = 3600.0


@pytest.fixture
def catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture
def reader(catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch) -> StockReader:
    """Make the stocks, with a lease and nothing in memory."""
    reader = StockReader(catalog, Node(port=30001, control_port=30002), LIMITS)
    reader.keep_lease()
    assert reader.lease.is_valid(monotonic_s())
    monkeypatch.setattr(wiring, "stocks", lambda: reader)
    return reader


@pytest.fixture
def replicas(catalog: FakeCatalog) -> Replicas:
    return {ReplicaId(number): FakeReplica(number, catalog.history) for number in (1, 2, 3)}


@pytest.fixture
def watch(
    catalog: FakeCatalog, replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LeaderWatch]:
    """Make a watch over the leader; it is not started, and knows that replica 3 leads term 1."""
    watch = LeaderWatch(catalog, replicas, LIMITS)
    catalog.leadership = watch.elector.leadership = Leadership(Term(1), ReplicaId(3))
    for replica in replicas.values():
        replica.leadership = catalog.leadership
    monkeypatch.setattr(wiring, "watch", lambda: watch)
    orders = OrderCache(watch, LIMITS)
    monkeypatch.setattr(wiring, "orders", lambda: orders)
    yield watch
    watch._loop._interval_s = NEVER_S  # its thread cannot be ended, but it can be quiet
