"""What a leader sends and whom it waits for: I3 (docs/DESIGN.md 4.2)."""

from dataclasses import replace

import pytest

from bazaar.core.digest import chain, link
from bazaar.core.failures import Diverged
from bazaar.core.replication import TAIL_ENTRIES_MAX, Accepted, Outbox
from bazaar.core.types import (
    START,
    Digest,
    Entry,
    Head,
    Position,
    ReplicaId,
    Term,
)
from tests.core.history import make_orders
from tests.core.leadership import TOKEN

TERM = Term(4)
ME, NEAR, FAR = ReplicaId(3), ReplicaId(2), ReplicaId(1)
ORDERS = make_orders(10)


def head_at(order_no: int) -> Head:
    """Return where the shared history ends with an order."""
    return chain(START, ORDERS[:order_no])


def has(order_no: int) -> Accepted:
    """Return what a follower says that has come so far."""
    return Accepted(Position(order_no), head_at(order_no).digest)


def make_outbox(start: int = 0, last: int | None = None) -> Outbox:
    """Return the outbox of a leader that began at `start` and has offered orders up to `last`."""
    outbox = Outbox(TERM, ME, (NEAR, FAR), head_at(start), TOKEN)
    outbox.offer(tuple(link(START, ORDERS[: last or start])))
    return outbox


def sent(outbox: Outbox, follower: ReplicaId, limit: int = 100) -> tuple[Entry, ...]:
    """Return the entries of a follower's next append."""
    append = outbox.next_append(follower, limit)
    assert append is not None
    assert (append.term, append.leader) == (TERM, ME)
    assert append.page.after == head_at(append.page.after.position)
    assert append.page.digest == head_at(append.page.end).digest
    assert append.page.last == outbox.last
    return append.page.entries


def test_a_term_begins_alone() -> None:
    """Nobody is waited for before it has shown what it has."""
    outbox = make_outbox(start=3)
    assert outbox.in_sync() == (ME,)
    assert outbox.release(Position(3))


def test_a_follower_with_all_that_was_acknowledged_joins() -> None:
    """I3."""
    outbox = make_outbox(start=3)
    assert outbox.accepted(NEAR, has(3)) is True
    assert outbox.accepted(NEAR, has(3)) is False
    assert outbox.in_sync() == (NEAR, ME)


def test_a_follower_that_lacks_an_acknowledged_order_stays_out() -> None:
    """I3: all that earlier leaderships may have acknowledged counts too."""
    outbox = make_outbox(start=3)
    assert outbox.accepted(NEAR, has(2)) is False
    assert outbox.in_sync() == (ME,)


def test_a_follower_need_not_have_what_is_not_acknowledged_yet_to_join() -> None:
    """Otherwise a busy leader would never be joined; from then on it waits for the follower."""
    outbox = make_outbox(start=3, last=6)
    assert outbox.accepted(NEAR, has(3)) is True
    assert not outbox.release(Position(6))


def test_nothing_is_released_before_every_follower_in_sync_has_it() -> None:
    """I3."""
    outbox = make_outbox(start=3, last=5)
    outbox.accepted(NEAR, has(3))
    outbox.accepted(FAR, has(3))
    assert outbox.laggards(Position(5)) == (NEAR, FAR)
    outbox.accepted(NEAR, has(5))
    assert outbox.laggards(Position(5)) == (FAR,)
    assert not outbox.release(Position(5))
    assert outbox.released == 3
    outbox.accepted(FAR, has(5))
    assert outbox.release(Position(5))
    assert outbox.released == 5


def test_a_lost_follower_holds_nobody_up_and_comes_back_with_everything() -> None:
    """I3, docs/DESIGN.md 4.2."""
    outbox = make_outbox(start=3, last=5)
    outbox.accepted(NEAR, has(3))
    assert outbox.lost(NEAR) is True
    assert outbox.lost(NEAR) is False
    assert outbox.release(Position(5))
    assert outbox.accepted(NEAR, has(4)) is False
    assert outbox.in_sync() == (ME,)
    assert outbox.accepted(NEAR, has(5)) is True


def test_an_older_release_takes_nothing_back() -> None:
    """A retry of an old key releases an old number; who joins still needs the newest."""
    outbox = make_outbox(start=3, last=5)
    assert outbox.release(Position(5))
    assert outbox.release(Position(4))
    assert outbox.released == 5


def test_a_follower_that_lost_its_disk_is_dropped_and_sent_everything() -> None:
    """It reports a gap where it had acknowledged before."""
    outbox = make_outbox(start=0, last=5)
    outbox.accepted(NEAR, has(5))
    assert outbox.rewind(NEAR, Position(0)) is True
    assert outbox.in_sync() == (ME,)
    assert sent(outbox, NEAR) == ORDERS[:5]


def test_a_rewind_tells_whether_the_follower_was_in_sync() -> None:
    """Also when nothing that it lacks was acknowledged yet."""
    outbox = make_outbox(start=0, last=5)
    outbox.accepted(NEAR, has(2))
    assert outbox.rewind(NEAR, Position(1)) is True
    assert outbox.rewind(NEAR, Position(1)) is False


def test_each_follower_gets_what_it_lacks_in_bounded_appends() -> None:
    """I10."""
    outbox = make_outbox(start=2, last=8)
    outbox.accepted(NEAR, has(5))
    assert sent(outbox, NEAR, limit=2) == ORDERS[5:7]
    assert sent(outbox, NEAR) == ORDERS[5:8]
    assert sent(outbox, FAR, limit=3) == ORDERS[2:5]


def test_a_follower_that_has_everything_gets_heartbeats() -> None:
    outbox = make_outbox(start=2, last=4)
    outbox.accepted(NEAR, has(4))
    assert sent(outbox, NEAR) == ()


def test_a_follower_that_is_ahead_gets_heartbeats_from_where_the_leader_is() -> None:
    """It may have read the ledger before the leader heard of its own batch."""
    outbox = make_outbox(start=2, last=4)
    assert outbox.accepted(NEAR, has(6)) is True
    assert sent(outbox, NEAR) == ()
    assert outbox.release(Position(4))


def test_who_is_behind_the_beginning_of_the_term_is_served_from_the_log() -> None:
    outbox = make_outbox(start=3, last=5)
    outbox.rewind(NEAR, Position(2))
    assert outbox.next_append(NEAR, 10) is None
    outbox.rewind(NEAR, Position(3))
    assert sent(outbox, NEAR) == ORDERS[3:5]


def test_orders_that_were_offered_before_are_skipped() -> None:
    outbox = make_outbox(start=2, last=6)
    outbox.offer(tuple(link(START, ORDERS[:6])))
    assert sent(outbox, FAR) == ORDERS[2:6]
    assert outbox.head == head_at(6)


def test_what_a_lost_catalog_had_decided_is_replaced() -> None:
    """I1: the leader did not store it, and the next catalog decided others in its place."""
    outbox = Outbox(TERM, ME, (NEAR, FAR), START, TOKEN)
    others = tuple(replace(one, quantity=one.quantity + 1) for one in ORDERS[2:5])
    lost = tuple(link(head_at(2), others))
    outbox.offer((*link(START, ORDERS[:2]), *lost))
    outbox.accepted(NEAR, Accepted(Position(5), lost[-1][1].digest))
    outbox.offer(tuple(link(head_at(2), ORDERS[2:4])))
    assert (outbox.head, outbox.followers[NEAR].position) == (head_at(4), 2)
    assert sent(outbox, FAR) == ORDERS[:4]


def test_memory_is_bounded_and_what_fell_out_comes_from_the_log() -> None:
    """I10."""
    orders = make_orders(TAIL_ENTRIES_MAX + 3)
    outbox = Outbox(TERM, ME, (NEAR,), START, TOKEN)
    outbox.offer(tuple(link(START, orders)))
    outbox.rewind(NEAR, Position(2))
    assert outbox.next_append(NEAR, 10) is None
    outbox.rewind(NEAR, Position(3))
    append = outbox.next_append(NEAR, 2)
    assert append is not None
    assert append.page.entries == orders[3:5]
    assert append.page.after == chain(START, orders[:3])


def test_a_follower_with_another_history_is_found() -> None:
    """I1."""
    outbox = make_outbox(start=3)
    with pytest.raises(Diverged):
        outbox.accepted(NEAR, Accepted(Position(3), Digest("f" * 64)))
    assert outbox.in_sync() == (ME,)
