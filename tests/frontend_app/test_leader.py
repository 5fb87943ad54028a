"""The watch over the leader: elections, and trades that reach it (docs/DESIGN.md 4.3)."""

import threading
from functools import partial
from uuid import UUID

import msgspec
import pytest

from bazaar.clock import monotonic_s
from bazaar.core.election import Leadership
from bazaar.core.failures import (
    Busy,
    Deposed,
    Failure,
    NotLeader,
    TooFewInSync,
    UnknownStock,
    Unreachable,
)
from bazaar.core.types import Order, ReplicaId, Term
from bazaar.runtime.waits import Waits
from frontend_app.leader import LeaderWatch
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.fakes import FakeCatalog
from tests.support.hearing import Hearing
from tests.support.histories import STOCK, make_order, make_trade
from tests.support.waits import WAIT_S, in_thread, run_together, start_in_turn, wait_until

ONE, TWO, THREE = ReplicaId(1), ReplicaId(2), ReplicaId(3)


def keys_of(replicas: Replicas, replica_id: ReplicaId) -> list[int]:
    """Return the keys of all trades that a replica was sent, in order."""
    return [trade.key.int for _, trades in replicas[replica_id].trades for trade in trades]


def begin(watch: LeaderWatch, replicas: Replicas) -> None:
    """Forget who leads: front end and replicas have just begun."""
    nobody = Leadership(Term(0), None)
    watch.elector.leadership = nobody
    for replica in replicas.values():
        replica.leadership = nobody


def leads(watch: LeaderWatch, leader: ReplicaId) -> bool:
    return watch.leadership.leader == leader


def test_the_live_replica_with_the_largest_id_is_elected(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    begin(watch, replicas)
    catalog.leadership = Leadership(Term(0), None)
    replicas[THREE].die()
    watch.start()
    wait_until(lambda: leads(watch, TWO))
    assert catalog.claims == [(0, 2)]
    wait_until(
        lambda: replicas[ONE].leadership == replicas[TWO].leadership == Leadership(Term(1), TWO)
    )


def test_the_loser_of_a_race_adopts_the_winner(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    begin(watch, replicas)
    catalog.leadership = Leadership(Term(7), ONE)
    watch.start()
    wait_until(lambda: watch.leadership == Leadership(Term(7), ONE))
    assert catalog.leadership == Leadership(Term(7), ONE)


def test_a_leader_that_is_gone_is_replaced_without_any_trade(
    watch: LeaderWatch, replicas: Replicas
) -> None:
    watch.start()
    replicas[THREE].die()
    wait_until(lambda: leads(watch, TWO))
    wait_until(lambda: replicas[TWO].leadership == Leadership(Term(2), TWO))


def test_a_healthy_leader_is_kept_when_a_larger_id_comes_back(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    replicas[THREE].die()
    watch.start()
    wait_until(lambda: leads(watch, TWO))
    replicas[THREE].down = None
    replicas[THREE].leadership = catalog.leadership
    watch.place(make_trade(1))
    assert leads(watch, TWO)
    assert len(catalog.claims) == 1


def test_a_leader_that_does_not_know_it_is_told_again(
    watch: LeaderWatch, replicas: Replicas
) -> None:
    """The notice of its election may have been lost."""
    replicas[THREE].leadership = Leadership(Term(0), None)
    watch.start()
    wait_until(lambda: replicas[THREE].leadership == Leadership(Term(1), THREE))


def test_a_trade_is_answered_by_the_leader(watch: LeaderWatch, replicas: Replicas) -> None:
    assert watch.place(make_trade(1)) == make_order(1)
    ((term, trades),) = replicas[THREE].trades
    assert (term, trades) == (1, (make_trade(1),))
    assert 0 < replicas[THREE].timeouts_s[0] <= LIMITS.deadline_s


def test_a_refusal_is_passed_on_and_not_repeated(watch: LeaderWatch, replicas: Replicas) -> None:
    answer = watch.place(make_trade(1, stock_name="NoSuchCo"))
    assert isinstance(answer, UnknownStock)
    assert len(replicas[THREE].trades) == 1
    assert watch.retries == 0


def test_a_trade_is_repeated_with_the_same_key_after_its_leader_died(
    watch: LeaderWatch, replicas: Replicas
) -> None:
    """I2: it had been executed, only its answer was lost."""
    leader = replicas[THREE]

    def die_after_placing() -> None:
        leader.ledger.place(make_trade(1))
        leader.down = Unreachable("reset", is_refused=True)

    leader.on_trade = die_after_placing
    watch.start()
    assert watch.place(make_trade(1)) == make_order(1)
    assert keys_of(replicas, THREE)[0] == keys_of(replicas, TWO)[-1] == 1
    assert list(leader.ledger.orders) == [UUID(int=1)]
    assert leads(watch, TWO)


@pytest.mark.parametrize(
    "failure",
    [
        Unreachable("cut"),
        Deposed(),
        NotLeader(),
        TooFewInSync(),
        Busy(),
        Unreachable(was_sent=False),
    ],
)
def test_a_failed_attempt_is_repeated_until_it_succeeds(
    watch: LeaderWatch, replicas: Replicas, failure: Failure
) -> None:
    replicas[THREE].requests_lost = [failure, failure]
    watch.start()
    assert watch.place(make_trade(1)) == make_order(1)
    assert keys_of(replicas, THREE) == [1, 1, 1]
    assert watch.retries == 2


def test_a_paused_leader_holds_nobody_up(watch: LeaderWatch, replicas: Replicas) -> None:
    """docs/DESIGN.md 4.3: its calls are ended as soon as somebody else leads."""
    replicas[THREE].pause()
    begun_s = monotonic_s()
    placing = in_thread(lambda: watch.place(make_trade(1)))
    wait_until(lambda: replicas[THREE].trades)
    watch.start()
    assert placing.result(WAIT_S) == make_order(1)
    assert monotonic_s() - begun_s < LIMITS.deadline_s / 2
    assert replicas[THREE].aborted.is_set()
    assert keys_of(replicas, TWO) == [1]


def test_only_the_deposed_leaders_calls_are_ended(watch: LeaderWatch, replicas: Replicas) -> None:
    replicas[THREE].pause()
    watch.start()
    watch.place(make_trade(1))
    assert not replicas[ONE].aborted.is_set()
    assert not replicas[TWO].aborted.is_set()


def test_a_trade_waits_for_the_first_election(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    begin(watch, replicas)
    catalog.leadership = watch.leadership
    placing = in_thread(lambda: watch.place(make_trade(1)))
    wait_until(lambda: watch.retries > 0)
    watch.start()
    assert placing.result(WAIT_S) == make_order(1)


def hurried(watch: LeaderWatch, deadline_s: float = 0.2) -> LeaderWatch:
    """Give trades little time."""
    watch.limits = msgspec.structs.replace(LIMITS, deadline_s=deadline_s)
    return watch


@pytest.mark.parametrize("is_refused", [True, False])
def test_without_any_replica_a_trade_fails_at_its_deadline(
    watch: LeaderWatch, replicas: Replicas, *, is_refused: bool
) -> None:
    """I10."""
    for replica in replicas.values():
        replica.down = Unreachable("gone", is_refused=is_refused)
    hurried(watch).start()
    begun_s = monotonic_s()
    answer = watch.place(make_trade(1))
    assert isinstance(answer, Unreachable)
    assert not answer.is_definite
    assert 0.2 <= monotonic_s() - begun_s < WAIT_S / 2


def test_without_a_catalog_a_known_leader_goes_on(watch: LeaderWatch, catalog: FakeCatalog) -> None:
    catalog.failure = Unreachable()
    watch.start()
    assert watch.place(make_trade(1)) == make_order(1)


def test_without_a_catalog_nobody_new_leads(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    """I6: only the catalog's compare-and-set makes a leader."""
    catalog.failure = Unreachable()
    replicas[THREE].die()
    hurried(watch).start()
    assert isinstance(watch.place(make_trade(1)), Failure)
    assert watch.leadership == Leadership(Term(1), THREE)
    assert keys_of(replicas, TWO) == []
    catalog.failure = None
    wait_until(lambda: leads(watch, TWO))


def test_trades_that_wait_travel_together(watch: LeaderWatch, replicas: Replicas) -> None:
    leader, release = replicas[THREE], threading.Event()
    leader.on_trade = lambda: _wait(release)
    first = in_thread(lambda: watch.place(make_trade(1)))
    wait_until(lambda: leader.trades)
    rest = start_in_turn(
        [partial(watch.place, make_trade(number)) for number in range(2, 8)],
        lambda number: watch.batcher._waiting == number,
    )
    release.set()
    assert first.result(WAIT_S) == make_order(1)
    assert [one.result(WAIT_S) for one in rest] == [make_order(number) for number in range(2, 8)]
    assert [len(trades) for _, trades in leader.trades] == [1, 6]


def _wait(release: threading.Event) -> None:
    assert release.wait(WAIT_S)


def test_one_trade_of_a_batch_that_is_refused_does_not_refuse_the_others(
    watch: LeaderWatch, replicas: Replicas
) -> None:
    names = ["NoSuchCo", STOCK.name] * 4
    trades = [make_trade(number, stock_name=name) for number, name in enumerate(names, start=1)]
    answers = run_together([partial(watch.place, trade) for trade in trades])
    assert [isinstance(answer, Order) for answer in answers] == [False, True] * 4


def test_two_clients_with_one_key_get_one_order(watch: LeaderWatch, replicas: Replicas) -> None:
    """I2."""
    answers = run_together([lambda: watch.place(make_trade(1))] * 8)
    assert answers == [make_order(1)] * 8
    assert len(replicas[THREE].ledger.orders) == 1


def test_too_many_waiting_trades_are_refused_at_once(
    catalog: FakeCatalog, replicas: Replicas
) -> None:
    """I10."""
    limits = msgspec.structs.replace(LIMITS, waiting_trades_max=1)
    watch = LeaderWatch(catalog, replicas, limits)
    watch.elector.leadership = Leadership(Term(1), THREE)
    leader, release = replicas[THREE], threading.Event()
    leader.on_trade = lambda: _wait(release)
    first = in_thread(lambda: watch.place(make_trade(1)))
    wait_until(lambda: leader.trades)
    second = in_thread(lambda: watch.place(make_trade(2)))
    wait_until(lambda: watch.batcher._waiting == 1)
    with pytest.raises(Busy):
        watch.place(make_trade(3))
    release.set()
    assert [first.result(WAIT_S), second.result(WAIT_S)] == [make_order(1), make_order(2)]


def test_a_leader_that_this_cluster_does_not_have_is_replaced(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    """The catalog remembers the leader of a cluster that was larger the day before."""
    begin(watch, replicas)
    catalog.leadership = Leadership(Term(7), ReplicaId(5))
    watch.start()
    wait_until(lambda: watch.leadership == Leadership(Term(8), THREE), 1)
    assert watch.place(make_trade(1)) == make_order(1)


def test_an_election_is_told(watch: LeaderWatch, replicas: Replicas) -> None:
    hearing = Hearing()
    replicas[THREE].die()
    watch._watch()
    assert hearing.phrases() == ["claiming", "leader known"]
    assert hearing.fields("leader known") == {"term": 2, "leader": TWO}


class SlowTime(Waits):
    """A clock that the test moves, and chance that always falls alike."""

    time_s = 100.0

    def now_s(self) -> float:
        return self.time_s

    def draw(self) -> float:
        return 1.0


@pytest.fixture
def time() -> SlowTime:
    return SlowTime()


@pytest.fixture
def slow_watch(catalog: FakeCatalog, replicas: Replicas, time: SlowTime) -> LeaderWatch:
    """Make a watch that knows that replica 3 leads, on a clock of its own."""
    watch = LeaderWatch(catalog, replicas, LIMITS, time)
    catalog.leadership = watch.elector.leadership = Leadership(Term(1), THREE)
    return watch


def count_attempts(watch: LeaderWatch, catalog: FakeCatalog, time: SlowTime, ticks: int) -> int:
    """Poke the watch twenty times a second; return how often it claimed."""
    before = len(catalog.claims)
    for _ in range(ticks):
        watch._watch()
        time.time_s += 0.05
    return len(catalog.claims) - before


def test_an_election_that_cannot_succeed_is_tried_less_and_less_often(
    slow_watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas, time: SlowTime
) -> None:
    replicas[THREE].die()
    catalog.failure = Unreachable("The catalog is away.")
    hearing = Hearing()
    assert 5 <= count_attempts(slow_watch, catalog, time, 40) <= 7, "quick at first"
    assert count_attempts(slow_watch, catalog, time, 600) <= 21, "once in 1.5 s"
    assert hearing.phrases() == ["claiming", "election failed"], "said once"
    assert hearing.fields("election failed") == {"reason": "The catalog is away."}
    catalog.failure = Unreachable("The catalog is slow.")
    count_attempts(slow_watch, catalog, time, 100)
    assert hearing.phrases() == ["claiming", "election failed", "election failed"]
    catalog.failure = None
    count_attempts(slow_watch, catalog, time, 40)
    assert hearing.phrases()[3:] == ["leader known", "elections work again"]
    assert slow_watch.leadership == Leadership(Term(2), TWO)


def test_nobody_serving_is_said_once_and_the_next_election_is_quick(
    slow_watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas, time: SlowTime
) -> None:
    for replica in replicas.values():
        replica.die()
    hearing = Hearing()
    count_attempts(slow_watch, catalog, time, 200)
    assert hearing.phrases() == ["election failed"]
    for replica in replicas.values():
        replica.down = None
        replica.leadership = Leadership(Term(1), THREE)
    count_attempts(slow_watch, catalog, time, 31)
    assert hearing.phrases() == ["election failed", "elections work again"]
    replicas[THREE].die()
    slow_watch._watch()
    assert leads(slow_watch, TWO), "without any pause after a success"
