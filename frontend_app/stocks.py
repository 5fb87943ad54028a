"""
Stocks from memory while the lease runs, from the catalog otherwise (DESIGN 4.4).

The shell around `bazaar.core.cache` and `bazaar.core.leases`: one lock around both, the waiting of
readers who share a fill, and the thread that keeps the lease.
"""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from uuid import uuid4

from bazaar.clock import monotonic_s
from bazaar.core.cache import Fill, StockCache, Ticket
from bazaar.core.failures import Failure, UnknownStock, Unreachable
from bazaar.core.leases import Lease, UnknownHolder
from bazaar.core.types import Stock, Version
from bazaar.loops import Loop
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.messages import CachedStock, HolderBody
from bazaar.settings.env import Limits
from bazaar.topology import Node

log = logging.getLogger("bazaar.frontend")


@dataclass(frozen=True, slots=True)
class Reading:
    """A stock as one reader gets it."""

    stock: Stock
    is_hit: bool = False
    is_stale: bool = False
    """From memory without a lease, because the catalog is out of reach: it may be old."""


class StockReader:
    """One holder: its cache, its lease and its fills; safe for many threads."""

    def __init__(self, catalog: CatalogClient, node: Node, limits: Limits) -> None:
        """node: where the catalog reaches this process; its control address is registered."""
        self.catalog, self.limits = catalog, limits
        self.cache = StockCache(limits.cache_stocks_max)
        self.lease = Lease(limits.lease_s)
        self.holder = HolderBody(holder_id=uuid4(), host=node.host, control_port=node.control_port)
        self._is_registered = False
        self._fills: dict[Fill, Future[Stock]] = {}
        self._lock = threading.Lock()
        self._loop = Loop("lease", self.keep_lease, limits.renewal_s)

    def start(self) -> None:
        """Begin to keep a lease; the thread ends with the process."""
        self._loop.start()

    def read(self, stock_name: str, *, is_fresh: bool = False) -> Reading:
        """
        Return a stock that is no older than any change acknowledged before this call (I7).

        is_fresh: ask the catalog even when memory has it.
        Raises UnknownStock (definite); Unreachable (indefinite): the catalog is away and memory has
        nothing, not even old.
        """
        try:
            if is_fresh:
                return Reading(self.catalog.get_stock(stock_name))
            return self._read(stock_name)
        except Unreachable:
            with self._lock:
                old = self.cache.entries.get(stock_name)
            if old is None:
                raise
            return Reading(old, is_stale=True)

    def invalidate(self, changes: Sequence[tuple[str, Version]]) -> None:
        """Forget stocks below a version, before they change."""
        with self._lock:
            for stock_name, version in changes:
                self.cache.invalidate(stock_name, version)

    def remove(self, stock_name: str) -> bool:
        """Forget a stock; tell whether it was in memory."""
        with self._lock:
            return self.cache.remove(stock_name)

    def keep_lease(self) -> None:
        """Renew the lease, or begin one with an empty cache."""
        sent_s = monotonic_s()
        if self._is_registered:
            try:
                self.catalog.renew(self.holder)
            except UnknownHolder:
                self._is_registered = False
                log.warning("lease lost holder=%s", self.holder.holder_id)
            else:
                self._prolong(sent_s)
                return
        with self._lock:
            self.lease.lost()
            self.cache.clear()
        sent_s = monotonic_s()
        self.catalog.register(self.holder)
        self._is_registered = True
        self._prolong(sent_s)
        log.info("lease begun holder=%s", self.holder.holder_id)

    def lease_left_s(self) -> float:
        """Return how long this process may serve from memory, in seconds."""
        return max(0.0, self.lease.valid_until_s - monotonic_s())

    def contents(self) -> tuple[CachedStock, ...]:
        """Return what is in memory, the most recently used last."""
        with self._lock:
            stocks = tuple(self.cache.entries.values())
        return tuple(
            CachedStock(stock_name=stock.name, version=stock.version, quantity=stock.quantity)
            for stock in stocks
        )

    def _prolong(self, sent_s: float) -> None:
        with self._lock:
            self.lease.renewed(sent_s)

    def _read(self, stock_name: str) -> Reading:
        """Answer from memory, or from a fill that this reader owns or may share."""
        while True:
            with self._lock:
                if not self.lease.is_valid(monotonic_s()):
                    break
                if stock := self.cache.get(stock_name):
                    return Reading(stock, is_hit=True)
                ticket = self.cache.join(stock_name)
                future = self._fills.setdefault(ticket.fill, Future())
            if ticket.is_owner:
                return Reading(self._fill(ticket, future))
            stock = self._share(future)
            if stock is not None and ticket.admits(stock):
                return Reading(stock)
        # Without a lease nothing is heard, so nothing may be shared or kept.
        return Reading(self.catalog.get_stock(stock_name))

    def _fill(self, ticket: Ticket, future: "Future[Stock]") -> Stock:
        try:
            stock = self.catalog.get_stock(ticket.fill.stock_name)
        except BaseException as error:
            self._finish(ticket.fill, None)
            future.set_exception(error)
            raise
        self._finish(ticket.fill, stock)
        future.set_result(stock)
        return stock

    def _finish(self, fill: Fill, stock: Stock | None) -> None:
        with self._lock:
            self.cache.finish(fill, stock)
            self._fills.pop(fill, None)

    def _share(self, future: "Future[Stock]") -> Stock | None:
        """Return the answer of somebody else's fill; None when this reader must ask itself."""
        try:
            return future.result(self.limits.call_timeout_s)
        except UnknownStock:
            raise
        except TimeoutError as error:
            raise Unreachable("The catalog did not answer in time.") from error
        except Failure:
            return None
