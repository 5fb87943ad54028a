"""
Every metric that Prometheus gets: name, kind, unit and meaning.

docs/METRICS.md has the same table. Names follow Prometheus: base units, `_total` for what only
grows.
"""

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """How a value behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Roles(StrEnum):
    """Which processes have a metric, as the document says it."""

    ALL = "all"
    SERVED = "all but the dashboard"
    STORING = "catalog, replica"
    FRONT_END = "front end"
    CATALOG = "catalog"
    REPLICA = "replica"
    BATCHING = "front end, catalog, replica"
    DASHBOARD = "dashboard"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """One metric; `name` is as Prometheus stores it, a counter's with `_total`."""

    name: str
    kind: MetricKind
    unit: str
    roles: Roles
    help: str
    labels: tuple[str, ...] = ()


_C, _G, _H = MetricKind.COUNTER, MetricKind.GAUGE, MetricKind.HISTOGRAM
_REQUEST = ("method", "path", "result")

FAMILIES = (
    MetricFamily("bazaar_info", _G, "1", Roles.ALL, "This process.", ("role", "process")),
    MetricFamily("bazaar_ready", _G, "0 or 1", Roles.ALL, "Whether it can do its job (/readyz)."),
    MetricFamily(
        "bazaar_check_ok", _G, "0 or 1", Roles.ALL, "One check of /readyz, by its name.", ("check",)
    ),
    MetricFamily(
        "bazaar_request_duration_seconds",
        *(_H, "seconds", Roles.ALL, "Requests answered, by how long it took.", _REQUEST),
    ),
    MetricFamily(
        "bazaar_requests_refused_total",
        *(_C, "requests", Roles.ALL, "Requests answered with 400 to 499.", _REQUEST),
    ),
    MetricFamily(
        "bazaar_requests_failed_total",
        *(_C, "requests", Roles.ALL, "Requests answered with 500 or more.", _REQUEST),
    ),
    MetricFamily(
        "bazaar_refusals_total",
        *(_C, "refusals", Roles.ALL, "What was refused before or instead of work, by reason."),
        ("reason",),
    ),
    MetricFamily("bazaar_threads", _G, "threads", Roles.ALL, "Threads of the process."),
    MetricFamily(
        "bazaar_open_connections", _G, "connections", Roles.ALL, "Connections, by port.", ("port",)
    ),
    MetricFamily("bazaar_term", _G, "term", Roles.SERVED, "The newest term that it knows."),
    MetricFamily("bazaar_leader", _G, "replica", Roles.SERVED, "Who leads that term; 0: nobody."),
    MetricFamily("bazaar_last_order", _G, "order", Roles.STORING, "The newest order that it has."),
    MetricFamily("bazaar_position", _G, "entry", Roles.STORING, "The newest entry that it has."),
    MetricFamily("bazaar_database_bytes", _G, "bytes", Roles.STORING, "Its database's file."),
    MetricFamily("bazaar_wal_bytes", _G, "bytes", Roles.STORING, "Its write-ahead log's file."),
    MetricFamily(
        "bazaar_commit_duration_seconds",
        *(_H, "seconds", Roles.STORING, "Commits of the database, by how long they took."),
    ),
    MetricFamily(
        "bazaar_batch_trades", _H, "trades", Roles.BATCHING, "Batches, by how many trades they had."
    ),
    MetricFamily(
        "bazaar_trades_total",
        *(_C, "trades", Roles.FRONT_END, "Trades of clients, by what came of them."),
        ("outcome",),
    ),
    MetricFamily(
        "bazaar_trade_retries_total",
        *(_C, "attempts", Roles.FRONT_END, "Batches of trades that were sent again."),
    ),
    MetricFamily(
        "bazaar_elections_total", _C, "elections", Roles.FRONT_END, "Elections that it won."
    ),
    MetricFamily(
        "bazaar_leader_silent_pings",
        *(_G, "pings", Roles.FRONT_END, "Pings in a row that the leader did not answer."),
    ),
    MetricFamily(
        "bazaar_leader_suspicions_total",
        *(_C, "suspicions", Roles.FRONT_END, "Unusually long silences of a leader."),
    ),
    MetricFamily(
        "bazaar_leader_wrong_suspicions_total",
        *(_C, "suspicions", Roles.FRONT_END, "Those of them that an answer followed after all."),
    ),
    MetricFamily(
        "bazaar_lease_remaining_seconds",
        *(_G, "seconds", Roles.FRONT_END, "How long it may serve from memory; 0: not at all."),
    ),
    MetricFamily(
        "bazaar_stock_cache_hits_total",
        *(_C, "reads", Roles.FRONT_END, "Reads of stocks answered from memory."),
    ),
    MetricFamily(
        "bazaar_stock_cache_misses_total",
        *(_C, "reads", Roles.FRONT_END, "Reads of stocks that memory did not have."),
    ),
    MetricFamily(
        "bazaar_stock_cache_evictions_total",
        *(_C, "stocks", Roles.FRONT_END, "Stocks that made room for others."),
    ),
    MetricFamily("bazaar_stock_cache_entries", _G, "stocks", Roles.FRONT_END, "Stocks in memory."),
    MetricFamily(
        "bazaar_order_cache_hits_total",
        *(_C, "look-ups", Roles.FRONT_END, "Look-ups of orders answered from memory."),
    ),
    MetricFamily(
        "bazaar_order_cache_misses_total",
        *(_C, "look-ups", Roles.FRONT_END, "Look-ups of orders that went to a replica."),
    ),
    MetricFamily("bazaar_order_cache_entries", _G, "orders", Roles.FRONT_END, "Orders in memory."),
    MetricFamily(
        "bazaar_invalidation_duration_seconds",
        *(_H, "seconds", Roles.CATALOG, "Changes, by how long front ends took to forget."),
    ),
    MetricFamily(
        "bazaar_ledger_trades_total", _C, "trades", Roles.CATALOG, "Trades put into the ledger."
    ),
    MetricFamily(
        "bazaar_stock_reads_total", _C, "stocks", Roles.CATALOG, "Stocks that front ends read."
    ),
    MetricFamily("bazaar_stocks", _G, "stocks", Roles.CATALOG, "Stocks that are listed."),
    MetricFamily(
        "bazaar_lease_holders", _G, "processes", Roles.CATALOG, "Processes that hold a lease."
    ),
    MetricFamily("bazaar_leading", _G, "0 or 1", Roles.REPLICA, "Whether it leads."),
    MetricFamily(
        "bazaar_in_sync_replicas",
        *(_G, "replicas", Roles.REPLICA, "Replicas in sync with it, itself too; a follower: 0."),
    ),
    MetricFamily(
        "bazaar_follower_in_sync",
        *(_G, "0 or 1", Roles.REPLICA, "Whether a follower is in sync, at the leader."),
        ("replica",),
    ),
    MetricFamily("bazaar_lag_orders", _G, "entries", Roles.REPLICA, "How many entries it lacks."),
    MetricFamily("bazaar_lag_seconds", _G, "seconds", Roles.REPLICA, "For how long it lacks some."),
    MetricFamily(
        "bazaar_reaches_catalog",
        *(_G, "0 or 1", Roles.REPLICA, "Whether its latest probe of the catalog succeeded."),
    ),
    MetricFamily(
        "bazaar_poll_age_seconds", _G, "seconds", Roles.DASHBOARD, "Age of what its pages show."
    ),
)
FAMILY_BY_NAME = {family.name: family for family in FAMILIES}
