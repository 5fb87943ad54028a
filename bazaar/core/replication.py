"""
How entries travel from a leader to its followers (docs/DESIGN.md 4.2).

The leader has an `Outbox`: the newest entries, how far each follower has come, and which followers
are *in sync*, that is, whose acknowledgement a trade waits for. A follower checks each `Append`
against its own log with `fresh_entries`: it skips what it has after checking that it is the same
(I1), reports a gap (I8) and returns what to store.

A follower joins the in-sync set once it has every entry acknowledged so far (I3). From then on
every acknowledgement waits for it, until it fails and is dropped. Left out: reading old entries for
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
from bazaar.core.types import (
    Digest,
    Head,
    Linked,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Term,
)

TAIL_ENTRIES_MAX = 4096
"""Newest entries that a leader keeps in memory for its followers."""


class DigestLog(Protocol):
    """What is compared with a page."""

    def digest_at(self, position: Position) -> Digest:
        """Return the digest up to an entry that the log has; GENESIS for 0."""


class DurableLog(DigestLog, Protocol):
    """A replica's durable order log and its term, on disk or simulated."""

    def append(self, entries: tuple[Linked, ...]) -> None:
        """Store entries in one transaction; durable when this returns."""

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        """Store the highest term heard and its leader; durable when this returns."""

    def get(self, order_no: OrderNo) -> Order | None:
        """Return one order, if the log has it."""

    def find(self, keys: tuple[UUID, ...]) -> dict[UUID, Order]:
        """Return the orders that have one of these keys, by key."""


@dataclass(frozen=True, slots=True)
class Append:
    """Entries right after `page.after`, from the leader; without any, a heartbeat."""

    term: Term
    leader: ReplicaId
    page: Page
    token: UUID
    """Of the leadership that sends it: the leader confirms it to whoever asks (docs/adr/0029)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """How far a follower has come."""

    last: Position
    digest: Digest


@dataclass(slots=True)
class Progress:
    """
    One follower as its leader sees it.

    position: the newest entry that it is known to have.
    """

    position: Position
    is_in_sync: bool = False
    is_reachable: bool = False


def fresh_entries(page: Page, head: Head, log: DigestLog) -> tuple[Linked, ...]:
    """
    Return the entries of a page that a log lacks.

    head: where the log ends.

    Raises GapFound (definite): entries before the page are missing. Raises Diverged (definite): the
    log holds other entries at the same positions. Raises DamagedPage (definite): the orders of the
    page are not dense, or it contradicts its own digest.
    """
    after = page.after
    if after.position > head.position:
        raise GapFound(head.position)
    linked = tuple(link(after, page.entries))
    # First the page itself: damage on the way must not look like two histories.
    if not _is_dense(after, linked) or (linked[-1][1] if linked else after).digest != page.digest:
        raise DamagedPage(f"Entries {after.position + 1} to {page.end} contradict their digest.")
    if (ours := log.digest_at(after.position)) != after.digest:
        raise Diverged.at(after.position, ours, after.digest)
    known = min(head.position, page.end) - after.position
    if known > 0:
        after = linked[known - 1][1]
        if (ours := log.digest_at(after.position)) != after.digest:
            raise Diverged.at(after.position, ours, after.digest)
    fresh = linked[known:]
    if fresh and after.order_no != head.order_no:
        raise DamagedPage(f"Order {after.order_no} is not the last one before the page.")
    return fresh


def _is_dense(after: Head, linked: Iterable[Linked]) -> bool:
    """Tell whether each order has the number after the order before it (I1)."""
    last = after.order_no
    for entry, _ in linked:
        if isinstance(entry, Order):
            last = OrderNo(last + 1)
            if entry.order_no != last:
                return False
    return True


class Outbox:
    """What the leader of one term has to send, and which followers it waits for."""

    def __init__(
        self,
        term: Term,
        leader: ReplicaId,
        followers: Iterable[ReplicaId],
        start: Head,
        token: UUID,
    ) -> None:
        """
        Begin a leadership.

        start: where the leader's log ends. token: random, in each of its appends.
        """
        self.term, self.leader, self.token, self.head = term, leader, token, start
        self.released = start.position
        """The newest entry that was, or may have been, acknowledged to a client."""
        self.followers = {replica_id: Progress(start.position) for replica_id in followers}
        self._tail: deque[Linked] = deque(maxlen=TAIL_ENTRIES_MAX)
        self._tail_start = start

    @property
    def last(self) -> Position:
        """The newest entry that there is to send."""
        return self.head.position

    def offer(self, entries: tuple[Linked, ...]) -> None:
        """
        Take new entries for all followers; those it has are skipped.

        Others in their place were decided by a catalog that was lost, and not stored here.
        """
        for entry, head in entries:
            if self._has(head):
                continue
            self._drop_from(head.position)
            assert head.position == self.last + 1, "I1: the outbox is dense"
            if len(self._tail) == self._tail.maxlen:
                self._tail_start = self._tail[0][1]
            self._tail.append((entry, head))
            self.head = head

    def _has(self, head: Head) -> bool:
        at = head.position - self._tail_start.position - 1
        return at < 0 or (at < len(self._tail) and self._tail[at][1] == head)

    def _drop_from(self, position: Position) -> None:
        """Have nothing any more from a position on; then no follower has it either."""
        if self.last < position:
            return
        while self._tail and self.last >= position:
            self._tail.pop()
            self.head = self._tail[-1][1] if self._tail else self._tail_start
        for progress in self.followers.values():
            progress.position = min(progress.position, self.last)

    def next_append(self, follower: ReplicaId, limit: int) -> Append | None:
        """
        Return what to send next, at most `limit` entries, or a heartbeat.

        None: the follower is too far behind for memory; read the log after its position instead.
        """
        position = min(self.followers[follower].position, self.last)
        after = self._tail_start
        if position < after.position:
            return None
        skip = position - after.position
        if skip:
            after = self._tail[skip - 1][1]
        chosen = [self._tail[at] for at in range(skip, min(skip + limit, len(self._tail)))]
        return Append(
            self.term,
            self.leader,
            Page(
                after=after,
                entries=tuple(entry for entry, _ in chosen),
                digest=(chosen[-1][1] if chosen else after).digest,
                last=self.last,
            ),
            self.token,
        )

    def accepted(self, follower: ReplicaId, accepted: Accepted) -> bool:
        """
        Note how far a follower has come; tell whether it just came in sync (I3).

        Raises Diverged (definite): it ends where the leader does, with another history (I1).
        """
        if accepted.last == self.last and accepted.digest != self.head.digest:
            raise Diverged.at(self.last, self.head.digest, accepted.digest)
        progress = self.followers[follower]
        progress.is_reachable = True
        progress.position = accepted.last
        has_joined = not progress.is_in_sync and accepted.last >= self.released
        progress.is_in_sync = progress.is_in_sync or has_joined
        assert not progress.is_in_sync or accepted.last >= self.released, "I3"
        return has_joined

    def rewind(self, follower: ReplicaId, last: Position) -> bool:
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

    def laggards(self, upto: Position) -> tuple[ReplicaId, ...]:
        """Return the in-sync followers that do not have `upto` yet."""
        return tuple(
            replica_id
            for replica_id, progress in self.followers.items()
            if progress.is_in_sync and progress.position < upto
        )

    def release(self, upto: Position) -> bool:
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
