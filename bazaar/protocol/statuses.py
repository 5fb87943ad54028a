"""
The status of every role (`GET /status` at its control port).

Read from memory wherever possible, so that a busy role answers as quickly as an idle one.
"""

from msgspec import field

from bazaar.core.types import GENESIS
from bazaar.protocol.messages import Message

EVENTS_MAX = 100
"""Events in one status: the newest."""
FIELD_CHARS_MAX = 200
"""Characters of one field of an event."""


class Event(Message, frozen=True, kw_only=True):
    """Something that happened in one process."""

    no: int
    """Counts the events of this process from 1; unique together with `up_since_s`."""
    at_s: float
    """Seconds since 1970."""
    phrase: str
    """One of a few constant phrases; details are in the fields."""
    fields: dict[str, str | int | float | None] = {}


class OperationStatus(Message, frozen=True, kw_only=True):
    """One kind of request since the process began: how many, and how long."""

    name: str
    """Method and path, and for a stock read its cache status."""
    count: int
    refused: int = 0
    """Answers with a status of 400 to 499."""
    failed: int = 0
    """Answers with a status of 500 or more."""
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    buckets: tuple[int, ...] = ()
    """Requests by duration, see LATENCY_BOUNDS_S in `bazaar.core.histogram`."""


class BatchSizes(Message, frozen=True, kw_only=True):
    """How many trades travelled together since the process began."""

    p50: int = 0
    p95: int = 0
    p99: int = 0
    buckets: tuple[int, ...] = ()
    """Batches by size, see SIZE_BOUNDS in `bazaar.core.histogram`."""


class Status(Message, frozen=True, kw_only=True):
    """What the status of every role has."""

    role: str
    id: int
    pid: int
    up_since_s: float
    """Seconds since 1970."""
    is_ready: bool
    term: int = 0
    leader: int | None = None
    last: int = 0
    """The newest order: the ledger's for the catalog, the log's for a replica."""
    position: int = 0
    """The newest entry: orders and stock changes."""
    digest: str = GENESIS
    refused_callers: int = 0
    """Requests refused because they were not signed by a cluster member."""
    uptime_s: float = 0.0
    database_bytes: int | None = None
    """Size of the database with its write-ahead log; None for a role that has none."""
    operations: tuple[OperationStatus, ...] = ()
    """Those that were requested at all, by name."""
    events: tuple[Event, ...] = ()
    """The newest, at most EVENTS_MAX, in the order in which they happened."""


class FollowerStatus(Message, frozen=True, kw_only=True):
    """One follower as its leader sees it."""

    replica_id: int
    last: int
    """The position of its newest entry."""
    is_in_sync: bool
    is_reachable: bool


class ReplicaStatus(Status, frozen=True, kw_only=True):
    """An order replica."""

    state: str = field(name="standing")
    lag_orders: int
    lag_ms: float
    in_sync: tuple[int, ...] = ()
    followers: tuple[FollowerStatus, ...] = ()
    batches: int = 0
    trades: int = 0
    batch_sizes: BatchSizes = BatchSizes()
    reaches_catalog: bool = True
    """Whether its latest probe of the catalog succeeded."""
    damage: str = ""
    """What is damaged in its database; empty: nothing that is known."""


class CatalogStatus(Status, frozen=True, kw_only=True):
    """The catalog."""

    stocks: int
    not_deciding: str = ""
    """Why the catalog decides nothing yet; empty: it does."""
    incarnation: str = ""
    """Of this life of the catalog."""
    holders: tuple[str, ...] = ()
    holder_addresses: tuple[tuple[str, int], ...] = ()
    """Host and control port of each: a front end's workers are found by them."""
    batches: int = 0
    trades: int = 0
    batch_sizes: BatchSizes = BatchSizes()
    stock_reads: int = 0
    """Stocks that front ends have read since the process began."""


CACHED_SHOWN_MAX = 200
"""Entries of a cache in one status."""


class CachedStock(Message, frozen=True, kw_only=True):
    """One entry of a front end's memory."""

    stock_name: str
    version: int
    quantity: int
    age_s: int = 0
    """For how long it has been in memory."""
    hits: int = 0
    """Reads that it has answered since."""


class FrontEndStatus(Status, frozen=True, kw_only=True):
    """A front end."""

    lease_left_s: float
    listed_count: int = 0
    """Names of the listing, once all are known; names beside them are not asked for."""
    cached_count: int = 0
    cached: tuple[CachedStock, ...] = ()
    """The most recently used, at most CACHED_SHOWN_MAX."""
    hits: int = 0
    misses: int = 0
    hit_ratio: float = 0.0
    """Share of the reads answered from memory, 0 to 1, since the process began."""
    evictions: int = 0
    orders_cached: int = 0
    """Orders in memory."""
    order_hits: int = 0
    order_misses: int = 0
    """Look-ups of orders that went to a replica."""
    elections: int = 0
    batches: int = 0
    trades: int = 0
    batch_sizes: BatchSizes = BatchSizes()
    retries: int = 0
    silences: int = 0
    """Pings in a row that the leader did not answer."""
    suspicions: int = 0
    """Silences of a leader that were unusually long."""
    wrong_suspicions: int = 0
    """Of these, those that an answer followed after all."""
