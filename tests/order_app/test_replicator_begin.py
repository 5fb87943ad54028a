"""A batch's orders go to the followers from the thread that places it (docs/adr/0023, I3)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, connection

from bazaar.clock import monotonic_s
from bazaar.core.failures import Deposed, Diverged, GapFound, NotReplicated, StaleTerm, Unreachable
from bazaar.core.replica import ReplicaState
from bazaar.core.types import Position, ReplicaId, Term
from bazaar.settings.env import Limits
from order_app.replica import ReplicaShell
from order_app.replicator import Replicator
from order_app.store import OrderLog
from tests.order_app.conftest import FAR, LIMITS, ME, NEAR, TERM
from tests.order_app.fakes import FakeCatalog, FakePeer
from tests.order_app.steps import in_sync, numbers
from tests.support.hearing import Hearing
from tests.support.histories import make_linked, make_order, make_orders, make_trade
from tests.support.waits import WAIT_S, in_thread, wait_until

Peers = dict[ReplicaId, FakePeer]
Replicators = dict[ReplicaId, Replicator]


@pytest.fixture
def replicators(leader: ReplicaShell, peers: Peers) -> Replicators:
    """Give the leader replicators with kept connections; both followers are in sync."""
    return make_replicators(leader, peers)


def make_replicators(shell: ReplicaShell, peers: Peers) -> Replicators:
    replicators = {peer: Replicator(shell, peer) for peer in peers}
    for follower, replicator in replicators.items():
        replicator.round()
        peers[follower].is_warm = True
    shell.begin_appends = tuple(replicator.begin for replicator in replicators.values())
    return replicators


def trade(shell: ReplicaShell, number: int) -> None:
    assert shell.trade(TERM, [make_trade(number)]) == (make_order(number),)


def test_orders_reach_every_follower_without_a_replicators_thread(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    trade(leader, 1)
    trade(leader, 2)
    assert [peer.memory.entries for peer in peers.values()] == [make_orders(2)] * 2
    assert [len(peer.begun) for peer in peers.values()] == [2, 2]
    assert in_sync(leader) == (1, 2, 3)


def test_all_are_sent_to_before_the_leader_commits_and_before_any_is_waited_for(
    leader: ReplicaShell,
    peers: Peers,
    replicators: Replicators,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, list[tuple[int, int]]]] = []

    def note(what: str) -> None:
        progress = [
            (len(peer.begun), sum(call.times_finished for call in peer.begun))
            for peer in peers.values()
        ]
        seen.append((what, progress))

    def noted(what: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*args: Any) -> Any:
            note(what)
            return work(*args)

        return noting

    near = peers[NEAR]
    monkeypatch.setattr(leader.log, "append", noted("commits", leader.log.append))
    monkeypatch.setattr(near, "append", noted("answers", near.append))
    trade(leader, 1)
    assert seen == [("commits", [(1, 0), (1, 0)]), ("answers", [(1, 1), (1, 0)])]


def test_a_trade_is_not_acknowledged_before_a_follower_in_sync_has_it(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    """I3: a mute one is waited for, dropped, and not sent to by the next batch."""
    peers[FAR].is_mute = True
    hearing = Hearing()
    begun_s = monotonic_s()
    trade(leader, 1)
    assert monotonic_s() - begun_s >= LIMITS.replication_timeout_s * 0.9
    assert in_sync(leader) == (1, 2)
    assert hearing.fields("follower lost") == {"replica": FAR, "reason": "nothing came"}
    trade(leader, 2)
    assert [len(peers[one].begun) for one in (NEAR, FAR)] == [2, 1]


def test_one_mute_follower_does_not_cost_the_other_its_place(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    """The answer of the second is there when the first has used up all the time."""
    peers[NEAR].is_mute = True
    trade(leader, 1)
    assert in_sync(leader) == (2, 3)
    assert peers[FAR].memory.entries == make_orders(1)


def test_a_kept_connection_that_was_over_is_no_reason_to_drop_a_follower(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    peers[NEAR].failures = [Unreachable("the connection was ended")]
    hearing = Hearing()
    trade(leader, 1)
    assert [len(append.page.entries) for append in peers[NEAR].appends] == [0, 1, 1]
    assert in_sync(leader) == (1, 2, 3)
    assert hearing.phrases() == []


def test_a_dead_follower_is_dropped_at_once(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    peers[NEAR].failures = [Unreachable("refused"), Unreachable("refused")]
    trade(leader, 1)
    assert in_sync(leader) == (2, 3)
    assert replicators[NEAR].is_failing


@pytest.mark.parametrize("failure", [GapFound(Position(0)), Diverged()])
def test_a_follower_that_refuses_is_left_to_its_replicator(
    leader: ReplicaShell,
    peers: Peers,
    replicators: Replicators,
    failure: GapFound | Diverged,
) -> None:
    peers[NEAR].failures = [failure]
    trade(leader, 1)
    assert in_sync(leader) == (2, 3)
    replicators[NEAR].round()
    assert in_sync(leader) == (1, 2, 3)
    assert peers[NEAR].memory.entries == make_orders(1)


def test_a_newer_term_at_a_follower_deposes_the_leader(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    """I5: the order is in the ledger, and this leader must not acknowledge it any more."""
    peers[NEAR].failures = [StaleTerm(Term(4), FAR)]
    with pytest.raises(Deposed):
        leader.trade(TERM, [make_trade(1)])
    assert leader.machine.state is ReplicaState.FOLLOWING


def test_who_is_being_told_something_gets_the_orders_from_its_replicator(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    """Two appends at once might pass each other."""
    outbox = leader.machine.outbox
    assert outbox is not None
    outbox.offer(make_linked(1))
    pending = replicators[NEAR].begin(outbox)
    assert pending is not None
    assert replicators[NEAR].begin(outbox) is None
    replicators[NEAR].round()
    assert [len(append.page.entries) for append in peers[NEAR].appends] == [0]
    pending.finish(monotonic_s() + WAIT_S)
    assert outbox.followers[NEAR].position == 1
    replicators[NEAR].round()
    assert len(peers[NEAR].appends) == 3  # a heartbeat


def lead_patiently(catalog: FakeCatalog, peers: Peers) -> ReplicaShell:
    """Lead where nothing happens by itself for a long time: whoever waits must be woken."""
    limits = Limits(replication_timeout_s=WAIT_S * 3, heartbeat_s=3600, deadline_s=WAIT_S * 4)
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), limits)
    shell.start()
    shell.take_notice(TERM, ME)
    return shell


@pytest.mark.django_db(transaction=True)
def test_a_cold_follower_is_left_to_its_replicator_at_once(
    catalog: FakeCatalog, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = lead_patiently(catalog, peers)
    replicators = make_replicators(shell, peers)
    near = peers[NEAR]
    near.is_warm = False
    append = near.append

    def append_late(*args: Any) -> Any:
        wait_until(lambda: shell.acknowledged._waiters)  # type: ignore[attr-defined]
        return append(*args)

    monkeypatch.setattr(near, "append", append_late)
    round_ = in_thread(replicators[NEAR].round)
    wait_until(lambda: shell.shipping._waiters)  # type: ignore[attr-defined]
    in_thread(lambda: trade(shell, 1)).result(WAIT_S)
    round_.result(WAIT_S)
    assert in_sync(shell) == (1, 2, 3)
    assert near.memory.entries == make_orders(1)


@pytest.mark.django_db(transaction=True)
def test_who_is_not_in_sync_is_left_to_its_replicator_at_once(
    catalog: FakeCatalog, peers: Peers
) -> None:
    shell = lead_patiently(catalog, peers)
    replicators = make_replicators(shell, peers)
    assert shell.machine.outbox is not None
    shell.machine.outbox.followers[NEAR].is_in_sync = False
    round_ = in_thread(replicators[NEAR].round)
    wait_until(lambda: shell.shipping._waiters)  # type: ignore[attr-defined]
    in_thread(lambda: trade(shell, 1)).result(WAIT_S)
    round_.result(WAIT_S)
    assert peers[NEAR].begun == []
    assert in_sync(shell) == (1, 2, 3)


@pytest.mark.django_db(transaction=True)
def test_orders_that_came_while_others_were_sent_follow_at_once(
    catalog: FakeCatalog, peers: Peers
) -> None:
    shell = lead_patiently(catalog, peers)
    replicators = make_replicators(shell, peers)
    outbox = shell.machine.outbox
    assert outbox is not None
    outbox.offer(make_linked(1))
    pending = replicators[NEAR].begin(outbox)
    assert pending is not None
    outbox.offer(make_linked(2))
    round_ = in_thread(replicators[NEAR].round)
    wait_until(lambda: shell.shipping._waiters)  # type: ignore[attr-defined]
    pending.finish(monotonic_s() + WAIT_S)
    round_.result(WAIT_S)
    assert peers[NEAR].memory.entries == make_orders(2)


def test_nothing_stays_begun_when_the_leader_cannot_store(
    leader: ReplicaShell, peers: Peers, replicators: Replicators
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON order_app_logentry"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        with pytest.raises(DatabaseError, match="disk full"):
            leader.trade(TERM, [make_trade(1)])
        assert [call.times_finished for peer in peers.values() for call in peer.begun] == [1, 1]
        cursor.execute("DROP TRIGGER fault")
    trade(leader, 2)
    assert numbers() == [1, 2]
    assert in_sync(leader) == (1, 2, 3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["notice", "append"])
def test_a_deposed_leader_does_not_wait_for_what_it_sent(
    catalog: FakeCatalog, peers: Peers, way: str
) -> None:
    patient = ReplicaShell(
        ME, catalog, peers, OrderLog(), Limits(replication_timeout_s=WAIT_S * 3, heartbeat_s=0.01)
    )
    patient.start()
    patient.take_notice(TERM, ME)
    make_replicators(patient, peers)
    for peer in peers.values():
        peer.is_mute = True
    trading = in_thread(lambda: patient.trade(TERM, [make_trade(1)]))
    wait_until(lambda: peers[NEAR].begun and peers[NEAR].begun[0].times_finished)
    if way == "notice":
        catalog.term, catalog.leader = Term(4), FAR
        patient.take_notice(Term(4), FAR)
    else:
        heartbeat = peers[NEAR].appends[0]
        patient.append(replace(heartbeat, term=Term(4), leader=FAR))
    with pytest.raises(Deposed):
        trading.result(WAIT_S)


@pytest.mark.django_db(transaction=True)
def test_a_notice_that_confirms_the_leader_ends_nothing(leader: ReplicaShell, peers: Peers) -> None:
    make_replicators(leader, peers)
    peers[NEAR].is_mute = True
    trading = in_thread(lambda: leader.trade(TERM, [make_trade(1)]))
    wait_until(lambda: peers[NEAR].begun and peers[NEAR].begun[0].times_finished)
    leader.take_notice(TERM, ME)
    trading.result(WAIT_S)
    assert not peers[NEAR].begun[0].aborted.is_set()


def test_too_few_in_sync_afterwards_is_not_acknowledged(
    catalog: FakeCatalog, peers: Peers, db: None
) -> None:
    limits = Limits(min_in_sync=3, replication_timeout_s=0.05, heartbeat_s=0.01)
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), limits)
    shell.start()
    shell.take_notice(TERM, ME)
    make_replicators(shell, peers)
    trade(shell, 1)
    peers[FAR].is_mute = True
    with pytest.raises(NotReplicated):
        shell.trade(TERM, [make_trade(2)])


def test_who_was_just_sent_orders_needs_no_heartbeat(
    catalog: FakeCatalog, peers: Peers, db: None
) -> None:
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), Limits(heartbeat_s=0.3))
    shell.start()
    shell.take_notice(TERM, ME)
    replicators = make_replicators(shell, peers)
    begun_s = monotonic_s()
    trade(shell, 1)
    replicators[NEAR].round()
    assert monotonic_s() - begun_s >= 0.3 * 0.9
    assert [len(append.page.entries) for append in peers[NEAR].appends] == [0, 1, 0]
