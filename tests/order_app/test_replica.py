"""A leader's trades: once, stored, waited for, fenced; none is acknowledged early (I2, I3, I5)."""

import threading
from functools import partial

import pytest
from django.db import DatabaseError, connection

from bazaar.clock import monotonic_s
from bazaar.core.failures import (
    Busy,
    Deposed,
    KeyReused,
    NotLeader,
    NotReplicated,
    StorageFailed,
    TooFewInSync,
    UnknownStock,
    Unreachable,
)
from bazaar.core.replica import ReplicaState
from bazaar.core.replication import Append
from bazaar.core.types import Order, OrderNo, ReplicaId, Term
from bazaar.settings.env import Limits
from order_app.replica import ReplicaShell
from order_app.store import OrderLog
from tests.order_app.conftest import FAR, LIMITS, ME, NEAR, TERM
from tests.order_app.fakes import FakeCatalog, FakePeer
from tests.order_app.steps import in_sync, join, numbers, replicating
from tests.support.disks import refuse_writes
from tests.support.histories import TOKEN, make_order, make_orders, make_page, make_trade
from tests.support.waits import WAIT_S, in_thread, start_in_turn, wait_until

Peers = dict[ReplicaId, FakePeer]


def test_a_trade_is_placed_stored_and_answered(leader: ReplicaShell, catalog: FakeCatalog) -> None:
    assert leader.trade(TERM, [make_trade(1), make_trade(2)]) == (make_order(1), make_order(2))
    assert numbers() == [1, 2]
    (batch,) = catalog.batches
    assert (batch.term, batch.leader, batch.after) == (TERM, ME, 0)


def test_the_same_key_is_answered_from_the_log(leader: ReplicaShell, catalog: FakeCatalog) -> None:
    """I2."""
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
    catalog.orders = make_orders(25)
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
    """I5."""
    catalog.term, catalog.leader = Term(4), FAR
    with pytest.raises(Deposed):
        leader.trade(TERM, [make_trade(1)])
    assert (leader.machine.state, leader.machine.term) == (ReplicaState.FOLLOWING, 4)
    assert leader.machine.leader == FAR
    assert OrderLog().load_term() == (4, FAR)
    assert numbers() == []
    with pytest.raises(NotLeader):
        leader.trade(TERM, [make_trade(1)])


def test_a_leader_that_hears_of_a_newer_term_meanwhile_acknowledges_nothing(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """The order is in the ledger; its client repeats the key against the new leader."""

    def hear() -> None:
        leader.append(Append(Term(4), FAR, make_page(0), TOKEN))

    catalog.on_place = hear
    with pytest.raises(Deposed):
        leader.trade(TERM, [make_trade(1)])
    assert len(catalog.orders) == 1


def test_a_trade_waits_for_every_follower_in_sync(leader: ReplicaShell, peers: Peers) -> None:
    """I3."""
    join(leader, NEAR, FAR)
    assert in_sync(leader) == (1, 2, 3)
    with replicating(leader, NEAR, FAR):
        leader.trade(TERM, [make_trade(1)])
        assert [peers[one].memory.get(OrderNo(1)) for one in (NEAR, FAR)] == [make_order(1)] * 2
    assert in_sync(leader) == (1, 2, 3)


def test_a_silent_follower_is_dropped_after_the_timeout_and_trades_go_on(
    leader: ReplicaShell, peers: Peers
) -> None:
    """docs/DESIGN.md 4.2."""
    join(leader, NEAR, FAR)
    begun_s = monotonic_s()
    with replicating(leader, NEAR):
        assert leader.trade(TERM, [make_trade(1)]) == (make_order(1),)
        first_s = monotonic_s() - begun_s
        assert in_sync(leader) == (1, 2)
        assert leader.trade(TERM, [make_trade(2)]) == (make_order(2),)
    assert LIMITS.replication_timeout_s * 0.9 <= first_s < WAIT_S / 2
    assert peers[FAR].memory.entries == []


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


@pytest.mark.sqlite
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
def test_a_leader_whose_disk_fails_acknowledges_nothing_and_recovers(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I3, I9: it is no damage, and what it remembers is what its disk has."""
    with refuse_writes():
        with pytest.raises(NotReplicated, match="could not store it"):
            leader.trade(TERM, [make_trade(1)])
        assert (numbers(), leader.machine.last, leader.log.head.position) == ([], 0, 0)
        with pytest.raises(StorageFailed):
            leader.look_up(OrderNo(1))
    assert leader.trade(TERM, [make_trade(1)]) == (make_order(1),)
    assert (numbers(), leader.machine.state) == ([1], ReplicaState.LEADING)
    assert len(catalog.orders) == 1


@pytest.mark.django_db(transaction=True)
def test_a_replica_that_cannot_store_a_term_does_not_adopt_it(
    shell: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I6: a term is durable before it counts."""
    shell.start()
    with refuse_writes(), pytest.raises(StorageFailed):
        shell.take_notice(TERM, ME)
    assert (shell.machine.term, shell.machine.state) == (0, ReplicaState.FOLLOWING)
    shell.take_notice(TERM, ME)
    assert (shell.machine.term, shell.machine.state) == (TERM, ReplicaState.LEADING)


@pytest.mark.django_db(transaction=True)
def test_a_leader_stops_leading_though_its_disk_does_not_take_the_newer_term(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """I5, I6: the term counts once it is stored, and the leadership is over at once."""
    with refuse_writes():
        leader.step_down(Term(4), FAR)
        assert (leader.machine.term, leader.machine.outbox) == (TERM, None)
        with pytest.raises(NotLeader):
            leader.trade(TERM, [make_trade(1)])
    catalog.term, catalog.leader = Term(4), FAR
    leader.take_notice(Term(4), FAR)
    assert leader.log.load_term() == (Term(4), FAR)


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
    rest = start_in_turn(
        [partial(shell.trade, TERM, [make_trade(number)]) for number in range(2, 12)],
        lambda number: shell.batcher._waiting == number,
    )
    release.set()
    assert first.result(WAIT_S) == (make_order(1),)
    placed = [answer for one in rest for answer in one.result(WAIT_S)]
    assert sorted(one.order_no for one in placed if isinstance(one, Order)) == list(range(2, 12))
    assert [len(batch.trades) for batch in catalog.batches] == [1, 10]
    assert (shell.batcher.batches, shell.batcher.items) == (2, 11)


def _wait(release: threading.Event) -> None:
    assert release.wait(WAIT_S)


@pytest.mark.django_db(transaction=True)
def test_too_many_waiting_trades_are_refused(catalog: FakeCatalog) -> None:
    """I10."""
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
