"""A replica that follows: I1, I5, I6, I8 (docs/DESIGN.md 4.2)."""

from dataclasses import replace
from uuid import UUID

import pytest

from bazaar.core.election import Leadership
from bazaar.core.failures import (
    DamagedPage,
    Diverged,
    Failure,
    GapFound,
    NotLeader,
    NotServing,
    StaleTerm,
    Unconfirmed,
    Unreachable,
)
from bazaar.core.flow import AskLeader, ReadLeadership
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Append
from bazaar.core.types import Digest, Order, OrderNo, ReplicaId, Term
from tests.core.history import make_order, make_orders, make_trade
from tests.core.leadership import (
    ME,
    PEERS,
    TERM,
    TOKEN,
    confirm,
    make_append,
    make_leader,
    make_replica,
    notify,
    take,
)
from tests.core.memory_log import MemoryLog
from tests.core.script import Script

ORDERS = make_orders(5)
OTHER = PEERS[0]


def test_an_append_is_stored_and_acknowledged_with_the_digest() -> None:
    """I8."""
    replica = make_replica(ORDERS[:2])
    accepted = take(replica, make_append(ORDERS, 1, TERM, OTHER))
    assert (accepted.last, accepted.digest) == (5, MemoryLog(ORDERS).head.digest)
    assert replica.log.get(OrderNo(accepted.last)) == ORDERS[4]


def test_a_repeated_append_changes_nothing() -> None:
    """I1, I2."""
    replica = make_replica()
    append = make_append(ORDERS, 0, TERM, OTHER)
    assert take(replica, append) == take(replica, append)
    assert replica.last == 5


def test_an_append_makes_its_term_durable() -> None:
    """I6: before it counts."""
    replica = make_replica()
    take(replica, make_append(ORDERS, 0, TERM, OTHER))
    assert isinstance(replica.log, MemoryLog)
    assert (replica.log.term, replica.log.leader) == (TERM, OTHER)


def test_an_append_from_an_older_term_is_refused() -> None:
    """I5; the failure tells the deposed leader who leads."""
    replica = make_replica(term=TERM, leader=OTHER)
    with pytest.raises(StaleTerm) as stale:
        take(replica, make_append(ORDERS, 0, TERM - 1, ME - 2))
    assert (stale.value.term, stale.value.leader) == (TERM, OTHER)
    assert replica.last == 0


def test_a_second_leader_of_one_term_is_refused() -> None:
    """I6."""
    replica = make_replica(term=TERM, leader=OTHER)
    with pytest.raises(StaleTerm):
        take(replica, make_append(ORDERS, 0, TERM, 1))


def test_a_term_outlives_a_restart() -> None:
    """I5, I6: the fence is on disk."""
    replica = make_replica()
    take(replica, make_append(ORDERS, 0, TERM, OTHER))
    assert isinstance(replica.log, MemoryLog)
    again = Replica(ME, PEERS, replica.log, replica.log.known, replica.log.head)
    with pytest.raises(StaleTerm):
        take(again, make_append(ORDERS, 0, TERM - 1, 1))


@pytest.mark.parametrize("term", [TERM, TERM + 1, TERM + 1000])
@pytest.mark.parametrize(
    ("orders", "after"), [(ORDERS, 2), (ORDERS, 4), (ORDERS[:2], 2)], ids=("next", "ahead", "none")
)
def test_an_append_that_its_leader_does_not_confirm_changes_nothing(
    orders: tuple[Order, ...], after: int, term: int
) -> None:
    """I8: whoever signed it, and whatever it says."""
    replica = make_replica(ORDERS[:2], term=TERM, leader=OTHER)
    forged = make_append(orders, after, term, OTHER)
    asking = Script(replica.confirm(forged))
    assert asking.effect == AskLeader(OTHER, Term(term), TOKEN)
    assert isinstance(asking.answer(Unconfirmed()).failure, Unconfirmed)
    with pytest.raises(Unconfirmed):
        replica.append(forged)
    assert (replica.term, replica.last, replica.leader_last) == (TERM, 2, 2)


@pytest.mark.parametrize("leader", [ME, 77])
@pytest.mark.parametrize("term", [TERM, TERM + 1])
def test_nobody_sends_in_the_name_of_this_replica_or_of_none(leader: int, term: int) -> None:
    """I8: a leader takes no order but the ledger's."""
    replica = make_leader(ORDERS[:2])
    assert isinstance(
        Script(replica.confirm(make_append(ORDERS, 2, term, leader))).failure,
        Unconfirmed if leader == ME or term > TERM else StaleTerm,
    )
    assert (replica.state, replica.term, replica.last) == (ReplicaState.LEADING, TERM, 2)


def test_a_confirmed_leader_is_not_asked_again_and_another_token_is() -> None:
    replica = make_replica()
    append = make_append(ORDERS[:2], 0, TERM, OTHER)
    confirm(replica, append)
    assert replica.has_confirmed(make_append(ORDERS, 2, TERM, OTHER))
    for other in (
        replace(append, token=UUID(int=1)),
        replace(append, term=Term(TERM + 1)),
        replace(append, leader=PEERS[1]),
    ):
        assert not replica.has_confirmed(other)


def test_a_leader_that_is_deposed_while_it_confirms_is_not_followed() -> None:
    """I5."""
    replica = make_replica()
    append = make_append(ORDERS, 0, TERM, OTHER)
    asking = Script(replica.confirm(append))
    notify(replica, TERM + 1, PEERS[1])
    assert isinstance(asking.answer(None).failure, StaleTerm)
    with pytest.raises(StaleTerm):
        replica.append(append)
    assert (replica.term, replica.leader, replica.last) == (TERM + 1, PEERS[1], 0)


def test_only_a_leader_confirms_and_only_its_own_token() -> None:
    replica = make_leader()
    replica.check_token(TERM, TOKEN)
    for term, token in ((TERM, UUID(int=1)), (Term(TERM + 1), TOKEN)):
        with pytest.raises(Unconfirmed):
            replica.check_token(term, token)
    notify(replica, TERM + 1, OTHER)
    with pytest.raises(Unconfirmed):
        replica.check_token(TERM, TOKEN)


def test_a_gap_is_reported_and_nothing_is_stored() -> None:
    """I8."""
    replica = make_replica(ORDERS[:2])
    with pytest.raises(GapFound) as gap:
        take(replica, make_append(ORDERS, 3, TERM, OTHER))
    assert gap.value.last == 2
    assert replica.last == 2


def test_a_gap_does_not_hide_a_new_term() -> None:
    """I5: the leader is adopted although its orders do not fit yet."""
    replica = make_replica()
    with pytest.raises(GapFound):
        take(replica, make_append(ORDERS, 3, TERM, OTHER))
    assert (replica.term, replica.leader) == (TERM, OTHER)


def test_a_damaged_append_is_refused() -> None:
    """I8."""
    replica = make_replica()
    append = make_append(ORDERS, 0, TERM, OTHER)
    damaged = replace(append.page, digest=Digest("f" * 64))
    with pytest.raises(DamagedPage):
        take(replica, replace(append, page=damaged))
    assert replica.last == 0


def test_a_follower_that_differs_stores_nothing() -> None:
    """I1; the ledger decides later which of the two is wrong."""
    mine = (make_order(1, make_trade(77)),)
    replica = make_replica(mine)
    with pytest.raises(Diverged):
        take(replica, make_append(ORDERS, 0, TERM, OTHER))
    assert replica.last == 1
    assert replica.is_serving


def test_a_heartbeat_tells_a_follower_its_lag() -> None:
    """docs/DESIGN.md 4.2."""
    replica = make_replica(ORDERS[:2])
    page = MemoryLog(ORDERS).page(2, limit=1)
    take(replica, Append(TERM, OTHER, page, TOKEN))
    assert (replica.last, replica.leader_last) == (3, 5)


def test_a_leader_that_gets_a_newer_append_follows() -> None:
    """I6."""
    replica = make_leader()
    take(replica, make_append(ORDERS, 0, TERM + 1, OTHER))
    assert replica.state is ReplicaState.FOLLOWING
    assert replica.outbox is None


def test_a_leader_refuses_a_rival_of_its_own_term() -> None:
    """I6."""
    replica = make_leader()
    with pytest.raises(StaleTerm):
        take(replica, make_append(ORDERS, 0, TERM, OTHER))
    assert replica.state is ReplicaState.LEADING


def test_a_notice_makes_its_term_durable() -> None:
    """I6."""
    replica = make_replica()
    assert notify(replica, TERM, OTHER).is_over
    assert isinstance(replica.log, MemoryLog)
    assert (replica.log.term, replica.log.leader) == (TERM, OTHER)
    assert replica.state is ReplicaState.FOLLOWING


@pytest.mark.parametrize("leader", [ME, OTHER])
@pytest.mark.parametrize("current", [Leadership(TERM, OTHER), Leadership(Term(TERM + 1), PEERS[1])])
def test_a_notice_that_the_catalog_does_not_confirm_is_refused(
    current: Leadership, leader: int
) -> None:
    """I6: a term that nobody claimed would keep every real leader out."""
    replica = make_replica(term=TERM, leader=OTHER)
    forged = Script(replica.take_notice(Term(TERM + 1), ReplicaId(leader), TOKEN))
    assert forged.effect == ReadLeadership()
    failure = forged.answer(current).failure
    assert isinstance(failure, StaleTerm)
    assert (failure.term, failure.leader) == (current.term, current.leader)
    assert (replica.term, replica.leader) == (current.term, current.leader)
    assert replica.state is ReplicaState.FOLLOWING


def test_a_notice_that_is_out_of_date_teaches_the_leadership_that_the_catalog_has() -> None:
    """Whoever sent it learns of it by the next ping; otherwise it would repeat it for ever."""
    replica = make_replica(term=TERM, leader=OTHER)
    late = Script(replica.take_notice(Term(TERM + 1), ME, TOKEN))
    late.answer(Leadership(Term(TERM + 2), PEERS[1]))
    assert isinstance(late.failure, StaleTerm)
    assert (replica.term, replica.leader, replica.outbox) == (TERM + 2, PEERS[1], None)


def test_a_notice_that_nobody_can_confirm_changes_nothing() -> None:
    """The follower hears of its leader by the first append instead."""
    replica = make_replica(term=TERM, leader=OTHER)
    unknown = Script(replica.take_notice(Term(TERM + 1), PEERS[1], TOKEN)).answer(Unreachable())
    assert isinstance(unknown.failure, Unreachable)
    assert (replica.term, replica.leader) == (TERM, OTHER)


def test_a_notice_of_the_known_leader_asks_nobody() -> None:
    replica = make_replica(term=TERM, leader=OTHER)
    assert Script(replica.take_notice(TERM, OTHER, TOKEN)).is_over


@pytest.mark.parametrize(("term", "leader"), [(TERM - 1, ME), (TERM, ME)])
def test_an_old_or_second_notice_is_refused(term: int, leader: int) -> None:
    """I5, I6."""
    replica = make_replica(term=TERM, leader=OTHER)
    assert isinstance(notify(replica, term, leader).failure, StaleTerm)
    assert replica.leader == OTHER


def test_a_leader_steps_down_for_a_newer_notice() -> None:
    """I6."""
    replica = make_leader()
    assert notify(replica, TERM + 1, OTHER).is_over
    assert replica.state is ReplicaState.FOLLOWING
    assert isinstance(Script(replica.place(TERM, [make_trade(1)])).failure, NotLeader)


def test_a_replica_that_does_not_serve_cannot_begin_to_lead() -> None:
    """docs/DESIGN.md 4.3; nothing is adopted, so that somebody else may lead the term."""
    log = MemoryLog()
    replica = Replica(ME, PEERS, log, log.known, log.head)
    assert isinstance(notify(replica, TERM, ME).failure, NotServing)
    assert replica.term == 0


def test_a_starting_replica_stores_what_its_leader_sends() -> None:
    """It need not serve to be kept up to date."""
    log = MemoryLog()
    replica = Replica(ME, PEERS, log, log.known, log.head)
    assert take(replica, make_append(ORDERS, 0, TERM, OTHER)).last == 5
    assert not replica.is_serving


def test_a_corrupt_replica_takes_and_gives_nothing() -> None:
    """I8: it stays out until it is rebuilt."""
    replica = make_replica(ORDERS)
    replica.mark_corrupt()
    with pytest.raises(NotServing):
        take(replica, make_append(ORDERS, 5, TERM, OTHER))
    failures: list[Failure | None] = [
        Script(replica.look_up(ORDERS[0].order_no)).failure,
        notify(replica, TERM, ME).failure,
    ]
    assert [type(failure) for failure in failures] == [NotServing, NotServing]
    assert not replica.is_serving
