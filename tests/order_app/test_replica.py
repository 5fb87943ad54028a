"""The shell of a replica: it places, ships, waits, drops, catches up, steps down, stays out."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection

from bazaar.clock import monotonic_s
from bazaar.core.digest import GENESIS, link
from bazaar.core.failures import (
    Busy,
    Corrupt,
    Deposed,
    Diverged,
    GapFound,
    KeyReused,
    NotLeader,
    NotReplicated,
    NotServing,
    StaleTerm,
    TooFewInSync,
    UnknownOrder,
    UnknownStock,
    Unreachable,
)
from bazaar.core.replica import Standing
from bazaar.core.replication import Append
from bazaar.core.types import OrderNo, ReplicaId, Term
from bazaar.settings.env import Limits
from order_app.models import LogEntry
from order_app.replica import ReplicaShell
from order_app.replicator import Replicator
from order_app.store import OrderLog
from tests.bazaar.histories import make_linked, make_order, make_page, make_trade
from tests.bazaar.waits import WAIT_S, in_thread, wait_until
from tests.order_app.conftest import FAR, LIMITS, ME, NEAR, TERM
from tests.order_app.fakes import FakeCatalog, FakePeer

Peers = dict[ReplicaId, FakePeer]


def numbers() -> list[int]:
    """Return the order numbers in the database."""
    return list(LogEntry.objects.order_by("order_no").values_list("order_no", flat=True))


def in_sync(shell: ReplicaShell) -> Sequence[int]:
    assert shell.machine.outbox is not None
    return shell.machine.outbox.in_sync()


def join(shell: ReplicaShell, *followers: ReplicaId) -> None:
    """Bring followers in sync: one heartbeat each."""
    for follower in followers:
        Replicator(shell, follower).round()


@contextmanager
def replicating(shell: ReplicaShell, *followers: ReplicaId) -> Iterator[None]:
    """Let replicators run meanwhile, as their threads do."""
    stop = threading.Event()

    def repeat(replicator: Replicator) -> None:
        while not stop.is_set():
            replicator.round()

    futures = [in_thread(lambda one=Replicator(shell, to): repeat(one)) for to in followers]  # type: ignore[misc]
    try:
        yield
    finally:
        stop.set()
        assert all(future.result(WAIT_S) is None for future in futures)


def test_a_started_replica_follows_and_does_not_trade(shell: ReplicaShell) -> None:
    assert shell.machine.standing is Standing.STARTING
    with pytest.raises(NotServing):
        shell.look_up(OrderNo(1))
    shell.start()
    assert shell.machine.standing is Standing.FOLLOWING
    with pytest.raises(NotLeader):
        shell.trade(Term(0), [make_trade(1)])


def test_a_starting_replica_takes_what_it_missed_in_pages(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """LIMITS.page_orders_max is 10, so 25 orders are three pages."""
    catalog.orders = list(make_page(25).orders)
    shell.start()
    assert numbers() == list(range(1, 26))
    assert {limit for _, limit in catalog.pages} == {10}
    assert OrderLog().head == (25, make_page(25).digest)


def test_a_long_way_is_caught_up_from_the_peers(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    catalog.orders = list(make_page(55).orders)
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


def test_a_trade_is_placed_stored_and_answered(leader: ReplicaShell, catalog: FakeCatalog) -> None:
    assert leader.trade(TERM, [make_trade(1), make_trade(2)]) == (make_order(1), make_order(2))
    assert numbers() == [1, 2]
    (batch,) = catalog.batches
    assert (batch.term, batch.leader, batch.after) == (TERM, ME, 0)


def test_the_same_key_is_answered_from_the_log(leader: ReplicaShell, catalog: FakeCatalog) -> None:
    """I2"""
    leader.trade(TERM, [make_trade(1)])
    answers = leader.trade(TERM, [make_trade(1), make_trade(1, 9)])
    assert answers[0] == make_order(1)
    assert isinstance(answers[1], KeyReused)
    assert len(catalog.batches) == 1


def test_a_refusal_is_an_answer_and_stores_nothing(leader: ReplicaShell) -> None:
    (answer,) = leader.trade(TERM, [make_trade(1, stock_name="NoSuchCo")])
    assert isinstance(answer, UnknownStock)
    assert numbers() == []


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I2: the catalog had done it already; I1: the order is not skipped."""
    catalog.answers_lost = [Unreachable()]
    with pytest.raises(Unreachable):
        leader.trade(TERM, [make_trade(1)])
    assert (numbers(), len(catalog.orders)) == ([], 1)
    assert leader.trade(TERM, [make_trade(1)]) == (make_order(1),)
    assert (numbers(), len(catalog.orders)) == ([1], 1)


def test_a_gap_before_a_new_order_is_filled_first(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    catalog.orders = list(make_page(25).orders)
    catalog.page_orders_max = 10
    leader.trade(TERM, [make_trade(26)])
    assert numbers() == list(range(1, 27))


@pytest.mark.parametrize("term", [0, 2, 4])
def test_trades_meant_for_another_term_are_not_tried(
    leader: ReplicaShell, catalog: FakeCatalog, term: int
) -> None:
    with pytest.raises(NotLeader):
        leader.trade(Term(term), [make_trade(1)])
    assert catalog.batches == []


def test_a_fenced_leader_steps_down_and_acknowledges_nothing(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I5"""
    catalog.term, catalog.leader = Term(4), FAR
    with pytest.raises(Deposed):
        leader.trade(TERM, [make_trade(1)])
    assert (leader.machine.standing, leader.machine.term) == (Standing.FOLLOWING, 4)
    assert leader.machine.leader == FAR
    assert OrderLog().load_term() == (4, FAR)
    assert numbers() == []
    with pytest.raises(NotLeader):
        leader.trade(TERM, [make_trade(1)])


def test_a_leader_that_hears_of_a_newer_term_meanwhile_acknowledges_nothing(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """The order is in the ledger; its client repeats the key against the new leader."""
    catalog.on_place = lambda: leader.take_notice(Term(4), FAR)
    with pytest.raises(Deposed):
        leader.trade(TERM, [make_trade(1)])
    assert len(catalog.orders) == 1


def test_an_older_notice_changes_nothing(leader: ReplicaShell) -> None:
    with pytest.raises(StaleTerm):
        leader.take_notice(Term(2), FAR)
    with pytest.raises(StaleTerm):
        leader.take_notice(TERM, FAR)
    assert leader.machine.standing is Standing.LEADING


def test_the_highest_term_survives_a_restart(
    leader: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    """I6: no older leader is followed afterwards."""
    leader.take_notice(Term(9), FAR)
    again = ReplicaShell(ME, catalog, peers, OrderLog(), LIMITS)
    assert (again.machine.term, again.machine.leader) == (9, FAR)
    with pytest.raises(StaleTerm):
        again.append(Append(Term(8), NEAR, make_page(1)))


def test_a_new_leader_catches_up_before_it_leads(shell: ReplicaShell, catalog: FakeCatalog) -> None:
    shell.start()
    catalog.orders = list(make_page(25).orders)
    shell.take_notice(TERM, ME)
    assert shell.machine.standing is Standing.LEADING
    assert numbers() == list(range(1, 26))


def test_a_chosen_leader_that_cannot_reach_the_ledger_does_not_lead(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    shell.start()
    catalog.requests_lost = [Unreachable()]
    with pytest.raises(Unreachable):
        shell.take_notice(TERM, ME)
    assert shell.machine.standing is Standing.FOLLOWING
    shell.take_notice(TERM, ME)
    assert shell.machine.standing is Standing.LEADING


def test_a_trade_waits_for_every_follower_in_sync(leader: ReplicaShell, peers: Peers) -> None:
    """I3"""
    join(leader, NEAR, FAR)
    assert in_sync(leader) == (1, 2, 3)
    with replicating(leader, NEAR, FAR):
        leader.trade(TERM, [make_trade(1)])
        assert [peers[one].memory.get(OrderNo(1)) for one in (NEAR, FAR)] == [make_order(1)] * 2
    assert in_sync(leader) == (1, 2, 3)


def test_a_silent_follower_is_dropped_after_the_timeout_and_trades_go_on(
    leader: ReplicaShell, peers: Peers
) -> None:
    """DESIGN 4.2"""
    join(leader, NEAR, FAR)
    begun_s = monotonic_s()
    with replicating(leader, NEAR):
        assert leader.trade(TERM, [make_trade(1)]) == (make_order(1),)
        first_s = monotonic_s() - begun_s
        assert in_sync(leader) == (1, 2)
        assert leader.trade(TERM, [make_trade(2)]) == (make_order(2),)
    assert LIMITS.replication_timeout_s * 0.9 <= first_s < WAIT_S / 2
    assert peers[FAR].memory.linked == []


def test_a_follower_comes_back_once_it_has_everything(leader: ReplicaShell, peers: Peers) -> None:
    join(leader, NEAR)
    leader.trade(TERM, [make_trade(1)])
    assert in_sync(leader) == (2,)
    join(leader, NEAR)
    assert in_sync(leader) == (1, 2)
    assert peers[NEAR].memory.get(OrderNo(1)) == make_order(1)


def test_too_few_in_sync_refuse_before_anything_is_tried(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    limits = Limits(min_in_sync=2, replication_timeout_s=0.05, heartbeat_s=0.01)
    demanding = ReplicaShell(ME, catalog, peers, OrderLog(), limits)
    demanding.start()
    demanding.take_notice(TERM, ME)
    with pytest.raises(TooFewInSync):
        demanding.trade(TERM, [make_trade(1)])
    assert catalog.batches == []
    join(demanding, NEAR)
    with pytest.raises(NotReplicated):  # the follower falls silent meanwhile: indefinite
        demanding.trade(TERM, [make_trade(1)])
    join(demanding, NEAR)
    assert demanding.trade(TERM, [make_trade(1)]) == (make_order(1),)


@pytest.mark.django_db(transaction=True)
def test_a_deposed_leader_does_not_wait_for_its_followers(
    catalog: FakeCatalog, peers: Peers
) -> None:
    limits = Limits(replication_timeout_s=WAIT_S * 3, heartbeat_s=0.01)
    patient = ReplicaShell(ME, catalog, peers, OrderLog(), limits)
    patient.start()
    patient.take_notice(TERM, ME)
    join(patient, NEAR)

    def depose() -> None:
        wait_until(lambda: patient.machine.last == 1)
        patient.step_down(Term(4), FAR)

    deposing = in_thread(depose)
    begun_s = monotonic_s()
    with pytest.raises(Deposed):
        patient.trade(TERM, [make_trade(1)])
    assert monotonic_s() - begun_s < WAIT_S
    deposing.result(WAIT_S)


def test_a_follower_stores_what_its_leader_sends(shell: ReplicaShell) -> None:
    shell.start()
    accepted = shell.append(Append(TERM, FAR, make_page(3)))
    assert (accepted.last, accepted.digest) == (3, make_page(3).digest)
    assert shell.append(Append(TERM, FAR, make_page(5, after=2))).last == 5
    assert (numbers(), shell.machine.leader) == ([1, 2, 3, 4, 5], FAR)


def test_a_follower_reports_a_gap_and_how_far_it_lags(shell: ReplicaShell) -> None:
    shell.start()
    with pytest.raises(GapFound):
        shell.append(Append(TERM, FAR, make_page(9, after=5)))
    assert shell.lag_orders == 9
    assert shell.lag_ms > 0
    shell.append(Append(TERM, FAR, make_page(9)))
    assert (shell.lag_orders, shell.lag_ms) == (0, 0.0)


def test_a_follower_takes_nothing_from_an_older_term(shell: ReplicaShell) -> None:
    """I5"""
    shell.start()
    shell.append(Append(TERM, FAR, make_page(1)))
    for term, leader in ((Term(2), FAR), (TERM, NEAR)):
        with pytest.raises(StaleTerm):
            shell.append(Append(term, leader, make_page(2)))
    assert numbers() == [1]


def test_a_log_that_differs_from_the_ledger_stays_out(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I8: whoever is right, it asks the ledger when a leader's orders differ."""
    page = make_page(2, orders=[make_order(1), make_order(2, quantity=9)])
    shell.log.append(tuple(link(GENESIS, page.orders)))
    again = ReplicaShell(ME, catalog, {}, OrderLog(), LIMITS)
    catalog.requests_lost = [Unreachable()]
    again.start()
    assert again.machine.is_serving
    catalog.orders = list(make_page(3).orders)
    with pytest.raises(Diverged):
        again.append(Append(TERM, FAR, make_page(3)))
    check_out(again)


def test_a_leader_whose_log_differs_does_not_corrupt_a_good_follower(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I1: nothing of it is stored, and the follower, which is right, goes on."""
    catalog.orders = list(make_page(2).orders)
    shell.start()
    page = make_page(3, orders=[make_order(1), make_order(2, quantity=9), make_order(3)])
    with pytest.raises(Diverged):
        shell.append(Append(TERM, FAR, page))
    assert shell.machine.is_serving
    assert OrderLog().head == (2, make_page(2).digest)


def test_a_log_that_is_longer_than_the_ledger_stays_out(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    shell.log.append(make_linked(3))
    again = ReplicaShell(ME, catalog, {}, OrderLog(), LIMITS)
    with pytest.raises(Corrupt):
        again.start()
    check_out(again)


def test_a_damaged_log_stays_out(shell: ReplicaShell, catalog: FakeCatalog) -> None:
    """I8: however right its length and its last digest are."""
    catalog.orders = list(make_page(3).orders)
    shell.log.append(make_linked(3))
    LogEntry.objects.filter(order_no=2).update(quantity=9)
    again = ReplicaShell(ME, catalog, {}, OrderLog(), LIMITS)
    again.start()
    check_out(again)


def check_out(shell: ReplicaShell) -> None:
    """A replica that is out answers nothing, takes nothing and cannot lead."""
    assert shell.machine.standing is Standing.CORRUPT
    assert not shell.machine.is_serving
    with pytest.raises(NotServing):
        shell.look_up(OrderNo(1))
    with pytest.raises(NotServing):
        shell.append(Append(Term(9), FAR, make_page(3)))
    with pytest.raises(NotServing):
        shell.take_notice(Term(9), ME)
    with pytest.raises(NotLeader):
        shell.trade(TERM, [make_trade(1)])


def test_a_rebuilt_replica_has_everything_again(
    shell: ReplicaShell, catalog: FakeCatalog, peers: Peers
) -> None:
    catalog.orders = list(make_page(40).orders)
    peers[FAR].take(make_page(38))
    shell.start()
    assert shell.log.find_fault() is None
    assert OrderLog().head == (40, make_page(40).digest)


def test_an_order_that_is_missing_is_asked_of_the_ledger(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """DESIGN 4.5: only then is it "not found"."""
    shell.start()
    catalog.orders = list(make_page(4).orders)
    assert shell.look_up(OrderNo(3)) == make_order(3)
    assert numbers() == [1, 2, 3, 4]
    with pytest.raises(UnknownOrder):
        shell.look_up(OrderNo(5))
    catalog.requests_lost = [Unreachable()]
    with pytest.raises(Unreachable):
        shell.look_up(OrderNo(5))


def test_a_database_that_fails_acknowledges_nothing_and_recovers(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I3: the ledger has the order, the log must have it too before anybody is told."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON order_app_logentry"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        with pytest.raises(DatabaseError, match="disk full"):
            leader.trade(TERM, [make_trade(1)])
        assert (numbers(), leader.machine.last) == ([], 0)
        cursor.execute("DROP TRIGGER fault")
    assert leader.trade(TERM, [make_trade(2)]) == (make_order(2),)
    assert numbers() == [1, 2]
    assert leader.trade(TERM, [make_trade(1)]) == (make_order(1),)
    assert len(catalog.orders) == 2


@pytest.mark.django_db(transaction=True)
def test_trades_that_wait_travel_together(catalog: FakeCatalog) -> None:
    """Group commit: one batch under way, the next one takes all who came meanwhile."""
    shell = ReplicaShell(ME, catalog, {}, OrderLog(), LIMITS)
    shell.start()
    shell.take_notice(TERM, ME)
    release = threading.Event()
    catalog.on_place = lambda: _wait(release)
    first = in_thread(lambda: shell.trade(TERM, [make_trade(1)]))
    wait_until(lambda: catalog.batches)
    rest = []
    for number in range(2, 12):
        rest.append(in_thread(lambda number=number: shell.trade(TERM, [make_trade(number)])))  # type: ignore[misc]
        wait_until(lambda number=number: shell.combiner._waiting == number - 1)  # type: ignore[misc]
    release.set()
    assert first.result(WAIT_S) == (make_order(1),)
    assert sorted(one.result(WAIT_S)[0].order_no for one in rest) == list(range(2, 12))
    assert [len(batch.trades) for batch in catalog.batches] == [1, 10]
    assert (shell.combiner.batches, shell.combiner.items) == (2, 11)


def _wait(release: threading.Event) -> None:
    assert release.wait(WAIT_S)


@pytest.mark.django_db(transaction=True)
def test_too_many_waiting_trades_are_refused(catalog: FakeCatalog) -> None:
    """I10"""
    shell = ReplicaShell(ME, catalog, {}, OrderLog(), Limits(waiting_trades_max=2))
    shell.start()
    shell.take_notice(TERM, ME)
    release = threading.Event()
    catalog.on_place = lambda: _wait(release)
    first = in_thread(lambda: shell.trade(TERM, [make_trade(1)]))
    wait_until(lambda: catalog.batches)
    with pytest.raises(Busy):
        shell.trade(TERM, [make_trade(number) for number in (2, 3, 4)])
    release.set()
    first.result(WAIT_S)
