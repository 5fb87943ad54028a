"""
What every role tells of itself on its control port (`GET /status`, docs/PROTOCOL.md).

Read from memory wherever possible, so that a busy role answers as quickly as an idle one.
"""

from bazaar.core.digest import GENESIS
from bazaar.protocol.messages import Message


class Status(Message, frozen=True, kw_only=True):
    """What every role tells of itself on its control port."""

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
    digest: str = GENESIS
    refused_callers: int = 0
    """Requests refused because they were not signed by a cluster member."""


class FollowerStatus(Message, frozen=True, kw_only=True):
    """One follower as its leader sees it."""

    replica_id: int
    last: int
    is_in_sync: bool
    is_reachable: bool


class ReplicaStatus(Status, frozen=True, kw_only=True):
    """An order replica."""

    standing: str
    lag_orders: int
    lag_ms: float
    in_sync: tuple[int, ...] = ()
    followers: tuple[FollowerStatus, ...] = ()
    batches: int = 0
    trades: int = 0


class CatalogStatus(Status, frozen=True, kw_only=True):
    """The catalog."""

    stocks: int
    holders: tuple[str, ...] = ()
    batches: int = 0
    trades: int = 0
    stock_reads: int = 0
    """How often a front end asked for a stock since the process began."""


CACHED_SHOWN_MAX = 200
"""Entries of a cache in one status."""


class CachedStock(Message, frozen=True, kw_only=True):
    """One entry of a front end's memory."""

    stock_name: str
    version: int
    quantity: int
    age_s: int = 0
    """For how long it has been in memory."""


class FrontEndStatus(Status, frozen=True, kw_only=True):
    """A front end."""

    lease_left_s: float
    cached_count: int = 0
    cached: tuple[CachedStock, ...] = ()
    """The most recently used, at most CACHED_SHOWN_MAX."""
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    elections: int = 0
    trades: int = 0
    retries: int = 0
