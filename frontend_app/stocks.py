"""
Stocks from memory while the lease runs, else from the catalog.

The shell around `bazaar.core.cache` and `bazaar.core.coherence`: one lock around both, the wait of
readers who share a fill, and the thread that keeps the lease.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import islice
from uuid import UUID, uuid4

import msgspec

from bazaar.core.cache import Fill, StockCache, Ticket
from bazaar.core.coherence import Lease
from bazaar.core.failures import Failure, UnknownHolder, UnknownStock, Unreachable
from bazaar.core.listing import ListedNames
from bazaar.core.types import Version
from bazaar.protocol.cache_messages import NAMES_MAX, HolderBody, LeaseBody
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.statuses import CACHED_SHOWN_MAX, CachedStock
from bazaar.runtime.loops import Loop
from bazaar.runtime.metrics import events
from bazaar.runtime.waits import REAL, Waits
from bazaar.settings.env import Limits
from bazaar.topology import Node
from frontend_app.entries import Source, StockEntry, StockRead

log = logging.getLogger("bazaar.frontend")


class StockReader:
    """One holder: its cache, its lease and its fills; safe for many threads."""

    def __init__(
        self,
        catalog: CatalogClient,
        node: Node,
        limits: Limits,
        waits: Waits = REAL,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Begin without a lease.

        node: where the catalog reaches this process; its control address is registered. forget:
        drops what else is remembered of a catalog, when another incarnation of it is met.
        """
        self.catalog, self.limits = catalog, limits
        self._now_s, self._make_future = waits.now_s, waits.make_future
        self.cache: StockCache[StockEntry] = StockCache(limits.cache_stocks_max)
        self.lease, self.listing = Lease(limits.lease_s), ListedNames()
        self.holder = HolderBody(holder_id=uuid4(), host=node.host, control_port=node.control_port)
        """Its id names one registration: each lease that begins has a new one."""
        self._is_registered = False
        self._incarnation: UUID | None = None
        self._forget = forget
        self._is_over = False
        self._away_until_s = 0.0
        self._renewal_sent_s: float | None = None
        """When the renewal was sent that is not answered yet."""
        self._fills: dict[Fill, Future[StockEntry | None]] = {}
        self._lock = threading.Lock()
        self._loop = Loop("lease", self.keep_lease, limits.renewal_s)

    def start(self) -> None:
        """Begin to keep a lease; the thread ends with the process."""
        self._loop.start()

    def read(self, stock_name: str, *, is_fresh: bool = False) -> StockRead:
        """
        Return a stock no older than any change acknowledged before (I7).

        is_fresh: ask the catalog even when memory has it.
        Raises UnknownStock (definite).
        Raises Unreachable (indefinite): the catalog is away and memory has nothing, not even old.
        """
        self.check_listed(stock_name, self._now_s())
        try:
            if is_fresh:
                return StockRead(self._ask(stock_name)[0], Source.REQUEST)
            return self._read(stock_name)
        except Unreachable:
            with self._lock:
                old = self.cache.entries.get(stock_name)
            if old is None:
                raise
            return StockRead(old, Source.STALE, self._age_s(old))

    def check_listed(self, stock_name: str, now_s: float) -> None:
        """
        Raise UnknownStock (definite) for a stock that is surely not listed; see `hit`.

        Names that the listing lacks never reach the catalog, so a flood of them costs it nothing.
        """
        if self.lease.is_valid(now_s) and self.listing.lacks(stock_name):
            raise UnknownStock

    def hit(self, stock_name: str, now_s: float) -> tuple[StockEntry, int] | None:
        """
        Return a stock in memory with its age in s; None without a lease or stock.

        now_s: read from the clock after the request came. No lock is taken: many threads in a lock
        this short wait longer for each other than for the answer. Each step is atomic, and the
        lease is looked at first: what is in memory then was current at `now_s` or later (I7).
        Raises UnknownStock (definite).
        """
        if not self.lease.is_valid(now_s):
            return None
        entry = self.cache.entries.get(stock_name)
        if entry is None:
            self.check_listed(stock_name, now_s)
            return None
        self.cache.touch(stock_name)
        entry.hits += 1
        return entry, int(now_s - entry.since_s)

    def invalidate(self, changes: Sequence[tuple[str, Version]]) -> None:
        """Forget stocks below a version, before they change or are listed."""
        with self._lock:
            self.listing.heard(stock_name for stock_name, _ in changes)
            for stock_name, version in changes:
                self.cache.invalidate(stock_name, version)

    def remove(self, stock_name: str) -> bool:
        """Forget a stock; tell whether it was in memory."""
        with self._lock:
            return self.cache.remove(stock_name)

    def keep_lease(self) -> None:
        """Renew the lease, or begin one with an empty cache; then read what was listed."""
        sent_s = self._now_s()
        if self._is_registered:
            try:
                answer = self._renew(sent_s)
            except Unreachable:
                self._note_end()
                raise
            except UnknownHolder:
                self._is_registered = False
                events.emit(log, logging.WARNING, "lease lost", holder=str(self.holder.holder_id))
            else:
                if answer.incarnation == self._incarnation:
                    self._prolong(sent_s, answer.lease_s)
                    self._read_listing(sent_s, answer.listed)
                    return
        self._begin_lease()

    def _begin_lease(self) -> None:
        """
        Register under a new id; when there is no answer, the next round takes another one.

        So no copy of a registration can speak of what this cache has now, and what such a copy
        begins ends by itself.
        """
        with self._lock:
            self.lease.lost()
            self.cache.clear()
            self.listing.forget()
            self.holder = msgspec.structs.replace(self.holder, holder_id=uuid4())
        sent_s = self._now_s()
        answer = self.catalog.register(self.holder)
        self._is_registered = True
        if answer.incarnation != self._incarnation:  # the ledger may be shorter than what is known
            self._incarnation = answer.incarnation
            self._forget()
            events.emit(log, logging.INFO, "catalog anew", incarnation=str(answer.incarnation))
        self._prolong(sent_s, answer.lease_s)
        events.emit(log, logging.INFO, "lease begun", holder=str(self.holder.holder_id))
        self._read_listing(sent_s, answer.listed)

    def _read_listing(self, sent_s: float, listed: int) -> None:
        """
        Read the names that were listed up to a place, in pages, until it is time to renew.

        Until all are read, the catalog is asked for whatever memory has not.
        """
        while self.listing.end < listed and self._now_s() - sent_s < self.limits.renewal_s:
            page = self.catalog.names(self.listing.end, NAMES_MAX)
            with self._lock:
                self.listing.take(page.names, page.end, listed)

    def lease_left_s(self) -> float:
        """Return how long this process may serve from memory, in seconds."""
        return max(0.0, self.lease.valid_until_s - self._now_s())

    def contents(self) -> tuple[CachedStock, ...]:
        """Return what is in memory, the most recently used first, a bounded number."""
        with self._lock:
            entries = tuple(islice(reversed(self.cache.entries.values()), CACHED_SHOWN_MAX))
        return tuple(
            CachedStock(
                stock_name=entry.name,
                version=entry.version,
                quantity=entry.stock.quantity,
                age_s=self._age_s(entry),
                hits=entry.hits,
            )
            for entry in entries
        )

    def _renew(self, sent_s: float) -> LeaseBody:
        """Renew the lease. Raises UnknownHolder, Unreachable."""
        self._renewal_sent_s, limits = sent_s, self.limits
        try:
            lease_s = self.catalog.renew(self.holder)
        except Unreachable as failure:
            if not failure.is_refused:
                # Silent, and so it is for readers until the next renewal is late in its turn. That
                # may begin late: no reader waits in the gap.
                self._away_until_s = self._now_s() + limits.renewal_s + 2 * limits.ping_timeout_s
            raise
        else:
            self._away_until_s = 0.0
            return lease_s
        finally:
            self._renewal_sent_s = None

    def _is_silent(self, now_s: float) -> bool:
        """Tell whether the catalog did not answer a moment ago: no reader waits for it then."""
        sent_s = self._renewal_sent_s
        is_late = sent_s is not None and now_s - sent_s > self.limits.ping_timeout_s
        return is_late or now_s < self._away_until_s

    def _prolong(self, sent_s: float, lease_s: float) -> None:
        """Count a renewal; the catalog says for how long, whatever is set here."""
        self._is_over = False
        with self._lock:
            self.lease.lease_s = lease_s
            self.lease.renewed(sent_s)

    def _note_end(self) -> None:
        """Tell once when the lease is over because the catalog is out of reach."""
        if not self._is_over and not self.lease.is_valid(self._now_s()):
            self._is_over = True
            events.emit(log, logging.WARNING, "lease over", holder=str(self.holder.holder_id))

    def _read(self, stock_name: str) -> StockRead:
        """Answer from memory, or from a fill that this reader owns or may share."""
        while True:
            with self._lock:
                if not self.lease.is_valid(self._now_s()):
                    break
                if entry := self.cache.get(stock_name):
                    entry.hits += 1
                    return StockRead(entry, Source.HIT, self._age_s(entry))
                ticket = self.cache.join(stock_name)
                future = self._fills.setdefault(ticket.fill, self._make_future())
            if ticket.is_owner:
                return self._fill(ticket, future)
            shared = self._share(ticket, future)
            if shared is not None and ticket.admits(shared):
                return StockRead(shared, Source.COLLAPSED)
        # Without a lease nothing is heard, so nothing may be shared or stored.
        return StockRead(self._ask(stock_name)[0], Source.BYPASS)

    def _ask(self, stock_name: str, *, to_keep: bool = False) -> tuple[StockEntry, bool]:
        """
        Return a stock from the catalog, and whether it may be stored and shared.

        Raises UnknownStock (definite), Unreachable.
        """
        since_s = self._now_s()
        if self._is_silent(since_s):
            raise Unreachable("The catalog did not answer a moment ago.")
        try:
            if to_keep:
                stock, may_keep = self.catalog.fill(stock_name, self.holder.holder_id)
            else:
                stock, may_keep = self.catalog.get_stock(stock_name), False
        except Unreachable as failure:
            if not failure.is_refused:  # silent: do not let every reader wait for it in turn
                self._away_until_s = self._now_s() + self.limits.renewal_s
            raise
        return StockEntry(stock, since_s), may_keep

    def _fill(self, ticket: Ticket, future: "Future[StockEntry | None]") -> StockRead:
        try:
            entry, may_keep = self._ask(ticket.fill.stock_name, to_keep=True)
        except BaseException as error:
            self._finish(ticket.fill, None)
            future.set_exception(error)
            raise
        # A change of it is passing: this reader began before, but others may not have.
        shared = entry if may_keep else None
        is_stored = self._finish(ticket.fill, shared)
        future.set_result(shared)
        return StockRead(entry, Source.STORED if is_stored else Source.MISS)

    def _finish(self, fill: Fill, entry: StockEntry | None) -> bool:
        with self._lock:
            self._fills.pop(fill, None)
            return self.cache.finish(fill, entry)

    def _share(self, ticket: Ticket, future: "Future[StockEntry | None]") -> StockEntry | None:
        """Return the answer of somebody else's fill; None when this reader must ask anew."""
        try:
            return future.result(self.limits.call_timeout_s)
        except TimeoutError as error:
            raise Unreachable("The catalog did not answer in time.") from error
        except UnknownStock:
            if ticket.version_min:  # it may have been listed before this reader began
                return None
            raise
        except Failure:
            return None

    def _age_s(self, entry: StockEntry) -> int:
        return int(self._now_s() - entry.since_s)
