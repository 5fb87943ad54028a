"""A replica that takes over, leads and is deposed: I2, I3, I5, I6, I9 (docs/DESIGN.md 4.1, 4.3)."""

from dataclasses import replace

import pytest

from bazaar.core.failures import (
    DamagedPage,
    Deposed,
    Failure,
    GapFound,
    KeyReused,
    NotLeader,
    NotReplicated,
    NotServing,
    StaleTerm,
    TooFewInSync,
    Unreachable,
)
from bazaar.core.flow import AwaitFollowers, PlaceBatch, ReadLedger, ShipEntries
from bazaar.core.ledger import Answer, Batch, BatchAnswer
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.types import Digest, Order, Position, Term, Trade
from tests.core.history import make_order, make_orders, make_trade
from tests.core.leadership import (
    ME,
    PEERS,
    TERM,
    answer_of,
    join,
    linked,
    make_leader,
    make_replica,
    notify,
    number,
)
from tests.core.memory_log import MemoryLog
from tests.core.script import Script

ORDERS = make_orders(4)
ONE, TWO = make_trade(11), make_trade(12, 2)
Placing = Script[tuple[Answer, ...]]


def place(replica: Replica, *trades: Trade, term: Term = TERM) -> Placing:
    """Begin to place a batch."""
    return Script(replica.place(term, trades))


def sent(placing: Placing) -> Batch:
    """Return the batch that the catalog is asked for."""
    assert isinstance(placing.effect, PlaceBatch)
    return placing.effect.batch


def test_a_new_leader_catches_up_before_it_leads() -> None:
    """docs/DESIGN.md 4.3, I3: it has all that was acknowledged before it takes a trade."""
    replica = make_replica(ORDERS[:2])
    notice = notify(replica, TERM, ME)
    assert notice.effect == ReadLedger(Position(2))
    assert isinstance(place(replica, ONE).failure, NotLeader)
    assert notice.answer(MemoryLog(ORDERS).page(2)).is_over
    assert replica.state is ReplicaState.LEADING
    assert replica.outbox is not None
    assert (replica.outbox.last, replica.outbox.released) == (4, 4)
    assert replica.outbox.in_sync() == (ME,)


def test_a_leader_without_the_ledger_does_not_lead() -> None:
    """The failure is indefinite: whoever elected it notifies again."""
    replica = make_replica(ORDERS)
    notice = notify(replica, TERM, ME).answer(Unreachable())
    for _ in PEERS:
        notice.answer(Unreachable())
    assert isinstance(notice.failure, Unreachable)
    assert replica.state is ReplicaState.FOLLOWING
    again = notify(replica, TERM, ME).answer(MemoryLog(ORDERS).page(4))
    assert again.failure is None
    assert replica.outbox is not None


def test_a_second_notice_neither_disturbs_a_leader_nor_a_take_over() -> None:
    """A front end repeats its notice as long as the leader is not leading yet."""
    replica = make_replica(ORDERS)
    first = notify(replica, TERM, ME)
    assert notify(replica, TERM, ME).is_over
    first.answer(MemoryLog(ORDERS).page(4))
    outbox = replica.outbox
    assert notify(replica, TERM, ME).is_over
    assert replica.outbox is outbox


def test_a_take_over_that_was_overtaken_leads_nothing() -> None:
    """I6: a newer term began while the ledger was read."""
    replica = make_replica(ORDERS)
    old = notify(replica, TERM, ME)
    assert notify(replica, Term(TERM + 1), PEERS[0]).is_over
    old.answer(MemoryLog(ORDERS).page(4))
    assert replica.state is ReplicaState.FOLLOWING
    assert replica.outbox is None


def test_an_overtaken_take_over_that_fails_does_not_end_the_newer_one() -> None:
    """I6."""
    replica = make_replica(ORDERS)
    old = notify(replica, TERM, ME)
    new = notify(replica, Term(TERM + 1), ME)
    for _ in ("ledger", *PEERS):
        old.answer(Unreachable())
    assert isinstance(old.failure, Unreachable)
    new.answer(MemoryLog(ORDERS).page(4))
    assert replica.state is ReplicaState.LEADING
    assert replica.outbox is not None
    assert replica.outbox.term == TERM + 1


def test_a_trade_goes_to_the_ledger_then_the_log_and_the_followers() -> None:
    """I3: decided, shipped, stored, waited for, and only then acknowledged."""
    replica = make_leader(ORDERS)
    placing = place(replica, ONE, TWO)
    batch = sent(placing)
    assert batch == Batch(TERM, ME, Position(4), (ONE, TWO), (ME,))
    placing.answer(answer_of(batch, ORDERS))
    history = (*ORDERS, *number(ORDERS, (ONE, TWO)))
    assert placing.effect == ShipEntries(linked(history, 4))
    assert placing.answer(None).effect == AwaitFollowers(Position(6))
    assert replica.last == 6
    assert placing.answer(1).result == history[4:]


def test_a_gap_is_filled_from_the_ledger_before_the_new_orders() -> None:
    """I1, I8: an earlier batch was decided, but its answer was lost."""
    replica = make_leader(ORDERS[:2])
    placing = place(replica, ONE)
    placing.answer(answer_of(sent(placing), ORDERS)).answer(None)
    assert isinstance(replica.log, MemoryLog)
    assert replica.log.orders == [*ORDERS, make_order(5, ONE)]
    assert placing.answer(1).result == (make_order(5, ONE),)


def test_a_gap_longer_than_a_page_is_read_from_the_ledger() -> None:
    """I10: an answer carries a page at most; nothing is acknowledged before the rest is there."""
    replica = make_leader()
    history = MemoryLog((*ORDERS, make_order(5, ONE)))
    placing = place(replica, ONE)
    placing.answer(BatchAnswer((make_order(5, ONE),), history.page(0, 2)))
    assert placing.answer(None).effect == ReadLedger(Position(2))
    placing.answer(history.page(2))
    assert placing.answer(None).effect == AwaitFollowers(Position(5))
    assert replica.last == 5


def test_a_known_key_is_answered_from_the_log() -> None:
    """I2, I3: without the catalog, but not without the followers."""
    replica = make_leader(ORDERS)
    placing = place(replica, make_trade(2), make_trade(3))
    assert placing.effect == AwaitFollowers(Position(4))
    assert placing.answer(1).result == ORDERS[1:3]


def test_a_known_key_with_another_body_is_refused() -> None:
    """I2."""
    placing = place(make_leader(ORDERS), make_trade(2, 99))
    assert placing.result is not None
    assert isinstance(placing.result[0], KeyReused)


def test_known_and_new_trades_travel_together() -> None:
    """Each gets its own answer; the catalog is asked for the new ones only, each once."""
    replica = make_leader(ORDERS)
    placing = place(replica, ONE, make_trade(2), ONE)
    assert sent(placing).trades == (ONE,)
    placing.answer(answer_of(sent(placing), ORDERS)).answer(None)
    order = make_order(5, ONE)
    answers = placing.answer(1).result
    assert answers == (order, ORDERS[1], order)
    assert [one.is_replayed for one in answers if isinstance(one, Order)] == [False, True, False]


def test_refusals_wait_for_nobody() -> None:
    replica = make_leader(ORDERS)
    placing = place(replica, ONE)
    page = MemoryLog(ORDERS).page(4)
    assert placing.answer(BatchAnswer((KeyReused(),), page)).is_over


def test_a_trade_for_another_term_is_not_tried() -> None:
    """I9: an attempt belongs to one term; a late one cannot be executed in the next."""
    for term in (Term(TERM - 1), Term(TERM + 1)):
        failure = place(make_leader(ORDERS), ONE, term=term).failure
        assert isinstance(failure, NotLeader)
        assert failure.is_definite


def test_a_deposed_leader_learns_it_from_the_catalog() -> None:
    """I5: it steps down, and its trades fail indefinitely."""
    replica = make_leader(ORDERS)
    placing = place(replica, ONE).answer(StaleTerm(Term(TERM + 1), PEERS[0]))
    assert isinstance(placing.failure, Deposed)
    assert (replica.term, replica.leader) == (TERM + 1, PEERS[0])
    assert replica.state is ReplicaState.FOLLOWING
    assert isinstance(place(replica, ONE).failure, NotLeader)


def test_a_late_answer_about_an_old_term_does_not_end_a_newer_term() -> None:
    """Deposed, elected again, and only then the answer that the first leadership is over."""
    replica = make_leader(ORDERS)
    placing = place(replica, ONE)
    notify(replica, Term(TERM + 1), PEERS[0])
    notify(replica, Term(TERM + 2), ME).answer(MemoryLog(ORDERS).page(4))
    assert isinstance(placing.answer(StaleTerm(Term(TERM + 1), PEERS[0])).failure, Deposed)
    assert replica.state is ReplicaState.LEADING
    assert replica.term == TERM + 2


def test_a_trade_of_an_ended_term_is_not_acknowledged() -> None:
    """I3: who was in sync then may not be now, even when the replica leads again."""
    replica = make_leader(ORDERS)
    placing = place(replica, ONE)
    placing.answer(answer_of(sent(placing), ORDERS)).answer(None)
    notify(replica, Term(TERM + 1), ME).answer(MemoryLog((*ORDERS, make_order(5, ONE))).page(5))
    assert isinstance(placing.answer(1).failure, Deposed)
    assert replica.last == 5


def test_a_silent_catalog_makes_an_indefinite_failure() -> None:
    """I9."""
    failure = place(make_leader(ORDERS), ONE).answer(Unreachable()).failure
    assert isinstance(failure, Unreachable)
    assert not failure.is_definite


def test_a_damaged_answer_of_the_catalog_is_no_definite_failure() -> None:
    """I9: the ledger has the orders, although nothing of them could be stored here."""
    placing = place(make_leader(ORDERS), ONE)
    answer = answer_of(sent(placing), ORDERS)
    page = replace(answer.page, digest=Digest("f" * 64))
    failure = placing.answer(replace(answer, page=page)).failure
    assert isinstance(failure, NotReplicated)
    assert isinstance(failure.__cause__, DamagedPage)
    assert not failure.is_definite


def test_a_leader_that_finds_itself_corrupt_does_not_deny_the_trade() -> None:
    """I8, I9."""
    replica = make_leader((make_order(1, make_trade(77)),))
    placing = place(replica, ONE)
    history = MemoryLog((make_order(1), make_order(2, ONE)))
    failure = placing.answer(BatchAnswer((make_order(2, ONE),), history.page(1))).failure
    assert replica.state is ReplicaState.CORRUPT
    assert failure is not None
    assert not failure.is_definite


def test_a_ledger_that_lost_orders_stops_its_leader() -> None:
    """I1: no number is used twice; nothing was tried, so the failure is definite."""
    replica = make_leader(ORDERS)
    failure = place(replica, ONE).answer(GapFound(Position(3))).failure
    assert isinstance(failure, NotServing)
    assert replica.state is ReplicaState.AHEAD
    assert failure.is_definite
    assert not replica.is_serving


@pytest.mark.parametrize(
    ("followers", "failure"), [(0, TooFewInSync), (1, None), (2, None)], ids=str
)
def test_too_few_in_sync_refuse_before_anything_is_tried(
    followers: int, failure: type[Failure] | None
) -> None:
    """docs/DESIGN.md 4.2: BAZAAR_MIN_IN_SYNC."""
    replica = make_leader(ORDERS, in_sync_min=2)
    for peer in PEERS[:followers]:
        join(replica, peer)
    placing = place(replica, ONE)
    assert type(placing.failure) is (failure or type(None))
    assert (placing.effect is None) is (failure is not None)


def test_followers_that_leave_meanwhile_make_an_indefinite_failure() -> None:
    """I9: the trade happened, too few have it."""
    replica = make_leader(ORDERS, in_sync_min=2)
    join(replica, PEERS[0])
    placing = place(replica, ONE)
    placing.answer(answer_of(sent(placing), ORDERS)).answer(None)
    failure = placing.answer(1).failure
    assert isinstance(failure, NotReplicated)
    assert not failure.is_definite


def test_a_retry_after_an_indefinite_failure_returns_the_same_order() -> None:
    """I2, I9."""
    replica = make_leader(ORDERS)
    lost = place(replica, ONE)
    batch = sent(lost)
    lost.answer(Unreachable())
    again = place(replica, ONE)
    assert sent(again) == batch
    again.answer(answer_of(batch, ORDERS)).answer(None)
    order: Order = make_order(5, ONE)
    assert again.answer(1).result == (order,)
    assert place(replica, ONE).answer(1).result == (order,)
