"""
The front end's one set of running parts.

The only file here that reads settings.
"""

from functools import cache

from django.conf import settings

from bazaar.clock import Pause
from bazaar.core.types import ReplicaId
from bazaar.protocol.clients import CLIENTS, CatalogClient, FrontEndClient, ReplicaClient
from bazaar.protocol.statuses import FrontEndStatus
from bazaar.runtime.health import HealthCheck, are_ok
from bazaar.runtime.metrics import operations, process_status, summarize_sizes
from bazaar.runtime.prometheus import MetricPage, add_process, add_status
from bazaar.runtime.span_ring import span_ring
from bazaar.topology import Node, process_name, role_of
from bazaar.web import client_auth, control
from bazaar.web.member_auth import refusals
from bazaar.web.spans_endpoint import read_spans
from frontend_app.cluster_reader import ClusterReader
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from frontend_app.stocks import StockReader
from frontend_app.trace_reader import TraceReader, TraceSources

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


@cache
def traces() -> TraceReader:
    """Return what collects the spans of a trade."""
    timeout_s, secret = settings.BAZAAR_LIMITS.ping_timeout_s, settings.BAZAAR_SECRET
    members = {
        name: (node, CLIENTS[role_of(name)].at(node, secret, timeout_s))
        for name, node in settings.BAZAAR_TOPOLOGY.nodes()
        if node.control_port
    }
    sources = TraceSources(
        read_node=control.node,
        read_own=read_spans,
        members=members,
        list_workers=settings.BAZAAR_TOPOLOGY.list_workers,
        connect_worker=lambda address: FrontEndClient.at_address(address, secret, timeout_s),
    )
    return TraceReader(sources, span_ring, timeout_s)


def port_of(replica_id: ReplicaId) -> int:
    """Return the served port of a replica."""
    return int(settings.BAZAAR_TOPOLOGY.replica(replica_id).port)


def start() -> None:
    """Begin: the watches over tokens and leader, and the lease on the cache."""
    client_auth.gate().watch.start()
    watch().start()
    stocks().start()
    traces().start()


def move(node: Node) -> None:
    """Have the catalog reach this process at another control address."""
    stocks().move(node)


def retire(pause: Pause) -> None:
    """
    End the lease, and stay until the catalog has seen its end.

    So no trade waits for the acknowledgement of a process that is gone.
    """
    stocks().end_lease()
    pause(settings.BAZAAR_LIMITS.lease_s)


def list_checks() -> tuple[HealthCheck, ...]:
    """Return what a front end needs: a leader for trades, a lease for its memory."""
    elector = watch().elector
    leadership = elector.leadership
    no_leader = ""
    if leadership.leader is None:
        no_leader = "It knows no leader."
    elif elector.silences:
        no_leader = (
            f"Replica {leadership.leader} leads term {leadership.term}, and does not answer."
        )
    has_lease = stocks().lease_left_s() > 0
    no_lease = "" if has_lease else "It has no lease on its memory: the catalog gives it none."
    return HealthCheck("leader", no_leader), HealthCheck("lease", no_lease)


def read_metrics(page: MetricPage) -> None:
    """Add what a scrape shows of a front end; see `bazaar.runtime.metric_families`."""
    add_process(page, list_checks(), *name_process())
    now, sizes = status(), watch().batcher.sizes
    add_status(page, now)
    tried = operations.meter("POST /orders")
    page.add("bazaar_batch_trades", sizes)
    page.add("bazaar_trades_total", operations.meter("POST /orders placed").count, "placed")
    page.add("bazaar_trades_total", tried.refused, "refused")
    page.add("bazaar_trades_total", tried.failed, "failed")
    page.add("bazaar_trade_retries_total", now.retries)
    page.add("bazaar_elections_total", now.elections)
    page.add("bazaar_leader_silent_pings", now.silences)
    page.add("bazaar_leader_suspicions_total", now.suspicions)
    page.add("bazaar_leader_wrong_suspicions_total", now.wrong_suspicions)
    page.add("bazaar_lease_remaining_seconds", now.lease_left_s)
    page.add("bazaar_stock_cache_hits_total", now.hits)
    page.add("bazaar_stock_cache_misses_total", now.misses)
    page.add("bazaar_stock_cache_evictions_total", now.evictions)
    page.add("bazaar_stock_cache_entries", now.cached_count)
    page.add("bazaar_order_cache_hits_total", now.order_hits)
    page.add("bazaar_order_cache_misses_total", now.order_misses)
    page.add("bazaar_order_cache_entries", now.orders_cached)


def name_process() -> tuple[str, str]:
    """Return role and name of this process."""
    return str(settings.BAZAAR_ROLE), process_name(settings.BAZAAR_ROLE, settings.BAZAAR_NODE.id)


def status() -> FrontEndStatus:
    """Return the status of this front end, from memory only."""
    reader, elector, batcher = stocks(), watch().elector, watch().batcher
    hits, misses = reader.cache.hits, reader.cache.misses
    return FrontEndStatus(
        **process_status(),
        role="frontend",
        id=settings.BAZAAR_NODE.id,
        is_ready=are_ok(list_checks()),
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
        suspicions=watch().leader_ping.suspicions,
        wrong_suspicions=watch().leader_ping.wrong_suspicions,
    )
