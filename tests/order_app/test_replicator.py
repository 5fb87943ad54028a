"""A replicator's rounds: what a follower lacks, while this replica leads (docs/DESIGN.md 4.2)."""

import threading

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.digest import link
from bazaar.core.failures import Diverged, Failure, GapFound, NotServing, StaleTerm, Unreachable
from bazaar.core.replica import ReplicaState
from bazaar.core.replication import TAIL_ENTRIES_MAX
from bazaar.core.types import START, Position, ReplicaId, Term
from bazaar.settings.env import Limits
from order_app.replica import ReplicaShell
from order_app.replicator import Replicator
from order_app.store import OrderLog
from tests.order_app.conftest import FAR, LIMITS, ME, NEAR, TERM
from tests.order_app.fakes import FakeCatalog, FakePeer
from tests.support.hearing import Hearing
from tests.support.histories import make_linked, make_order, make_orders, make_page, make_trade
from tests.support.waits import WAIT_S, in_thread, wait_until

Peers = dict[ReplicaId, FakePeer]


@pytest.fixture
def peer(peers: Peers) -> FakePeer:
    """Name the one follower that these rounds are about."""
    return peers[NEAR]


@pytest.fixture
def replicator(leader: ReplicaShell) -> Replicator:
    return Replicator(leader, NEAR)


def trade(shell: ReplicaShell, *numbers: int) -> None:
    """Place trades while no follower is in sync, so that nobody is waited for."""
    shell.trade(TERM, [make_trade(number) for number in numbers])


def progress(replicator: Replicator) -> tuple[int, bool, bool]:
    """Return how far the leader thinks the follower is, whether it is in sync, and reachable."""
    outbox = replicator.shell.machine.outbox
    assert outbox is not None
    found = outbox.followers[replicator.follower]
    return found.position, found.is_in_sync, found.is_reachable


def lead_again(catalog: FakeCatalog, peers: Peers, last: int) -> ReplicaShell:
    """Begin a leadership with orders that the leader's memory does not have."""
    catalog.orders = make_orders(last)
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), LIMITS)
    shell.start()
    shell.take_notice(TERM, ME)
    return shell


def test_without_orders_a_heartbeat_tells_who_leads(replicator: Replicator, peer: FakePeer) -> None:
    replicator.round()
    (append,) = peer.appends
    assert (append.term, append.leader, append.page) == (TERM, ME, make_page(0))
    assert peer.timeouts_s == [LIMITS.replication_timeout_s]
    assert progress(replicator) == (0, True, True)
    assert (peer.machine.term, peer.machine.leader) == (TERM, ME)


def test_a_heartbeat_tells_how_far_the_leader_is(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer
) -> None:
    peer.failures = [Unreachable()]
    trade(leader, *range(1, 26))
    replicator.round()
    replicator.round()
    assert (peer.machine.last, peer.machine.leader_last) == (10, 25)


def test_orders_go_out_in_bounded_appends(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer
) -> None:
    trade(leader, *range(1, 26))
    for _ in range(4):
        replicator.round()
    assert [len(append.page.entries) for append in peer.appends] == [10, 10, 5, 0]
    assert peer.memory.entries == make_orders(25)
    assert progress(replicator) == (25, True, True)


def test_a_follower_that_lacks_orders_is_not_in_sync_yet(
    leader: ReplicaShell, replicator: Replicator
) -> None:
    """I3: who joins must have all that was acknowledged."""
    trade(leader, *range(1, 26))
    seen = []
    for _ in range(3):
        replicator.round()
        seen.append(progress(replicator)[1])
    assert seen == [False, False, True]


def test_a_gap_is_answered_with_what_is_missing(
    catalog: FakeCatalog, peers: Peers, peer: FakePeer, db: None
) -> None:
    """The leader assumes that its followers have what it had when its leadership began."""
    shell = lead_again(catalog, peers, 25)
    peer.take(make_page(7))
    replicator = Replicator(shell, NEAR)
    replicator.round()
    assert progress(replicator) == (7, False, True)
    replicator.round()
    assert [append.page.after.position for append in peer.appends] == [25, 7]
    assert peer.memory.entries == make_orders(17)
    replicator.round()
    assert (peer.memory.entries, progress(replicator)) == (
        make_orders(25),
        (25, True, True),
    )


def test_a_follower_that_lost_its_disk_is_no_longer_in_sync(
    leader: ReplicaShell, replicator: Replicator, peers: Peers
) -> None:
    trade(leader, 1, 2)
    replicator.round()
    assert progress(replicator) == (2, True, True)
    wiped = peers[NEAR] = FakePeer(NEAR)
    leader.peers = peers
    replicator.round()
    assert progress(replicator) == (0, False, True)
    replicator.round()
    assert wiped.memory.entries == make_orders(2)
    assert progress(replicator) == (2, True, True)


def test_a_follower_far_behind_is_fed_from_the_log(
    catalog: FakeCatalog, peers: Peers, peer: FakePeer, db: None
) -> None:
    """Memory keeps the newest orders only; the log has them all."""
    log, count = OrderLog(), TAIL_ENTRIES_MAX + 50
    log.append(make_linked(count))
    catalog.orders = make_orders(count)
    limits = Limits(heartbeat_s=0.01, page_orders_max=1000)
    shell = ReplicaShell(ME, catalog, peers, log, limits)
    shell.start()
    shell.take_notice(TERM, ME)
    replicator = Replicator(shell, NEAR)
    for _ in range(7):
        replicator.round()
    assert [append.page.after.position for append in peer.appends] == [
        count,
        0,
        1000,
        2000,
        3000,
        4000,
        count,
    ]
    assert len(peer.memory.entries) == count
    assert progress(replicator) == (count, True, True)


def test_a_newer_term_makes_the_leader_step_down(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer
) -> None:
    """I5."""
    peer.failures = [StaleTerm(Term(4), FAR)]
    replicator.round()
    assert leader.machine.state is ReplicaState.FOLLOWING
    assert (leader.machine.term, leader.machine.leader) == (4, FAR)


def test_an_older_terms_refusal_is_old_news(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer
) -> None:
    peer.failures = [StaleTerm(Term(2), FAR)]
    replicator.round()
    assert leader.machine.state is ReplicaState.LEADING


def test_a_follower_that_differs_makes_the_leader_verify_itself(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer, catalog: FakeCatalog
) -> None:
    """I8: one of the two logs is not the ledger's; this one asks the ledger."""
    trade(leader, 1, 2)
    asked = len(catalog.pages)
    peer.failures = [Diverged()]
    replicator.round()
    assert len(catalog.pages) > asked
    assert leader.machine.state is ReplicaState.LEADING
    assert progress(replicator)[1:] == (False, False)


def test_a_leader_that_differs_from_the_ledger_stops_leading(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer, catalog: FakeCatalog
) -> None:
    trade(leader, 1, 2)
    catalog.orders = [make_order(1), make_order(2, quantity=9), make_order(3)]
    peer.failures = [Diverged()]
    replicator.round()
    assert leader.machine.state is ReplicaState.CORRUPT


def test_a_follower_that_ends_level_with_another_history_is_noticed(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer
) -> None:
    """I1."""
    peer.memory.append(tuple(link(START, [make_order(1, quantity=9)])))
    peer.machine.head = peer.memory.head
    trade(leader, 1)
    replicator.round()
    assert not progress(replicator)[1]


@pytest.mark.parametrize("failure", [Unreachable(), NotServing()])
def test_a_follower_that_fails_leaves_the_in_sync_set_and_comes_back(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer, failure: Failure
) -> None:
    replicator.round()
    peer.failures = [failure]
    replicator.round()
    assert progress(replicator)[1:] == (False, False)
    trade(leader, 1)
    replicator.round()
    assert progress(replicator) == (1, True, True)


def test_an_append_that_arrived_although_its_answer_was_lost_is_sent_again(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer
) -> None:
    trade(leader, 1, 2)
    peer.take(make_page(1), term=TERM, leader=ME)
    replicator.round()
    assert peer.memory.entries == make_orders(2)


def test_a_new_order_does_not_wait_for_the_next_heartbeat(
    catalog: FakeCatalog, peers: Peers, peer: FakePeer, db: None
) -> None:
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), Limits(heartbeat_s=3600))
    shell.start()
    shell.take_notice(TERM, ME)
    replicator = Replicator(shell, NEAR)
    replicator.round()
    round_ = in_thread(replicator.round)
    wait_until(lambda: shell.shipping._waiters)  # type: ignore[attr-defined]
    trade(shell, 1)
    round_.result(WAIT_S)
    assert peer.memory.entries == make_orders(1)


def test_a_failing_follower_is_not_asked_more_often_than_every_heartbeat(
    catalog: FakeCatalog, peers: Peers, peer: FakePeer, db: None
) -> None:
    """I10: orders that pile up must not turn into a busy loop."""
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), Limits(heartbeat_s=0.05))
    shell.start()
    shell.take_notice(TERM, ME)
    replicator = Replicator(shell, NEAR)
    peer.failures = [Unreachable()] * 3
    replicator.round()
    begun_s = monotonic_s()  # a trade that takes long must not count against the pause
    trade(shell, 1)
    replicator.round()
    replicator.round()
    assert monotonic_s() - begun_s >= 2 * 0.05 * 0.9


def test_a_replica_that_does_not_lead_sends_nothing(shell: ReplicaShell, peer: FakePeer) -> None:
    shell.start()
    Replicator(shell, NEAR).round()
    assert peer.appends == []


def test_a_new_term_is_announced_at_once(
    catalog: FakeCatalog, peers: Peers, peer: FakePeer, db: None
) -> None:
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), Limits(heartbeat_s=3600))
    shell.start()
    round_ = in_thread(Replicator(shell, NEAR).round)
    wait_until(lambda: shell.shipping._waiters)  # type: ignore[attr-defined]
    shell.take_notice(TERM, ME)
    round_.result(WAIT_S)
    assert peer.machine.leader == ME


def test_a_started_replicator_goes_on_for_ever(leader: ReplicaShell, peer: FakePeer) -> None:
    stop = threading.Event()
    replicator = Replicator(leader, NEAR)
    peer.failures = [Unreachable(), Unreachable()]
    round_ = replicator.round

    class Counted(Replicator):
        def round(self) -> None:
            if stop.is_set():
                threading.Event().wait()  # the thread ends with the process
            round_()

    Counted(leader, NEAR).start()
    for _ in range(5):
        assert peer.arrived.acquire(timeout=WAIT_S)
    stop.set()
    assert progress(replicator) == (0, True, True)


def test_gaps_are_no_failures(leader: ReplicaShell, replicator: Replicator, peer: FakePeer) -> None:
    peer.failures = [GapFound(Position(0))]
    replicator.round()
    assert progress(replicator) == (0, False, True)
    assert not replicator.is_failing


def test_a_follower_that_is_lost_and_comes_back_is_told(
    leader: ReplicaShell, replicator: Replicator, peer: FakePeer
) -> None:
    hearing = Hearing()
    replicator.round()
    peer.failures = [Unreachable("nobody there"), Unreachable("nobody there")]
    trade(leader, 1)
    for _ in range(3):
        replicator.round()
    assert hearing.phrases() == ["follower in sync", "follower dropped", "follower in sync"]
    assert hearing.fields("follower dropped") == {"replica": NEAR, "upto": 1}


def test_a_follower_that_fails_between_trades_is_told_with_the_reason(
    replicator: Replicator, peer: FakePeer
) -> None:
    replicator.round()
    hearing = Hearing()
    peer.failures = [Unreachable("nobody there"), Unreachable("nobody there")]
    for _ in range(2):
        replicator.round()
    assert hearing.phrases() == ["follower lost"]
    assert hearing.fields("follower lost") == {"replica": NEAR, "reason": "nobody there"}
