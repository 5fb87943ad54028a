"""
Who serves stocks from memory, and how they are made to forget (DESIGN 4.4).

They are told (`begin`) after a decision and waited for (`finish`) before its commit: then no
process may answer from memory with what the commit is about to change. It takes as long as the
slowest holder, at most the rest of that holder's lease.
"""

import logging
import threading
from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from bazaar.core.failures import Failure
from bazaar.core.leases import Leases
from bazaar.core.subscriptions import Subscriptions
from bazaar.core.types import Version
from bazaar.runtime.metrics import events

log = logging.getLogger("bazaar.catalog")

INVALIDATE_TIMEOUT_S = 0.5
"""How long one invalidation may take before its holder cannot renew any more."""
RETRY_S = 0.05
LEAST_S = 0.001
"""How long the last of several answers is waited for when the others took all the time."""

Change = tuple[str, Version]
Begun = tuple[str, Callable[[float], None]]
"""A holder that is being told, and what waits for its answer."""


class HolderClient(Protocol):
    """How the catalog reaches a holder."""

    def invalidate(self, changes: Sequence[Change], timeout_s: float) -> None:
        """Have stocks forgotten below a version. Raises Failure."""

    def begin_invalidate(self, changes: Sequence[Change]) -> Callable[[float], None] | None:
        """Begin the same; return what waits for the answer, or None when that is not possible."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, handed in."""

    now_s: Callable[[], float]
    wait: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Invalidation:
    """Leases that are being made to forget stocks."""

    lease_table: "LeaseTable"
    changes: Sequence[Change]
    subscribers: Set[str]
    """The holders that may have one of the stocks."""
    left: Sequence[str]
    begun: Sequence[Begun]

    def finish(self) -> tuple[str, ...]:
        """Wait until all have forgotten, or their leases are over; return who was dropped."""
        return self.lease_table.finish(self)


class LeaseTable:
    """The leases that the catalog has granted, with a client for each holder."""

    def __init__(self, lease_s: float, clock: Clock) -> None:
        """lease_s: how long a lease runs from its last renewal."""
        self._holders = Leases(lease_s)
        self._subscriptions = Subscriptions()
        self._clients: dict[str, HolderClient] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="invalidate")
        self.lease_s = lease_s

    def register(self, holder_id: str, client: HolderClient) -> None:
        """Begin a lease; the caller holds the writer's lock, so no change is under way."""
        with self._lock:
            self._holders.register(holder_id, self._clock.now_s())
            self._subscriptions.drop(holder_id)
            self._clients[holder_id] = client
        events.emit(log, logging.INFO, "holder registered", holder=holder_id)

    def honour(self, holder_id: str, client: HolderClient) -> None:
        """Assume a lease that an earlier run of the catalog may have granted."""
        with self._lock:
            self._holders.honour(holder_id, self._clock.now_s())
            self._subscriptions.suspect(holder_id)
            self._clients[holder_id] = client

    def admit(self, holder_id: str, stock_name: str) -> bool:
        """
        Note that a holder will keep a stock; tell whether it may.

        Call it before the stock is read. False: it has no lease, or the stock is changing just now.
        """
        with self._lock:
            return holder_id in self._clients and self._subscriptions.admit(holder_id, stock_name)

    def forget(self, holder_id: str, stock_name: str) -> None:
        """Note that a holder does not keep a stock after all."""
        with self._lock:
            self._subscriptions.forget(holder_id, stock_name)

    def renew(self, holder_id: str) -> None:
        """Prolong a lease. Raises UnknownHolder (definite)."""
        with self._lock:
            self._holders.renew(holder_id, self._clock.now_s())

    def live(self) -> tuple[str, ...]:
        """Return the holders whose lease may still run."""
        with self._lock:
            live = self._holders.live(self._clock.now_s())
            over = set(self._clients) - set(live)
            for holder_id in over:
                del self._clients[holder_id]
                self._subscriptions.drop(holder_id)
        for holder_id in over:
            events.emit(log, logging.INFO, "lease over", holder=holder_id)
        return live

    def begin(self, changes: Sequence[Change]) -> "Invalidation":
        """
        Begin to make every holder that may have them forget stocks; call `finish` on what comes.

        Until `settle` nobody else may keep them.
        """
        live, names = self.live(), [name for name, _ in changes]
        with self._lock:
            subscribers = self._subscriptions.begin(names)
        concerned = [one for one in live if one in subscribers]
        return Invalidation(self, changes, subscribers, *self._begin_together(concerned, changes))

    def finish(self, invalidation: "Invalidation") -> tuple[str, ...]:
        """Wait until every holder has forgotten, or its lease is over; return who was dropped."""
        changes = invalidation.changes
        left = [*invalidation.left, *self._finish_together(invalidation.begun)]
        if len(left) <= 1:
            is_told = [self._insist(holder, changes) for holder in left]
        else:
            is_told = list(self._pool.map(lambda holder: self._insist(holder, changes), left))
        dropped = tuple(holder for holder, told in zip(left, is_told, strict=True) if not told)
        with self._lock:
            for holder_id in invalidation.subscribers - set(dropped):
                self._subscriptions.told(holder_id, [name for name, _ in changes])
        return dropped

    def settle(self) -> None:
        """End what `begin` began: the change is committed, or given up."""
        with self._lock:
            self._subscriptions.end()

    def _begin_together(
        self, concerned: Sequence[str], changes: Sequence[Change]
    ) -> tuple[list[str], list[Begun]]:
        """
        Tell holders side by side from this one thread; return who could not be told so, and who
        was.

        Threads that each tell one holder cost several times as much as what they have to say.
        """
        left: list[str] = []
        begun: list[Begun] = []
        for holder_id in concerned:
            client = self._clients.get(holder_id)
            finish = client.begin_invalidate(changes) if client else None
            if finish is None:
                left.append(holder_id)
            else:
                begun.append((holder_id, finish))
        return left, begun

    def _finish_together(self, begun: Sequence[Begun]) -> list[str]:
        """Take the answers; return who did not answer."""
        left: list[str] = []
        until_s = self._clock.now_s() + INVALIDATE_TIMEOUT_S
        for holder_id, finish in begun:
            try:
                finish(max(until_s - self._clock.now_s(), LEAST_S))
            except Failure:
                with self._lock:
                    self._holders.suspend(holder_id)
                left.append(holder_id)
        return left

    def _insist(self, holder_id: str, changes: Sequence[Change]) -> bool:
        """Tell one holder until it answers or its lease is over; tell whether it answered."""
        client = self._clients.get(holder_id)
        if client is None:
            return False  # its lease ended this moment
        timeout_s = INVALIDATE_TIMEOUT_S
        while True:
            try:
                client.invalidate(changes, timeout_s)
            except Failure as failure:
                with self._lock:
                    expires_s = self._holders.suspend(holder_id)
                left_s = 0.0 if expires_s is None else expires_s - self._clock.now_s()
                if left_s <= 0:
                    self._drop(holder_id, failure)
                    return False
                self._clock.wait(min(RETRY_S, left_s))
                timeout_s = min(INVALIDATE_TIMEOUT_S, left_s)
            else:
                return True

    def _drop(self, holder_id: str, failure: Failure) -> None:
        with self._lock:
            self._holders.drop(holder_id)
            self._subscriptions.drop(holder_id)
            self._clients.pop(holder_id, None)
        reason = failure.message
        events.emit(log, logging.WARNING, "holder dropped", holder=holder_id, reason=reason)
