"""
Stocks from memory while the lease runs, else from the catalog.

The shell around `bazaar.core.cache`, `coherence` and `listing`: one lock around them, the readers
who share a fill, and the thread that keeps the lease. How the catalog is asked: `catalog_reads`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID, uuid4

import msgspec

from bazaar.core.cache import Fill, StockCache, Ticket
from bazaar.core.coherence import Lease
from bazaar.core.failures import Busy, UnknownHolder, UnknownStock, Unreachable
from bazaar.core.listing import ListedNames
from bazaar.core.types import Epoch, Version
from bazaar.protocol import tracing
from bazaar.protocol.cache_messages import NAMES_MAX, HolderBody, LeaseBody
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.messages import StocksBody
from bazaar.protocol.statuses import CACHED_SHOWN_MAX, CachedStock
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.loops import Loop
from bazaar.runtime.metrics import events
from bazaar.runtime.waits import REAL, EventLoop, Waits
from bazaar.settings.env import Limits
from bazaar.topology import Node
from frontend_app.catalog_reads import (
    CatalogReads,
    Found,
    TakeFound,
    TakeMaybe,
    Wanted,
    share_found,
    take_found,
)
from frontend_app.entries import Source, StockEntry, StockRead
from frontend_app.parked_reads import ParkedReads

log = get_log("bazaar.frontend")

TakeRead = Callable[[StockRead | Exception], None]
Ask = Callable[[Wanted, TakeFound], None]
"""Has the catalog asked for a stock, now or later."""


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
        self._is_registered = self._is_retired = self._is_over = False
        self._incarnation: UUID | None = None
        self._forget = forget
        self._fills: dict[Fill, list[tuple[Ticket, TakeMaybe]]] = {}
        """The fills under way, each with the readers that share it."""
        self._reads = CatalogReads(
            catalog, limits, lambda: self.holder.holder_id, waits, self.hear_epoch
        )
        self._lock = threading.Lock()
        self.parked = ParkedReads(waits.now_s)
        """Reads that wait for a catalog which is being restarted."""
        self._loop = Loop("lease", self._round, limits.renewal_s)

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
        while True:
            future = self._make_future()
            self._begin(stock_name, is_fresh, self._reads.read, future.set_result)
            try:
                read = future.result(self.limits.call_timeout_s)
            except TimeoutError:
                read = Unreachable("The catalog did not answer in time.")
            if read is not None:
                read = self._or_stale(stock_name, read)
                if isinstance(read, Exception):
                    raise read
                return read

    def read_later(
        self, stock_name: str, *, is_fresh: bool, loop: EventLoop | None, done: TakeRead
    ) -> None:
        """
        Read a stock as `read` does, without a thread that waits for it.

        loop: asks the catalog, if there is one. done: called once, from any thread.
        """

        def take(read: StockRead | Exception | None) -> None:
            answer = None if read is None else self._or_stale(stock_name, read)
            if answer is None:
                begin_again()
            elif not (isinstance(answer, Unreachable) and self.parked.park(again)):
                done(answer)

        def again() -> None:
            if loop is None:
                begin_again()
            else:
                loop.call_soon(begin_again)

        def begin_again() -> None:
            with tracing.bind(span):  # it is another thread's now
                self._begin(stock_name, is_fresh, ask, take)

        ask, span = partial(self._reads.read_later, loop), tracing.current()
        self._begin(stock_name, is_fresh, ask, take)

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

    def search(self, text: str | None, after: str | None, limit: int) -> StocksBody:
        """
        Return a page of stocks from the catalog, by name.

        They are no older than any change acknowledged before. text: what their names contain; None:
        all. after: a name; None: from the first. Raises Unreachable (indefinite).
        """
        self._reads.check_silence()
        try:
            return self.catalog.search(text, after, limit)
        except Unreachable as failure:
            if not failure.is_refused:
                self._reads.note_silence()
            raise

    def hear_epoch(self, epoch: Epoch) -> None:
        """
        Note the epoch of a catalog that was asked; a newer one ends the lease.

        When this returns, nothing is kept of older epochs. Raises NotActive (definite): it is over.
        """
        with self._lock:
            if not self.lease.hear(epoch):
                return
            self.cache.clear()
            self.listing.forget()
            self._is_registered = False
        events.emit(log, logging.INFO, "catalog epoch", epoch=epoch)
        self._loop.poke()

    def invalidate(self, epoch: Epoch, changes: Sequence[tuple[str, Version]]) -> None:
        """Forget stocks below a version, before they change or are listed. Raises NotActive."""
        with self._lock:
            self.lease.check(epoch)
            self.listing.heard(stock_name for stock_name, _ in changes)
            for stock_name, version in changes:
                self.cache.invalidate(stock_name, version)

    def remove(self, stock_name: str) -> bool:
        """Forget a stock; tell whether it was in memory."""
        with self._lock:
            return self.cache.remove(stock_name)

    def _round(self) -> None:
        try:
            self.keep_lease()
        finally:
            self.parked.resume()

    def keep_lease(self) -> None:
        """Renew the lease, or begin one with an empty cache; then read what was listed."""
        if self._is_retired:
            return
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
                self.hear_epoch(Epoch(answer.epoch))
                if self._is_registered and answer.incarnation == self._incarnation:
                    self._prolong(sent_s, answer)
                    self._read_listing(sent_s, answer.listed)
                    return
        self._begin_lease()

    def move(self, node: Node) -> None:
        """Register anew at another control address; see `keep_lease`."""
        self.holder = msgspec.structs.replace(
            self.holder, host=node.host, control_port=node.control_port
        )
        self._is_registered = False
        self._loop.poke()

    def end_lease(self) -> None:
        """Keep the lease no more, for good."""
        self._is_retired = True
        self.lease.lost()

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
        self._reads.note_answer()
        self.hear_epoch(Epoch(answer.epoch))
        self._is_registered = True
        if answer.incarnation != self._incarnation:  # the ledger may be shorter than what is known
            self._incarnation = answer.incarnation
            self.cache.forgotten.clear()
            self._forget()
            events.emit(log, logging.INFO, "catalog anew", incarnation=str(answer.incarnation))
        self._prolong(sent_s, answer)
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
            entries = list(self.cache.entries.values())[::-1]  # one step: a hit takes no lock
        return tuple(one.describe(self._age_s(one)) for one in entries[:CACHED_SHOWN_MAX])

    def _renew(self, sent_s: float) -> LeaseBody:
        """Renew the lease. Raises UnknownHolder, Unreachable."""
        self._reads.renewal_sent_s = sent_s
        try:
            lease_s = self.catalog.renew(self.holder)
        except Unreachable as failure:
            if not failure.is_refused:
                # Silent, and so it is for readers until the next renewal is late in its turn. That
                # may begin late: no reader waits in the gap.
                self._reads.note_silence(2 * self.limits.ping_timeout_s)
            raise
        else:
            self._reads.note_answer()
            return lease_s
        finally:
            self._reads.renewal_sent_s = None

    def _prolong(self, sent_s: float, answer: LeaseBody) -> None:
        """Count a renewal; the catalog says for how long, whatever is set here."""
        self._is_over = False
        with self._lock:
            if answer.epoch == self.lease.epoch:  # else a newer one was heard of meanwhile
                self.lease.lease_s = answer.lease_s
                self.lease.renewed(sent_s)

    def _note_end(self) -> None:
        """Tell once when the lease is over because the catalog is out of reach."""
        if not self._is_over and not self.lease.is_valid(self._now_s()):
            self._is_over = True
            events.emit(log, logging.WARNING, "lease over", holder=str(self.holder.holder_id))

    def _begin(self, stock_name: str, is_fresh: bool, ask: Ask, take: TakeMaybe) -> None:  # noqa: FBT001
        """
        Begin to answer one reader: from memory, or from a fill that it owns or may share.

        take: gets the answer once; None: a fill that it shared is not for it, so it begins anew.
        """
        now_s = self._now_s()
        try:
            self.check_listed(stock_name, now_s)
        except UnknownStock as unknown:
            take(unknown)
            return
        if is_fresh:
            self._ask(
                Wanted(stock_name, to_keep=False), ask, partial(take_found, Source.REQUEST, take)
            )
            return
        with self._lock:
            has_lease = self.lease.is_valid(now_s)
            entry = self.cache.get(stock_name) if has_lease else None
            if has_lease and entry is None:
                ticket = self.cache.join(stock_name)
                readers = self._fills.setdefault(ticket.fill, [])
                if not ticket.is_owner:
                    readers.append((ticket, take))
                    return
        if entry is not None:
            entry.hits += 1
            take(StockRead(entry, Source.HIT, self._age_s(entry)))
        elif has_lease:
            self._ask(Wanted(stock_name, to_keep=True), ask, partial(self._end, ticket, take))
        else:  # Without a lease nothing is heard, so nothing may be shared or stored.
            self._ask(
                Wanted(stock_name, to_keep=False), ask, partial(take_found, Source.BYPASS, take)
            )

    def _ask(self, wanted: Wanted, ask: Ask, done: TakeFound) -> None:
        """Have the catalog asked, unless it was silent a moment ago."""
        try:
            self._reads.check_silence()
            ask(wanted, done)
        except (Unreachable, Busy) as failure:
            done(failure)

    def _end(self, ticket: Ticket, take: TakeMaybe, found: Found | Exception) -> None:
        """End a fill: answer its owner and all who share it."""
        entry, may_keep = (None, False) if isinstance(found, Exception) else found
        # A change of it is passing: this reader began before, but others may not have.
        shared = entry if may_keep else None
        with self._lock:
            readers = self._fills.pop(ticket.fill, [])
            is_stored = self.cache.finish(ticket.fill, shared)
        take_found(Source.STORED if is_stored else Source.MISS, take, found)
        for one, take_shared in readers:
            try:
                take_shared(share_found(one, found, shared))
            except Exception:  # the others want theirs
                log.exception("a shared stock was not taken")

    def _or_stale(self, stock_name: str, read: StockRead | Exception) -> StockRead | Exception:
        """Return what memory has, marked as stale, when the catalog cannot tell."""
        if isinstance(read, Unreachable):
            with self._lock:
                old = self.cache.find_old(stock_name)
            if old is not None:
                return StockRead(old, Source.STALE, self._age_s(old))
        return read

    def _age_s(self, entry: StockEntry) -> int:
        return int(self._now_s() - entry.since_s)
