"""A replica that follows: I1, I5, I6, I8 (docs/DESIGN.md 4.2)."""

from dataclasses import replace

import pytest

from bazaar.core.failures import (
    DamagedPage,
    Diverged,
    Failure,
    GapFound,
    NotLeader,
    NotServing,
    StaleTerm,
)
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Append
from bazaar.core.types import Digest, OrderNo, ReplicaId, Term
from tests.core.history import make_order, make_orders, make_trade
from tests.core.leadership import ME, PEERS, TERM, make_append, make_leader, make_replica
from tests.core.memory_log import MemoryLog
from tests.core.script import Script

ORDERS = make_orders(5)
OTHER = PEERS[0]


def notice(replica: Replica, term: int, leader: int) -> Script[None]:
    """Tell a replica who leads."""
    return Script(replica.take_notice(Term(term), ReplicaId(leader)))


def test_an_append_is_stored_and_acknowledged_with_the_digest() -> None:
    """I8."""
    replica = make_replica(ORDERS[:2])
    accepted = replica.append(make_append(ORDERS, 1, TERM, OTHER))
    assert (accepted.last, accepted.digest) == (5, MemoryLog(ORDERS).head.digest)
    assert replica.log.get(OrderNo(accepted.last)) == ORDERS[4]


def test_a_repeated_append_changes_nothing() -> None:
    """I1, I2."""
    replica = make_replica()
    append = make_append(ORDERS, 0, TERM, OTHER)
    assert replica.append(append) == replica.append(append)
    assert replica.last == 5


def test_an_append_makes_its_term_durable() -> None:
    """I6: before it counts."""
    replica = make_replica()
    replica.append(make_append(ORDERS, 0, TERM, OTHER))
    assert isinstance(replica.log, MemoryLog)
    assert (replica.log.term, replica.log.leader) == (TERM, OTHER)


def test_an_append_from_an_older_term_is_refused() -> None:
    """I5; the failure tells the deposed leader who leads."""
    replica = make_replica(term=TERM, leader=OTHER)
    with pytest.raises(StaleTerm) as stale:
        replica.append(make_append(ORDERS, 0, TERM - 1, ME - 2))
    assert (stale.value.term, stale.value.leader) == (TERM, OTHER)
    assert replica.last == 0


def test_a_second_leader_of_one_term_is_refused() -> None:
    """I6."""
    replica = make_replica(term=TERM, leader=OTHER)
    with pytest.raises(StaleTerm):
        replica.append(make_append(ORDERS, 0, TERM, 1))


def test_a_term_outlives_a_restart() -> None:
    """I5, I6: the fence is on disk."""
    replica = make_replica()
    replica.append(make_append(ORDERS, 0, TERM, OTHER))
    assert isinstance(replica.log, MemoryLog)
    again = Replica(ME, PEERS, replica.log, replica.log.known, replica.log.head)
    with pytest.raises(StaleTerm):
        again.append(make_append(ORDERS, 0, TERM - 1, 1))


def test_a_gap_is_reported_and_nothing_is_stored() -> None:
    """I8."""
    replica = make_replica(ORDERS[:2])
    with pytest.raises(GapFound) as gap:
        replica.append(make_append(ORDERS, 3, TERM, OTHER))
    assert gap.value.last == 2
    assert replica.last == 2


def test_a_gap_does_not_hide_a_new_term() -> None:
    """I5: the leader is adopted although its orders do not fit yet."""
    replica = make_replica()
    with pytest.raises(GapFound):
        replica.append(make_append(ORDERS, 3, TERM, OTHER))
    assert (replica.term, replica.leader) == (TERM, OTHER)


def test_a_damaged_append_is_refused() -> None:
    """I8."""
    replica = make_replica()
    append = make_append(ORDERS, 0, TERM, OTHER)
    damaged = replace(append.page, digest=Digest("f" * 64))
    with pytest.raises(DamagedPage):
        replica.append(replace(append, page=damaged))
    assert replica.last == 0


def test_a_follower_that_differs_stores_nothing() -> None:
    """I1; the ledger decides later which of the two is wrong."""
    mine = (make_order(1, make_trade(77)),)
    replica = make_replica(mine)
    with pytest.raises(Diverged):
        replica.append(make_append(ORDERS, 0, TERM, OTHER))
    assert replica.last == 1
    assert replica.is_serving


def test_a_heartbeat_tells_a_follower_its_lag() -> None:
    """docs/DESIGN.md 4.2."""
    replica = make_replica(ORDERS[:2])
    page = MemoryLog(ORDERS).page(2, limit=1)
    replica.append(Append(TERM, OTHER, page))
    assert (replica.last, replica.leader_last) == (3, 5)


def test_a_leader_that_gets_a_newer_append_follows() -> None:
    """I6."""
    replica = make_leader()
    replica.append(make_append(ORDERS, 0, TERM + 1, OTHER))
    assert replica.state is ReplicaState.FOLLOWING
    assert replica.outbox is None


def test_a_leader_refuses_a_rival_of_its_own_term() -> None:
    """I6."""
    replica = make_leader()
    with pytest.raises(StaleTerm):
        replica.append(make_append(ORDERS, 0, TERM, OTHER))
    assert replica.state is ReplicaState.LEADING


def test_a_notice_makes_its_term_durable() -> None:
    """I6."""
    replica = make_replica()
    assert notice(replica, TERM, OTHER).is_over
    assert isinstance(replica.log, MemoryLog)
    assert (replica.log.term, replica.log.leader) == (TERM, OTHER)
    assert replica.state is ReplicaState.FOLLOWING


@pytest.mark.parametrize(("term", "leader"), [(TERM - 1, ME), (TERM, ME)])
def test_an_old_or_second_notice_is_refused(term: int, leader: int) -> None:
    """I5, I6."""
    replica = make_replica(term=TERM, leader=OTHER)
    assert isinstance(notice(replica, term, leader).failure, StaleTerm)
    assert replica.leader == OTHER


def test_a_leader_steps_down_for_a_newer_notice() -> None:
    """I6."""
    replica = make_leader()
    assert notice(replica, TERM + 1, OTHER).is_over
    assert replica.state is ReplicaState.FOLLOWING
    assert isinstance(Script(replica.place(TERM, [make_trade(1)])).failure, NotLeader)


def test_a_replica_that_does_not_serve_cannot_begin_to_lead() -> None:
    """docs/DESIGN.md 4.3; nothing is adopted, so that somebody else may lead the term."""
    log = MemoryLog()
    replica = Replica(ME, PEERS, log, log.known, log.head)
    assert isinstance(notice(replica, TERM, ME).failure, NotServing)
    assert replica.term == 0


def test_a_starting_replica_stores_what_its_leader_sends() -> None:
    """It need not serve to be kept up to date."""
    log = MemoryLog()
    replica = Replica(ME, PEERS, log, log.known, log.head)
    assert replica.append(make_append(ORDERS, 0, TERM, OTHER)).last == 5
    assert not replica.is_serving


def test_a_corrupt_replica_takes_and_gives_nothing() -> None:
    """I8: it stays out until it is rebuilt."""
    replica = make_replica(ORDERS)
    replica.mark_corrupt()
    with pytest.raises(NotServing):
        replica.append(make_append(ORDERS, 5, TERM, OTHER))
    failures: list[Failure | None] = [
        Script(replica.look_up(ORDERS[0].order_no)).failure,
        notice(replica, TERM, ME).failure,
    ]
    assert [type(failure) for failure in failures] == [NotServing, NotServing]
    assert not replica.is_serving
