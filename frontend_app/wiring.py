"""
The front end's one set of running parts.

The only file here that reads settings.
"""

from functools import cache

from django.conf import settings

from bazaar.core.types import ReplicaId
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.statuses import FrontEndStatus
from bazaar.runtime.metrics import process_status, summarize_sizes
from bazaar.web import client_auth, control
from bazaar.web.member_auth import refusals
from frontend_app.cluster_reader import ClusterReader
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from frontend_app.stocks import StockReader

STOCK_TIMEOUT_S = 1.0
"""How long a reader waits for the catalog before old memory, marked as stale, is better."""


@cache
def catalog() -> CatalogClient:
    """Return the client of the catalog."""
    limits = settings.BAZAAR_LIMITS
    node = settings.BAZAAR_TOPOLOGY.catalog
    return CatalogClient.at(node, settings.BAZAAR_SECRET, limits.call_timeout_s)


@cache
def watch() -> LeaderWatch:
    """Return the watch over the leader."""
    limits = settings.BAZAAR_LIMITS
    replicas = {
        ReplicaId(node.id): ReplicaClient.at(node, settings.BAZAAR_SECRET, limits.call_timeout_s)
        for node in settings.BAZAAR_TOPOLOGY.replicas
    }
    return LeaderWatch(catalog(), replicas, limits)


@cache
def stocks() -> StockReader:
    """Return the stocks in memory."""
    limits = settings.BAZAAR_LIMITS
    timeout_s = min(STOCK_TIMEOUT_S, limits.call_timeout_s)
    client = CatalogClient.at(settings.BAZAAR_TOPOLOGY.catalog, settings.BAZAAR_SECRET, timeout_s)
    return StockReader(client, control.node(), limits, forget=forget)


def forget() -> None:
    """Forget orders and leader: another incarnation of the catalog was met."""
    orders().forget()
    watch().forget()


@cache
def orders() -> OrderCache:
    """Return the orders in memory, and the way to all others."""
    return OrderCache(watch(), settings.BAZAAR_LIMITS)


@cache
def cluster() -> ClusterReader:
    """Return what asks the replicas how they are."""
    ports = {ReplicaId(node.id): node.port for node in settings.BAZAAR_TOPOLOGY.replicas}
    return ClusterReader(watch(), ports, settings.BAZAAR_LIMITS.ping_timeout_s)


def port_of(replica_id: ReplicaId) -> int:
    """Return the served port of a replica."""
    return int(settings.BAZAAR_TOPOLOGY.replica(replica_id).port)


def start() -> None:
    """Begin: the watches over tokens and leader, and the lease on the cache."""
    client_auth.gate().watch.start()
    watch().start()
    stocks().start()


def status() -> FrontEndStatus:
    """Return the status of this front end, from memory only."""
    reader, elector, batcher = stocks(), watch().elector, watch().batcher
    hits, misses = reader.cache.hits, reader.cache.misses
    return FrontEndStatus(
        **process_status(),
        role="frontend",
        id=settings.BAZAAR_NODE.id,
        is_ready=elector.leadership.leader is not None,
        term=elector.leadership.term,
        leader=elector.leadership.leader,
        refused_callers=refusals.count,
        lease_left_s=round(reader.lease_left_s(), 3),
        listed_count=len(reader.listing),
        cached_count=len(reader.cache.entries),
        cached=reader.contents(),
        hits=hits,
        misses=misses,
        hit_ratio=round(hits / (hits + misses), 4) if hits else 0.0,
        evictions=reader.cache.evictions,
        orders_cached=len(orders().entries),
        order_hits=orders().hits,
        order_misses=orders().misses,
        elections=elector.elections,
        batches=batcher.batches,
        trades=batcher.items,
        batch_sizes=summarize_sizes(batcher.sizes),
        retries=watch().retries,
        silences=elector.silences,
    )
