"""
Cache coherence: which processes may answer reads from memory.

A *holder* is a process that keeps stocks in memory. Two rules keep what it answers new (I7):

- It answers from memory only while its lease runs. The holder counts the lease from the moment it
  *sent* the renewal (`Lease`), the catalog from the moment it *received* it (`LeaseTable`), each on
  its own monotonic clock, and the holder a little less (`CLOCK_DRIFT_MAX`). So the lease always
  ends at the holder first.
- A change commits only after every holder that may have the stock has forgotten it, or its lease is
  over. For that a holder subscribes to a stock *before* the stock is read. While a change is under
  way no holder can subscribe to its stocks: such an answer may be neither stored nor shared. To
  list a stock is a change for every holder (`listing`).

So, at every moment: a holder that may answer with an older version than the newest committed one is
a subscriber, or has been notified and has forgotten the stock.

Messages arrive late, twice and out of order. So a holder's id names one registration: it is made
anew each time a process begins a lease with an empty cache, and never again. A copy of a
registration changes nothing, and an id whose lease is over never begins another one; its holder may
still have the stocks of the first. For that the table remembers ids longer than a copy can be on
its way.

A lease is of one *epoch* of the catalog (`activity`), and so is everything that is kept under it: a
newer epoch ends the lease, and what an older one says is refused.

Left out: the cache itself (`cache`), sending the notifications, storing the registrations
and the length of that memory (`catalog_app`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeGuard

from bazaar.core.failures import NotActive, UnknownHolder
from bazaar.core.types import NO_EPOCH, Epoch

CLOCK_DRIFT_MAX = 0.01
"""How much faster or slower than real time a clock may run."""


@dataclass(slots=True)
class Lease:
    """
    A holder's side of its lease: whether it may answer from memory.

    The clock of whoever waits for the end may run faster than this one by twice CLOCK_DRIFT_MAX.
    """

    lease_s: float
    valid_until_s: float = 0.0
    epoch: Epoch = NO_EPOCH
    """The newest epoch that this holder has heard of; the lease is of this one."""

    def check(self, epoch: Epoch) -> None:
        """Raise NotActive (definite) for what is said in an older epoch."""
        if epoch < self.epoch:
            raise NotActive(self.epoch, None)

    def hear(self, epoch: Epoch) -> bool:
        """
        Note the epoch of a catalog that was asked; tell whether it is a newer one.

        Then the lease is over, and what was kept under it is to be forgotten. Raises NotActive
        (definite): it is older.
        """
        self.check(epoch)
        if epoch == self.epoch:
            return False
        self.lost()
        self.epoch = epoch
        return True

    def renewed(self, sent_s: float) -> None:
        """Count a renewal that was sent at `sent_s` on this holder's clock."""
        until_s = sent_s + self.lease_s * (1 - 2 * CLOCK_DRIFT_MAX)
        self.valid_until_s = max(self.valid_until_s, until_s)

    def lost(self) -> None:
        """End the lease now."""
        self.valid_until_s = 0.0

    def is_valid(self, now_s: float) -> bool:
        """Tell whether the lease still runs."""
        return now_s < self.valid_until_s


@dataclass(slots=True)
class GrantedLease:
    """The catalog's side of one lease."""

    expires_s: float
    is_suspended: bool = False
    """Whether it cannot be renewed: its holder may have missed a change."""
    has_unknown_stocks: bool = False
    """Whether its holder may have any stock: it subscribed before the catalog restarted."""


def _is_renewable(lease: GrantedLease | None, now_s: float) -> TypeGuard[GrantedLease]:
    return lease is not None and not lease.is_suspended and now_s < lease.expires_s


@dataclass(slots=True)
class LeaseTable:
    """
    The catalog's leases and subscriptions.

    One lock around each call, one change at a time.
    """

    lease_s: float
    leases: dict[str, GrantedLease] = field(default_factory=dict)
    """By holder, in the order in which the leases began."""
    ended: dict[str, float] = field(default_factory=dict)
    """When the lease of each holder that is remembered ended, the oldest first."""
    subscribers: dict[str, set[str]] = field(default_factory=dict)
    """The holders that may have a stock, by its name."""
    changing: set[str] = field(default_factory=set)
    """The stocks of the change that is under way."""

    def register(self, holder_id: str, now_s: float) -> bool:
        """
        Begin the lease of a holder whose cache is empty; tell whether it began now.

        A copy of a registration changes nothing, neither its lease nor what its holder may have.
        Never while a change is under way.
        Raises UnknownHolder (definite): the lease is over, or may not be renewed.
        """
        lease = self.leases.get(holder_id)
        if lease is None and holder_id not in self.ended:
            self.leases[holder_id] = GrantedLease(now_s + self.lease_s)
            return True
        if not _is_renewable(lease, now_s):
            raise UnknownHolder
        return False

    def honour(self, holder_id: str, now_s: float) -> None:
        """
        Assume a lease that the catalog may have granted before it restarted.

        It cannot be renewed, because its holder may have missed a change: the holder must register.
        """
        self.leases[holder_id] = GrantedLease(
            now_s + self.lease_s, is_suspended=True, has_unknown_stocks=True
        )

    def renew(self, holder_id: str, now_s: float) -> None:
        """Prolong a lease. Raises UnknownHolder (definite)."""
        lease = self.leases.get(holder_id)
        if not _is_renewable(lease, now_s):
            raise UnknownHolder
        lease.expires_s = now_s + self.lease_s

    def drop_expired(self, now_s: float) -> tuple[str, ...]:
        """Drop the holders whose lease is over, and return them."""
        expired = tuple(one for one, lease in self.leases.items() if lease.expires_s <= now_s)
        for holder_id in expired:
            self.drop(holder_id, now_s)
        return expired

    def drop(self, holder_id: str, now_s: float) -> None:
        """End the lease of a holder, and remember its id."""
        self.leases.pop(holder_id, None)
        self.ended.setdefault(holder_id, now_s)
        for stock_name in tuple(self.subscribers):
            self.unsubscribe(holder_id, stock_name)

    def forget_ended(self, before_s: float) -> tuple[str, ...]:
        """Forget, and return, the holders whose lease ended before a time."""
        forgotten = tuple(one for one, ended_s in self.ended.items() if ended_s < before_s)
        for holder_id in forgotten:
            del self.ended[holder_id]
        return forgotten

    def subscribe(self, holder_id: str, stock_name: str) -> bool:
        """
        Note that a holder will store a stock; call it before the stock is read.

        Returns False when the holder must not store it: it has no lease, or the stock is changing.
        """
        if holder_id not in self.leases or stock_name in self.changing:
            return False
        self.subscribers.setdefault(stock_name, set()).add(holder_id)
        return True

    def unsubscribe(self, holder_id: str, stock_name: str) -> None:
        """Note that a holder does not have a stock."""
        subscribers = self.subscribers.get(stock_name)
        if subscribers is not None:
            subscribers.discard(holder_id)
            if not subscribers:
                del self.subscribers[stock_name]

    def begin_change(
        self, stock_names: Collection[str], *, is_listing: bool = False
    ) -> tuple[str, ...]:
        """
        Begin a change; return the holders to notify: each forgets, or its lease ends.

        is_listing: some of the stocks are new. Every holder may know that they were not there.
        """
        self.changing.update(stock_names)
        if is_listing:
            return tuple(self.leases)
        subscribed = set[str]().union(*(self.subscribers.get(name, ()) for name in stock_names))
        return tuple(
            holder_id
            for holder_id, lease in self.leases.items()
            if lease.has_unknown_stocks or holder_id in subscribed
        )

    def acknowledged(self, holder_id: str, stock_names: Iterable[str]) -> None:
        """Note that a holder has forgotten these stocks."""
        for stock_name in stock_names:
            self.unsubscribe(holder_id, stock_name)

    def not_acknowledged(self, holder_id: str, now_s: float) -> float:
        """
        Note that a holder did not answer; it cannot renew any more.

        Returns how many seconds its lease may still run; 0: it is over, drop the holder.
        """
        lease = self.leases.get(holder_id)
        if lease is None:
            return 0.0
        lease.is_suspended = True
        return max(lease.expires_s - now_s, 0.0)

    def end_change(self) -> None:
        """End the change: it is committed, or given up."""
        self.changing.clear()
