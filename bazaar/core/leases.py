"""
The right to serve from memory, for a while (DESIGN 4.4).

The holder counts from the moment it *sent* a renewal, the catalog from the moment it *received* it,
each on its own monotonic clock: so the holder's lease is always over first. The catalog waits for
every holder with a live lease before it commits a change, and a holder that does not answer is
suspended: it cannot renew, so the wait has an end. Left out: who sends the invalidations, and where
registrations are kept.
"""

from dataclasses import dataclass, field

from bazaar.core.failures import Failure


class UnknownHolder(Failure):
    """The holder was dropped or never registered: forget everything and register (definite)."""

    default_message = "This holder has no lease; clear the cache and register again."


@dataclass(slots=True)
class Lease:
    """A holder's side: whether it may answer from memory."""

    lease_s: float
    valid_until_s: float = 0.0

    def renewed(self, sent_s: float) -> None:
        """Count a renewal that was sent at `sent_s` on this holder's clock."""
        self.valid_until_s = max(self.valid_until_s, sent_s + self.lease_s)

    def lost(self) -> None:
        """End the lease now."""
        self.valid_until_s = 0.0

    def is_valid(self, now_s: float) -> bool:
        """Tell whether the lease still runs."""
        return now_s < self.valid_until_s


@dataclass(slots=True)
class LeaseHolder:
    """The catalog's side of one lease."""

    holder_id: str
    expires_s: float
    is_suspended: bool = False


@dataclass(slots=True)
class Leases:
    """Who may be serving from memory right now, as the catalog must assume."""

    lease_s: float
    holders: dict[str, LeaseHolder] = field(default_factory=dict)

    def register(self, holder_id: str, now_s: float) -> None:
        """Begin a lease; never while a change is between its invalidations and its commit."""
        self.holders[holder_id] = LeaseHolder(holder_id, now_s + self.lease_s)

    def honour(self, holder_id: str, now_s: float) -> None:
        """
        Assume a lease that an earlier run of the catalog may have granted, until it must be over.

        It cannot be renewed: its holder may have missed a change, so it has to begin anew.
        """
        self.holders[holder_id] = LeaseHolder(holder_id, now_s + self.lease_s, is_suspended=True)

    def renew(self, holder_id: str, now_s: float) -> None:
        """Prolong a lease. Raises UnknownHolder (definite)."""
        holder = self.holders.get(holder_id)
        if holder is None or holder.is_suspended or holder.expires_s <= now_s:
            raise UnknownHolder
        holder.expires_s = now_s + self.lease_s

    def suspend(self, holder_id: str) -> float | None:
        """Refuse renewals from now on; return when the lease ends, None if there is none."""
        holder = self.holders.get(holder_id)
        if holder is None:
            return None
        holder.is_suspended = True
        return holder.expires_s

    def drop(self, holder_id: str) -> bool:
        """Forget a holder; tell whether it was known."""
        return self.holders.pop(holder_id, None) is not None

    def live(self, now_s: float) -> tuple[str, ...]:
        """Return the holders whose lease may still run; forget the others."""
        for holder in tuple(self.holders.values()):
            if holder.expires_s <= now_s:
                del self.holders[holder.holder_id]
        return tuple(self.holders)
