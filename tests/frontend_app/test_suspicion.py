"""When a front end suspects the leader, and what comes of it: docs/adr/0051."""

import threading

from bazaar.core.election import Leadership, Ping
from bazaar.core.failures import Unreachable
from bazaar.core.types import ReplicaId, Term
from frontend_app.leader import LeaderWatch
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.fakes import FakeCatalog
from tests.support.hearing import Hearing
from tests.support.waits import WAIT_S, wait_until

TWO, THREE = ReplicaId(2), ReplicaId(3)


def test_a_suspicion_is_told_once(watch: LeaderWatch, replicas: Replicas) -> None:
    """The leader is paused and nobody else serves: each look finds it silent again."""
    hearing, resumed = Hearing(), threading.Event()
    for replica in replicas.values():
        replica.down = Unreachable("gone", is_refused=True)

    def hang(timeout_s: float) -> Ping:
        assert resumed.wait(WAIT_S)
        raise Unreachable

    replicas[THREE].ping = hang  # type: ignore[method-assign]
    for _ in range(2):
        watch._backoff.succeed()
        watch._watch()
    resumed.set()
    assert hearing.phrases() == ["leader suspected", "election failed", "election failed"]
    assert hearing.fields("leader suspected")["replica"] == THREE
    assert watch.leader_ping.suspicions == watch.elector.silences == 2


def answer_late(watch: LeaderWatch, replicas: Replicas) -> None:
    """Let the leader answer once it is suspected, while another replica is asked; look once."""
    leader, other, wakes = replicas[THREE], replicas[TWO], threading.Event()
    ping_leader, ping_other = leader.ping, other.ping

    def wait_and_answer(timeout_s: float) -> Ping:
        assert wakes.wait(WAIT_S)
        return ping_leader(timeout_s)

    def wake_the_leader(timeout_s: float) -> Ping:
        wakes.set()
        wait_until(lambda: watch.leader_ping.has_answered_late)
        return ping_other(timeout_s)

    leader.ping, other.ping = wait_and_answer, wake_the_leader  # type: ignore[method-assign]
    watch._watch()
    leader.ping, other.ping = ping_leader, ping_other  # type: ignore[method-assign]


def test_a_leader_that_answers_before_it_is_replaced_is_kept(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    """Nothing is claimed, and the suspicion is counted as wrong."""
    answer_late(watch, replicas)
    assert (catalog.claims, watch.elector.silences) == ([], 0)
    assert watch.leadership == Leadership(Term(1), THREE)
    assert watch.leader_ping.wrong_suspicions == 1


def test_a_late_answer_does_not_stand_in_the_way_of_a_later_election(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas
) -> None:
    """It spoke for the leader of then: this front end has met another catalog since."""
    answer_late(watch, replicas)
    catalog.leadership = Leadership(Term(0), None)
    for replica in replicas.values():
        replica.leadership = catalog.leadership
    watch.forget()
    watch._watch()
    assert catalog.claims == [(0, 3)]
    assert watch.leadership == Leadership(Term(1), THREE)


def test_the_leader_is_pinged_more_often_while_trades_are_under_way(
    watch: LeaderWatch, replicas: Replicas
) -> None:
    """So a silence is found soon where it holds somebody up, and idle pings stay few."""
    pings: list[float] = []
    ping = replicas[THREE].ping

    def count(timeout_s: float) -> Ping:
        pings.append(timeout_s)
        return ping(timeout_s)

    def look() -> int:
        watch._look()
        return len(pings)

    replicas[THREE].ping = count  # type: ignore[method-assign]
    watch._pinged_s = watch.now_s() + LIMITS.deadline_s
    assert look() == 0, "nothing is due"
    watch.batcher._is_running = True
    assert look() == 1
    watch.batcher._is_running = False
    watch._pinged_s = watch.now_s() + LIMITS.deadline_s
    assert look() == 1
    watch._pinged_s = watch.now_s() - LIMITS.ping_interval_s
    assert look() == 2, "a ping is due"
    watch._pinged_s = watch.now_s() + LIMITS.deadline_s
    watch.elector.silences = 1
    assert look() == 3, "a leader that did not answer is looked at each time"
