"""The shell of a replica: it catches up, follows, takes over, and stays out if it is damaged."""

from uuid import UUID

import pytest

from bazaar.core.digest import link
from bazaar.core.failures import (
    Diverged,
    GapFound,
    NotLeader,
    NotServing,
    StaleTerm,
    StorageFailed,
    Unconfirmed,
    UnknownOrder,
    Unreachable,
)
from bazaar.core.replica import ReplicaState
from bazaar.core.replication import Append
from bazaar.core.types import START, OrderNo, ReplicaId, Term
from order_app.models import LogEntry
from order_app.replica import ReplicaShell
from order_app.store import OrderLog
from tests.order_app.conftest import FAR, LIMITS, ME, NEAR, TERM
from tests.order_app.fakes import FakeCatalog, FakePeer
from tests.order_app.steps import numbers
from tests.support.disks import refuse_writes
from tests.support.hearing import Hearing
from tests.support.histories import (
    TOKEN,
    make_linked,
    make_order,
    make_orders,
    make_page,
    make_trade,
)

Peers = dict[ReplicaId, FakePeer]


def state_of(shell: ReplicaShell) -> ReplicaState:
    return shell.machine.state


def test_a_started_replica_follows_and_does_not_trade(shell: ReplicaShell) -> None:
    assert state_of(shell) is ReplicaState.STARTING
    with pytest.raises(NotServing):
        shell.look_up(OrderNo(1))
    shell.start()
    assert state_of(shell) is ReplicaState.FOLLOWING
    with pytest.raises(NotLeader):
        shell.trade(Term(0), [make_trade(1)])


def test_a_starting_replica_takes_what_it_missed_in_pages(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """LIMITS.page_orders_max is 10, so 25 orders are three pages."""
    catalog.orders = make_orders(25)
    shell.start()
    assert numbers() == list(range(1, 26))
    assert {limit for _, limit in catalog.pages} == {10}
    assert OrderLog().head == make_linked(25)[-1][1]


def test_a_long_way_is_caught_up_from_the_peers(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    catalog.orders = make_orders(55)
    peers[FAR].take(make_page(50))
    shell.start()
    assert numbers() == list(range(1, 56))
    assert len(catalog.pages) <= 3


def test_a_replica_serves_what_it_has_without_the_catalog(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    catalog.requests_lost = [Unreachable()]
    peers[NEAR].take(make_page(3))
    shell.start()
    assert shell.look_up(OrderNo(3)) == make_order(3)


def test_an_older_notice_changes_nothing(leader: ReplicaShell) -> None:
    with pytest.raises(StaleTerm):
        leader.take_notice(Term(2), FAR)
    with pytest.raises(StaleTerm):
        leader.take_notice(TERM, FAR)
    assert state_of(leader) is ReplicaState.LEADING


def test_the_highest_term_survives_a_restart(
    leader: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    """I6: no older leader is followed afterwards."""
    catalog.term, catalog.leader = Term(9), FAR
    leader.take_notice(Term(9), FAR)
    again = ReplicaShell(ME, catalog, peers, OrderLog(), LIMITS)
    assert (again.machine.term, again.machine.leader) == (9, FAR)
    with pytest.raises(StaleTerm):
        again.append(Append(Term(8), NEAR, make_page(1), TOKEN))


def test_a_new_leader_catches_up_before_it_leads(shell: ReplicaShell, catalog: FakeCatalog) -> None:
    shell.start()
    catalog.orders = make_orders(25)
    shell.take_notice(TERM, ME)
    assert state_of(shell) is ReplicaState.LEADING
    assert numbers() == list(range(1, 26))


def test_a_chosen_leader_that_cannot_reach_the_ledger_does_not_lead(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    shell.start()
    catalog.requests_lost = [Unreachable()]
    with pytest.raises(Unreachable):
        shell.take_notice(TERM, ME)
    assert state_of(shell) is ReplicaState.FOLLOWING
    shell.take_notice(TERM, ME)
    assert state_of(shell) is ReplicaState.LEADING


def test_a_follower_stores_what_its_leader_sends(shell: ReplicaShell) -> None:
    shell.start()
    accepted = shell.append(Append(TERM, FAR, make_page(3), TOKEN))
    assert (accepted.last, accepted.digest) == (3, make_page(3).digest)
    assert shell.append(Append(TERM, FAR, make_page(5, after=2), TOKEN)).last == 5
    assert (numbers(), shell.machine.leader) == ([1, 2, 3, 4, 5], FAR)


def test_a_follower_reports_a_gap_and_how_far_it_lags(shell: ReplicaShell) -> None:
    shell.start()
    with pytest.raises(GapFound):
        shell.append(Append(TERM, FAR, make_page(9, after=5), TOKEN))
    assert shell.lag_orders == 9
    assert shell.lag_ms > 0
    shell.append(Append(TERM, FAR, make_page(9), TOKEN))
    assert (shell.lag_orders, shell.lag_ms) == (0, 0.0)


def test_a_follower_takes_nothing_from_an_older_term(shell: ReplicaShell) -> None:
    """I5."""
    shell.start()
    shell.append(Append(TERM, FAR, make_page(1), TOKEN))
    for term, leader in ((Term(2), FAR), (TERM, NEAR)):
        with pytest.raises(StaleTerm):
            shell.append(Append(term, leader, make_page(2), TOKEN))
    assert numbers() == [1]


@pytest.mark.parametrize("term", [TERM, Term(TERM + 1), Term(999)])
def test_a_follower_takes_nothing_that_its_leader_has_not_sent(
    shell: ReplicaShell, peers: Peers, term: Term
) -> None:
    """I8: the leader is asked at its own address; a signature of a member is not enough."""
    shell.start()
    shell.append(Append(TERM, FAR, make_page(2), TOKEN))
    peers[FAR].is_forged = True
    forged = Append(term, FAR, make_page(4, after=2), UUID(int=1))
    with pytest.raises(Unconfirmed):
        shell.append(forged)
    assert (numbers(), shell.machine.term, shell.lag_orders) == ([1, 2], TERM, 0)
    assert peers[FAR].asked == [(TERM, TOKEN), (term, UUID(int=1))]
    shell.append(Append(TERM, FAR, make_page(3, after=2), TOKEN))
    assert (numbers(), len(peers[FAR].asked)) == ([1, 2, 3], 2)


def test_a_leader_takes_nothing_sent_in_its_own_name(leader: ReplicaShell) -> None:
    """I8, whatever the term: even with its token."""
    assert leader.machine.outbox is not None
    for term in (TERM, Term(TERM + 1)):
        with pytest.raises(Unconfirmed):
            leader.append(Append(term, ME, make_page(1), leader.machine.outbox.token))
    assert (numbers(), state_of(leader)) == ([], ReplicaState.LEADING)
    leader.trade(TERM, [make_trade(1)])


def test_a_leader_that_cannot_be_asked_is_asked_again(shell: ReplicaShell, peers: Peers) -> None:
    shell.start()
    peers[FAR].failures = [Unreachable()]
    with pytest.raises(Unreachable):
        shell.append(Append(TERM, FAR, make_page(1), TOKEN))
    assert (numbers(), shell.machine.term) == ([], 0)
    assert shell.append(Append(TERM, FAR, make_page(1), TOKEN)).last == 1


def test_a_log_that_differs_from_the_ledger_stays_out(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    """I8: whoever is right, it asks the ledger when a leader's orders differ."""
    page = make_page(2, orders=[make_order(1), make_order(2, quantity=9)])
    shell.log.append(tuple(link(START, page.entries)))
    again = ReplicaShell(ME, catalog, peers, OrderLog(), LIMITS)
    catalog.requests_lost = [Unreachable()]
    again.start()
    assert again.machine.is_serving
    catalog.orders = make_orders(3)
    with pytest.raises(Diverged):
        again.append(Append(TERM, FAR, make_page(3), TOKEN))
    check_out(again)


def test_a_leader_whose_log_differs_does_not_corrupt_a_good_follower(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I1: nothing of it is stored, and the follower, which is right, goes on."""
    catalog.orders = make_orders(2)
    shell.start()
    page = make_page(3, orders=[make_order(1), make_order(2, quantity=9), make_order(3)])
    with pytest.raises(Diverged):
        shell.append(Append(TERM, FAR, page, TOKEN))
    assert shell.machine.is_serving
    assert OrderLog().head == make_linked(2)[-1][1]


def test_a_log_that_is_longer_than_the_ledger_stays_out(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    shell.log.append(make_linked(3))
    again = ReplicaShell(ME, catalog, peers, OrderLog(), LIMITS)
    with pytest.raises(NotServing):
        again.start()
    check_out(again, ReplicaState.AHEAD)
    catalog.orders = make_orders(3)  # it has taken what it lacked
    again.note_catalog(is_reached=True)
    assert again.machine.is_serving


def test_a_damaged_log_stays_out(shell: ReplicaShell, catalog: FakeCatalog, peers: Peers) -> None:
    """I8: however right its length and its last digest are."""
    catalog.orders = make_orders(3)
    shell.log.append(make_linked(3))
    LogEntry.objects.filter(order_no=2).update(quantity=9)
    again = ReplicaShell(ME, catalog, peers, OrderLog(), LIMITS)
    again.start()
    check_out(again)


def check_out(shell: ReplicaShell, state: ReplicaState = ReplicaState.CORRUPT) -> None:
    """Check that it answers nothing, takes nothing and cannot lead."""
    assert state_of(shell) is state
    assert not shell.machine.is_serving
    with pytest.raises(NotServing):
        shell.look_up(OrderNo(1))
    with pytest.raises(NotServing):
        shell.append(Append(Term(9), FAR, make_page(3), TOKEN))
    with pytest.raises(NotServing):
        shell.take_notice(Term(9), ME)
    with pytest.raises(NotLeader):
        shell.trade(TERM, [make_trade(1)])


def test_a_rebuilt_replica_has_everything_again(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    catalog.orders = make_orders(40)
    peers[FAR].take(make_page(38))
    shell.start()
    assert shell.log.find_fault() == ""
    assert OrderLog().head == make_linked(40)[-1][1]


def test_an_order_that_is_missing_is_asked_of_the_ledger(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """docs/DESIGN.md 4.5: only then is it "not found"."""
    shell.start()
    catalog.orders = make_orders(4)
    assert shell.look_up(OrderNo(3)) == make_order(3)
    assert numbers() == [1, 2, 3, 4]
    with pytest.raises(UnknownOrder):
        shell.look_up(OrderNo(5))
    catalog.requests_lost = [Unreachable()]
    with pytest.raises(Unreachable):
        shell.look_up(OrderNo(5))


def test_a_replica_tells_each_change_of_its_state_once(shell: ReplicaShell) -> None:
    hearing = Hearing()
    shell.start()
    shell.take_notice(TERM, ME)
    shell.take_notice(TERM, ME)
    assert hearing.phrases() == ["serving", "leading"]
    assert hearing.fields("leading") == {"term": TERM, "leader": ME}


def test_a_leader_tells_that_it_stepped_down_however_it_learns_of_it(leader: ReplicaShell) -> None:
    hearing = Hearing()
    leader.append(Append(Term(TERM + 1), FAR, make_page(0), TOKEN))
    leader.step_down(Term(TERM + 1), FAR)
    assert [(event.phrase, event.fields) for event in hearing.events()] == [
        ("stepped down", {"term": TERM + 1, "leader": FAR})
    ]


def test_a_follower_that_was_behind_tells_when_it_has_caught_up(shell: ReplicaShell) -> None:
    shell.start()
    hearing = Hearing()
    with pytest.raises(GapFound):
        shell.append(Append(TERM, FAR, make_page(3, after=2), TOKEN))
    assert hearing.phrases() == []
    shell.append(Append(TERM, FAR, make_page(3), TOKEN))
    shell.append(Append(TERM, FAR, make_page(4), TOKEN))
    assert hearing.phrases() == ["caught up"]
    assert hearing.fields("caught up")["last"] == 3


@pytest.mark.django_db(transaction=True)
def test_a_follower_whose_disk_fails_stores_nothing_and_goes_on_afterwards(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    """I3, I8: it acknowledges what its disk has, and its log is not called damaged."""
    shell.start()
    append = Append(Term(1), NEAR, make_page(3), TOKEN)
    with refuse_writes(), pytest.raises(StorageFailed):
        shell.append(append)
    assert (numbers(), shell.machine.last, state_of(shell)) == ([], 0, ReplicaState.FOLLOWING)
    assert shell.append(append).last == 3
    with refuse_writes():
        with pytest.raises(StorageFailed):
            shell.append(Append(Term(1), NEAR, make_page(5, 3), TOKEN))
        assert shell.append(append).last == 3, "what it has it acknowledges"
        assert shell.look_up(OrderNo(3)) == make_order(3)
    assert (numbers(), shell.machine.last) == ([1, 2, 3], 3)
