"""Every role in one process: real rooms, real URLs, one database, no network."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from pytest_django import Settings

import catalog_app.wiring
import frontend_app.wiring
import order_app.wiring
from bazaar.clock import monotonic_s, wait, wall_s
from bazaar.core.election import Leadership
from bazaar.core.failures import Unconfirmed
from bazaar.core.types import CatalogId, Epoch, ReplicaId, Term
from bazaar.protocol.cache_messages import HolderBody
from bazaar.protocol.catalog_route import CatalogLink
from bazaar.protocol.clients import CatalogClient, FrontEndClient, ReplicaClient
from bazaar.protocol.traces import SpansBody, SpansWantedBody
from bazaar.runtime.span_ring import SpanRing
from bazaar.settings.env import Limits
from bazaar.topology import Node
from catalog_app import models
from catalog_app.leader_protection import LeaderProtection
from catalog_app.lease_table import Clock, LeaseTableShell
from catalog_app.models import Stock
from frontend_app.cluster_reader import ClusterReader
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from frontend_app.stocks import StockReader
from frontend_app.trace_reader import TraceReader, TraceSources
from order_app.replica import ReplicaShell
from order_app.store import OrderLog
from tests.order_app.fakes import FakePeer
from tests.support.histories import STOCK, TOKEN, make_trade
from tests.support.listeners import HandlerTransport, Listener

TERM = Term(3)
ME, FAR = ReplicaId(2), ReplicaId(3)
HOLDER = HolderBody(holder_id=UUID(int=7), host="127.0.0.1", control_port=30002)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The typed client of each role, and what runs behind them."""

    catalog: CatalogClient
    replica: ReplicaClient
    front_end: FrontEndClient
    shell: ReplicaShell
    watch: LeaderWatch
    reader: StockReader
    lease_table: LeaseTableShell


class TrustingLink(CatalogLink):
    """A way to the catalog, which nobody asks whether it is active: it is, in every epoch."""

    def hear(self, epoch: Epoch, catalog: CatalogId) -> None:
        if catalog != 1:
            raise Unconfirmed


def transport(urlconf: str) -> HandlerTransport:
    return HandlerTransport(Listener(f"bazaar.urls.{urlconf}"))


def read_traces(ring: SpanRing, node: Node) -> TraceReader:
    """Return a reader that asks nobody else."""

    def read_own(wanted: SpansWantedBody) -> SpansBody:
        return SpansBody(process="order-2", now_s=wall_s(), spans=tuple(ring.find(wanted)))

    sources = TraceSources(
        lambda: node, read_own, {}, lambda _: [], lambda _: FrontEndClient.at(node, b"", 1)
    )
    return TraceReader(sources, ring, 1)


@pytest.fixture
def cluster(
    ring: SpanRing, db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Cluster:
    """Replica 2 leads term 3, there are two orders, and the front end holds a lease."""
    limits = Limits(lease_s=3600)
    settings.BAZAAR_LIMITS, settings.BAZAAR_NODE = limits, settings.BAZAAR_TOPOLOGY.replica(ME)
    catalog = CatalogClient(transport("catalog"), transport("catalog_control"), 1)
    replica = ReplicaClient(transport("order"), transport("order_control"), 1)
    front_end = FrontEndClient(transport("frontend"), transport("frontend_control"), 1)
    lease_table = LeaseTableShell(limits.lease_s, Clock(monotonic_s, wait))
    models.Leadership.objects.update_or_create(pk=1, defaults={"term": TERM, "leader": ME})
    Stock.objects.create(**{name: getattr(STOCK, name) for name in STOCK.__slots__})
    shell = ReplicaShell(ME, catalog, {FAR: FakePeer(FAR)}, OrderLog(), limits)
    monkeypatch.setattr(shell, "make_token", lambda: TOKEN)
    watch = LeaderWatch(catalog, {ME: replica}, limits)
    watch.elector.leadership = Leadership(TERM, ME)
    reader = StockReader(catalog, Node(id=1, port=30001, control_port=30002), limits)
    monkeypatch.setattr(catalog_app.wiring, "lease_table", lambda: lease_table)
    monkeypatch.setattr(catalog_app.wiring, "replicas", lambda: {ME: replica})
    protection = LeaderProtection({ME: replica}, monotonic_s)
    monkeypatch.setattr(catalog_app.wiring, "leader_protection", lambda: protection)
    monkeypatch.setattr(order_app.wiring, "replica", lambda: shell)
    monkeypatch.setattr(frontend_app.wiring, "watch", lambda: watch)
    orders = OrderCache(watch, limits)
    monkeypatch.setattr(frontend_app.wiring, "orders", lambda: orders)
    monkeypatch.setattr(frontend_app.wiring, "stocks", lambda: reader)
    link = TrustingLink(settings.BAZAAR_TOPOLOGY, settings.BAZAAR_SECRET)
    monkeypatch.setattr(frontend_app.wiring, "link", lambda: link)
    monkeypatch.setattr(order_app.wiring, "link", lambda: link)
    shown = ClusterReader(watch, {ME: 20002}, 1)
    monkeypatch.setattr(frontend_app.wiring, "cluster", lambda: shown)
    traces = read_traces(ring, settings.BAZAAR_NODE)
    monkeypatch.setattr(frontend_app.wiring, "traces", lambda: traces)
    shell.start()
    shell.take_notice(TERM, ME)
    shell.trade(TERM, [make_trade(1), make_trade(2)])
    lease_table.register(str(reader.holder.holder_id), front_end)
    lease_table.register(str(HOLDER.holder_id), front_end)
    reader.lease.renewed(monotonic_s())
    return Cluster(catalog, replica, front_end, shell, watch, reader, lease_table)
