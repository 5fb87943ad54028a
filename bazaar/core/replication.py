"""
How orders travel from a leader to its followers (docs/DESIGN.md 4.2).

The leader has an `Outbox`: the newest orders, how far each follower has come, and which followers
are *in sync*, that is, whose acknowledgement a trade waits for. A follower checks each `Append`
against its own log with `fresh_orders`: it skips what it has after checking that it is the same
(I1), reports a gap (I8) and returns what to store.

A follower joins the in-sync set once it has every order acknowledged so far (I3). From then on
every acknowledgement waits for it, until it fails and is dropped. Left out: reading old orders for
a follower far behind (the shell does it when `next_append` returns None) and time (the shell drops
a follower that is too slow).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from bazaar.core.digest import link
from bazaar.core.failures import DamagedPage, Diverged, GapFound
from bazaar.core.ledger import Page
from bazaar.core.types import Digest, Order, OrderNo, ReplicaId, Term

TAIL_ORDERS_MAX = 4096
"""Newest orders that a leader keeps in memory for its followers."""

Linked = tuple[Order, Digest]
"""An order and the digest of the history up to and including it."""


class DurableLog(Protocol):
    """A replica's durable order log and its term, on disk or simulated."""

    def append(self, orders: tuple[Linked, ...]) -> None:
        """Store orders in one transaction; durable when this returns."""

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        """Store the highest term heard and its leader; durable when this returns."""

    def digest_at(self, order_no: OrderNo) -> Digest:
        """Return the digest up to an order that the log has; GENESIS for 0."""

    def get(self, order_no: OrderNo) -> Order | None:
        """Return one order, if the log has it."""

    def find(self, keys: tuple[UUID, ...]) -> dict[UUID, Order]:
        """Return the orders that have one of these keys, by key."""


@dataclass(frozen=True, slots=True)
class Append:
    """Orders right after `page.after`, from the leader; without any, a heartbeat."""

    term: Term
    leader: ReplicaId
    page: Page
    token: UUID
    """Of the leadership that sends it: the leader confirms it to whoever asks (docs/adr/0029)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """How far a follower has come."""

    last: OrderNo
    digest: Digest


@dataclass(slots=True)
class Progress:
    """
    One follower as its leader sees it.

    position: the newest order that it is known to have.
    """

    position: OrderNo
    is_in_sync: bool = False
    is_reachable: bool = False


def fresh_orders(page: Page, last: OrderNo, log: DurableLog) -> tuple[Linked, ...]:
    """
    Return the orders of a page that a log lacks, with their digests.

    last: where the log ends.

    Raises GapFound (definite): orders before the page are missing. Raises Diverged (definite): the
    log holds other orders under the same numbers. Raises DamagedPage (definite): the page is not
    dense, or contradicts its own digest.
    """
    if page.after > last:
        raise GapFound(last)
    linked = tuple(link(page.previous, page.orders))
    is_dense = all(order.order_no == at for at, (order, _) in enumerate(linked, page.after + 1))
    # First the page itself: damage on the way must not look like two histories.
    if not is_dense or (linked[-1][1] if linked else page.previous) != page.digest:
        raise DamagedPage(f"Orders {page.after + 1} to {page.end} contradict their digest.")
    if log.digest_at(page.after) != page.previous:
        raise Diverged.at(page.after, log.digest_at(page.after), page.previous)
    known = min(last, page.end) - page.after
    if known > 0 and log.digest_at(linked[known - 1][0].order_no) != linked[known - 1][1]:
        order, theirs = linked[known - 1]
        raise Diverged.at(order.order_no, log.digest_at(order.order_no), theirs)
    return linked[max(known, 0) :]


class Outbox:
    """What the leader of one term has to send, and which followers it waits for."""

    def __init__(
        self,
        term: Term,
        leader: ReplicaId,
        followers: Iterable[ReplicaId],
        start: tuple[OrderNo, Digest],
        token: UUID,
    ) -> None:
        """
        Begin a leadership.

        start: the leader's newest order and its digest. token: random, in each of its appends.
        """
        self.term, self.leader, self.token = term, leader, token
        self.last, self.digest = start
        self.released: OrderNo = self.last
        """The newest order that was, or may have been, acknowledged to a client."""
        self.followers = {replica_id: Progress(self.last) for replica_id in followers}
        self._tail: deque[Linked] = deque(maxlen=TAIL_ORDERS_MAX)
        self._tail_start = start

    def offer(self, orders: tuple[Linked, ...]) -> None:
        """Take new orders for all followers; those it has are skipped."""
        for order, digest in orders:
            if order.order_no <= self.last:
                continue
            assert order.order_no == self.last + 1, "I1: the outbox is dense"
            if len(self._tail) == self._tail.maxlen:
                first, first_digest = self._tail[0]
                self._tail_start = (first.order_no, first_digest)
            self._tail.append((order, digest))
            self.last, self.digest = order.order_no, digest

    def next_append(self, follower: ReplicaId, limit: int) -> Append | None:
        """
        Return what to send next, at most `limit` orders, or a heartbeat.

        None: the follower is too far behind for memory; read the log after its position instead.
        """
        position = min(self.followers[follower].position, self.last)
        after, previous = self._tail_start
        if position < after:
            return None
        skip = position - after
        if skip:
            previous = self._tail[skip - 1][1]
        chosen = [self._tail[at] for at in range(skip, min(skip + limit, len(self._tail)))]
        return Append(
            self.term,
            self.leader,
            Page(
                after=position,
                previous=previous,
                orders=tuple(order for order, _ in chosen),
                digest=chosen[-1][1] if chosen else previous,
                last=self.last,
            ),
            self.token,
        )

    def accepted(self, follower: ReplicaId, accepted: Accepted) -> bool:
        """
        Note how far a follower has come; tell whether it just came in sync (I3).

        Raises Diverged (definite): it ends where the leader does, with another history (I1).
        """
        if accepted.last == self.last and accepted.digest != self.digest:
            raise Diverged.at(self.last, self.digest, accepted.digest)
        progress = self.followers[follower]
        progress.is_reachable = True
        progress.position = accepted.last
        has_joined = not progress.is_in_sync and accepted.last >= self.released
        progress.is_in_sync = progress.is_in_sync or has_joined
        assert not progress.is_in_sync or accepted.last >= self.released, "I3"
        return has_joined

    def rewind(self, follower: ReplicaId, last: OrderNo) -> bool:
        """Note that a follower has less than assumed; tell whether it was in sync."""
        progress = self.followers[follower]
        was_in_sync, progress.is_in_sync = progress.is_in_sync, False
        progress.is_reachable = True
        progress.position = last
        return was_in_sync

    def lost(self, follower: ReplicaId) -> bool:
        """Note that a follower did not acknowledge; tell whether it was in sync."""
        progress = self.followers[follower]
        was_in_sync, progress.is_in_sync = progress.is_in_sync, False
        progress.is_reachable = False
        return was_in_sync

    def laggards(self, upto: OrderNo) -> tuple[ReplicaId, ...]:
        """Return the in-sync followers that do not have `upto` yet."""
        return tuple(
            replica_id
            for replica_id, progress in self.followers.items()
            if progress.is_in_sync and progress.position < upto
        )

    def release(self, upto: OrderNo) -> bool:
        """
        Tell whether `upto` may be acknowledged (I3).

        If so, a follower that joins later must have it.
        """
        if self.laggards(upto):
            return False
        self.released = max(self.released, upto)
        return True

    def in_sync(self) -> tuple[ReplicaId, ...]:
        """Return the ids of all replicas in sync, the leader among them, in order."""
        followers = (one for one, progress in self.followers.items() if progress.is_in_sync)
        return tuple(sorted((self.leader, *followers)))
