"""
The shell of the lease table: lock, threads, clock, clients of the holders.

Holders are notified (`begin`) after a decision and waited for (`finish`) before its commit. Then no
process may answer from memory with what the commit is about to change (I7). It takes as long as the
slowest holder, at most the rest of that holder's lease.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from bazaar.core.coherence import LeaseTable
from bazaar.core.failures import Failure
from bazaar.core.types import VERSION_FIRST
from bazaar.protocol import signing, tracing
from bazaar.protocol.clients import Change
from bazaar.protocol.tracing import Span
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events

log = get_log("bazaar.catalog")

INVALIDATE_TIMEOUT_S = 0.5
"""How long one notification may take before its holder cannot renew any more."""
RETRY_S = 0.05
REGISTRATION_WAIT_MAX_S = 60.0
"""How long a registration may wait for the writer's lock; then it is refused."""
REMEMBERED_S = 2 * signing.VALID_S + REGISTRATION_WAIT_MAX_S
"""
How long the id of a holder is remembered after its lease.

A copy of its registration must find it (`bazaar.core.coherence`). A signature is good from 30 s
before its stamp to 30 s after it, whatever clock made the stamp: so a copy is taken for 60 s after
the first one at most, and then waits for the writer's lock.
"""


class PendingInvalidation(Protocol):
    """A notification that was sent, and whose answer is not read yet."""

    def finish(self, until_s: float) -> None:
        """Wait for the answer; until_s: on the monotonic clock. Raises Failure."""


class HolderClient(Protocol):
    """How the catalog reaches a holder."""

    def invalidate(self, changes: Sequence[Change], timeout_s: float) -> None:
        """Have stocks forgotten below a version. Raises Failure."""

    def begin_invalidate(self, changes: Sequence[Change]) -> PendingInvalidation | None:
        """Begin the same; None when that is not possible now."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, as a parameter."""

    now_s: Callable[[], float]
    """Seconds on a clock that never goes back."""
    wait: Callable[[float], None]


SideBySide = Callable[[Callable[[str], bool], Sequence[str]], Iterable[bool]]
"""Call a function for each of some holders at the same time; return the results in order."""


@dataclass(frozen=True, slots=True)
class _Notification:
    """What was sent to one holder."""

    holder_id: str
    pending: PendingInvalidation | None
    """The notification under way; None: it could not be begun."""
    span: Span | None


@dataclass(frozen=True, slots=True)
class Invalidation:
    """Holders that are being notified of a change."""

    changes: Sequence[Change]
    notifications: Sequence[_Notification]


class LeaseTableShell:
    """The leases that the catalog has granted, with a client for each holder."""

    def __init__(
        self, lease_s: float, clock: Clock, side_by_side: SideBySide | None = None
    ) -> None:
        """
        lease_s: how long a lease runs from its last renewal.

        side_by_side: waits for several holders at once; by default in threads.
        """
        self.lease_s, self.table = lease_s, LeaseTable(lease_s)
        self._clients: dict[str, HolderClient] = {}
        self._clock = clock
        self._lock = threading.Lock()
        pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="invalidate")
        self._side_by_side = side_by_side or pool.map

    def register(self, holder_id: str, client: HolderClient) -> None:
        """
        Begin a lease; the caller holds the writer's lock, so no change is under way.

        Raises UnknownHolder (definite): this id had its lease.
        """
        with self._lock:
            has_begun = self.table.register(holder_id, self._clock.now_s())
            if has_begun:
                self._clients[holder_id] = client
        if has_begun:
            events.emit(log, logging.INFO, "holder registered", holder=holder_id)

    def honour(self, holder_id: str, client: HolderClient) -> None:
        """Assume a lease that the catalog may have granted before it restarted."""
        with self._lock:
            self.table.honour(holder_id, self._clock.now_s())
            self._clients[holder_id] = client

    def remember(self, holder_id: str) -> None:
        """Remember a holder whose lease was over before the catalog restarted."""
        with self._lock:
            self.table.drop(holder_id, self._clock.now_s())

    def is_known(self, holder_id: str) -> bool:
        """Tell whether this holder has registered before."""
        with self._lock:
            return holder_id in self.table.leases or holder_id in self.table.ended

    def forget_ended(self) -> tuple[str, ...]:
        """Forget, and return, the holders of which no copy can arrive any more."""
        with self._lock:
            return self.table.forget_ended(self._clock.now_s() - REMEMBERED_S)

    def count_known(self) -> int:
        """Return how many holders have a lease or are remembered."""
        with self._lock:
            return len(self.table.leases) + len(self.table.ended)

    def renew(self, holder_id: str) -> None:
        """Prolong a lease. Raises UnknownHolder (definite)."""
        with self._lock:
            self.table.renew(holder_id, self._clock.now_s())

    def subscribe(self, holder_id: str, stock_name: str) -> bool:
        """Note, before a stock is read, that a holder will store it; tell whether it may."""
        with self._lock:
            return self.table.subscribe(holder_id, stock_name)

    def list_holders(self) -> tuple[str, ...]:
        """Return the holders whose lease may still run; drop the others."""
        with self._lock:
            expired = self.table.drop_expired(self._clock.now_s())
            for holder_id in expired:
                del self._clients[holder_id]
            holders = tuple(self.table.leases)
        for holder_id in expired:
            events.emit(log, logging.INFO, "lease over", holder=holder_id)
        return holders

    def begin(self, changes: Sequence[Change]) -> Invalidation:
        """
        Notify every holder that may have these stocks to forget them.

        Of a new stock every holder is notified. Then `finish`, commit, `settle`; until `settle` no
        holder may store them. All notifications go out from this thread, because a thread for each
        costs several times as much as it sends.
        """
        self.list_holders()
        is_listing = any(version == VERSION_FIRST for _, version in changes)
        with self._lock:
            names = [stock_name for stock_name, _ in changes]
            notified = self.table.begin_change(names, is_listing=is_listing)
            clients = [(holder_id, self._clients[holder_id]) for holder_id in notified]
        return Invalidation(changes, [_notify(changes, *holder) for holder in clients])

    def finish(self, invalidation: Invalidation) -> tuple[str, ...]:
        """
        Wait until every holder has forgotten, or its lease is over.

        Returns the holders that were dropped.
        """
        changes = invalidation.changes
        until_s = self._clock.now_s() + INVALIDATE_TIMEOUT_S
        spans = {one.holder_id: one.span for one in invalidation.notifications}
        left = [
            one.holder_id
            for one in invalidation.notifications
            if one.pending is None or not self._has_acknowledged(one, changes, until_s)
        ]

        def insist(holder_id: str) -> bool:
            with tracing.bind(spans[holder_id]):  # it may be another thread's
                is_done = self._insist(holder_id, changes)
            _end(spans[holder_id], "" if is_done else "It did not answer: its lease is over.")
            return is_done

        is_done = map(insist, left) if len(left) <= 1 else self._side_by_side(insist, left)
        return tuple(holder_id for holder_id, done in zip(left, is_done, strict=True) if not done)

    def are_settled(self, stock_names: Iterable[str]) -> bool:
        """Tell whether none of some stocks is under change."""
        with self._lock:
            return self.table.changing.isdisjoint(stock_names)

    def settle(self) -> None:
        """End what `begin` began: the change is committed, or given up."""
        with self._lock:
            self.table.end_change()

    def _has_acknowledged(
        self, notification: _Notification, changes: Sequence[Change], until_s: float
    ) -> bool:
        """
        Take the answer to a notification that is under way.

        Tell whether the holder has forgotten the stocks.
        """
        assert notification.pending is not None, "it was begun"
        try:
            notification.pending.finish(until_s)
        except Failure:
            with self._lock:
                self.table.not_acknowledged(notification.holder_id, self._clock.now_s())
            return False
        _end(notification.span)
        self._acknowledged(notification.holder_id, changes)
        return True

    def _insist(self, holder_id: str, changes: Sequence[Change]) -> bool:
        """
        Notify a holder until it answers, or its lease is over.

        Tell whether it answered.
        """
        timeout_s = INVALIDATE_TIMEOUT_S
        while client := self._clients.get(holder_id):
            try:
                client.invalidate(changes, timeout_s)
            except Failure as failure:
                with self._lock:
                    left_s = self.table.not_acknowledged(holder_id, self._clock.now_s())
                if not left_s:
                    self._drop(holder_id, failure)
                    return False
                self._clock.wait(min(RETRY_S, left_s))
                timeout_s = min(INVALIDATE_TIMEOUT_S, left_s)
            else:
                self._acknowledged(holder_id, changes)
                return True
        return False  # its lease ended meanwhile

    def _acknowledged(self, holder_id: str, changes: Sequence[Change]) -> None:
        with self._lock:
            self.table.acknowledged(holder_id, [stock_name for stock_name, _ in changes])

    def _drop(self, holder_id: str, failure: Failure) -> None:
        with self._lock:
            self.table.drop(holder_id, self._clock.now_s())
            self._clients.pop(holder_id, None)
        reason = failure.message
        events.emit(log, logging.WARNING, "holder dropped", holder=holder_id, reason=reason)


def _notify(changes: Sequence[Change], holder_id: str, client: HolderClient) -> _Notification:
    """Notify one holder, and begin the span of that."""
    span = tracing.begin_child("invalidate", holder=holder_id)
    with tracing.bind(span):
        return _Notification(holder_id, client.begin_invalidate(changes), span)


def _end(span: Span | None, error: str = "") -> None:
    if span is not None:
        span.end(error)
