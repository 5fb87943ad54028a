"""Pings that tell a leader that is gone from one that is slow: docs/adr/0051."""

import threading
from collections.abc import Callable

import pytest

from bazaar.core.election import Leadership, Ping
from bazaar.core.failures import Failure, NotServing, Unreachable
from bazaar.core.types import ReplicaId, Term
from bazaar.runtime.waits import Waits
from frontend_app.leader import LeaderWatch
from frontend_app.leader_ping import PINGS_MAX, LeaderPing
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.fakes import FakeCatalog, FakeLedger, FakeReplica
from tests.support.hearing import Hearing
from tests.support.waits import WAIT_S, in_thread, wait_until

THREE = ReplicaId(3)


class SlowReplica(FakeReplica):
    """A replica whose pings are answered when the test says so."""

    def __init__(self) -> None:
        super().__init__(THREE, FakeLedger())
        self.leadership = Leadership(Term(1), THREE)
        self.pings = 0
        self.answers: dict[int, Failure | None] = {}
        """What becomes of each ping, by its number from 1; another one hangs."""
        self.changed = threading.Condition()

    def ping(self, timeout_s: float) -> Ping:
        with self.changed:
            self.pings += 1
            number = self.pings
            assert self.changed.wait_for(lambda: number in self.answers, WAIT_S)
        if failure := self.answers[number]:
            raise failure
        return super().ping(timeout_s)

    def answer(self, number: int, failure: Failure | None = None) -> None:
        """Answer a ping, be it sent yet or not."""
        with self.changed:
            self.answers[number] = failure
            self.changed.notify_all()

    def answer_all(self) -> None:
        """Let nothing hang any more."""
        for number in range(1, 2 * PINGS_MAX + 1):
            self.answer(number)


@pytest.fixture
def replica() -> SlowReplica:
    return SlowReplica()


@pytest.fixture
def ping(replica: SlowReplica) -> LeaderPing:
    return LeaderPing({THREE: replica}, LIMITS.ping_timeout_s, Waits())


def fail_of(ask: Callable[[], Ping]) -> Failure:
    """Return what asking raises."""
    with pytest.raises((Unreachable, NotServing)) as raised:
        ask()
    return raised.value


def test_an_answer_to_the_second_ping_is_as_good(replica: SlowReplica, ping: LeaderPing) -> None:
    """The first one was lost on the way."""
    replica.answer(2)
    assert ping.ask(THREE).replica_id == THREE
    assert (replica.pings, ping.suspicions) == (2, 0)
    replica.answer_all()


def test_an_answer_to_the_first_ping_is_taken_after_the_second_was_sent(
    replica: SlowReplica, ping: LeaderPing
) -> None:
    """It was slow, and was not given up."""
    asking = in_thread(lambda: ping.ask(THREE))
    wait_until(lambda: replica.pings == 2)
    replica.answer(1)
    assert asking.result(WAIT_S).replica_id == THREE
    replica.answer_all()


def test_a_quick_answer_takes_one_ping(replica: SlowReplica, ping: LeaderPing) -> None:
    replica.answer(1)
    ping.ask(THREE)
    assert replica.pings == 1


def test_a_silent_leader_is_suspected_and_said_so_once(
    replica: SlowReplica, ping: LeaderPing
) -> None:
    hearing = Hearing()
    for _ in range(2):
        failure = fail_of(lambda: ping.ask(THREE))
        assert isinstance(failure, Unreachable)
        assert not failure.is_refused
    assert hearing.phrases() == ["leader suspected"]
    assert hearing.fields("leader suspected")["replica"] == THREE
    assert (replica.pings, ping.suspicions, ping.wrong_suspicions) == (4, 2, 0)
    assert not ping.has_answered_late(THREE)
    replica.answer_all()


def test_a_suspicion_that_an_answer_follows_is_counted_as_wrong_once(
    replica: SlowReplica, ping: LeaderPing
) -> None:
    fail_of(lambda: ping.ask(THREE))
    replica.answer_all()
    wait_until(lambda: ping.has_answered_late(THREE))
    wait_until(lambda: replica.pings == 2)
    assert (ping.suspicions, ping.wrong_suspicions) == (1, 1)
    assert not ping.has_answered_late(ReplicaId(2)), "another one was not suspected"
    assert not ping.has_answered_late(None)


def test_a_refusal_ends_the_wait_at_once(replica: SlowReplica, ping: LeaderPing) -> None:
    """Nobody listens there: no second ping is needed."""
    replica.answer(1, Unreachable("refused", is_refused=True))
    failure = fail_of(lambda: ping.ask(THREE))
    assert isinstance(failure, Unreachable)
    assert failure.is_refused
    assert (replica.pings, ping.suspicions) == (1, 0)


def test_what_the_replica_says_ends_the_wait_at_once(
    replica: SlowReplica, ping: LeaderPing
) -> None:
    replica.answer(1, NotServing())
    assert isinstance(fail_of(lambda: ping.ask(THREE)), NotServing)
    assert replica.pings == 1


def test_an_answer_that_fails_is_asked_for_once_more(
    replica: SlowReplica, ping: LeaderPing
) -> None:
    """It was garbled, or the kept connection was over."""
    replica.answer(1, Unreachable("garbled"))
    replica.answer(2)
    assert ping.ask(THREE).replica_id == THREE


def test_two_answers_that_fail_are_a_failure(replica: SlowReplica, ping: LeaderPing) -> None:
    replica.answer(1, Unreachable("garbled"))
    replica.answer(2, Unreachable("garbled again"))
    assert fail_of(lambda: ping.ask(THREE)).message == "garbled again"
    assert ping.suspicions == 0


def test_a_leader_that_answers_before_it_is_replaced_is_kept(
    catalog: FakeCatalog, replicas: Replicas, replica: SlowReplica
) -> None:
    """The others were asked meanwhile; nothing is claimed."""
    replicas[THREE] = replica
    two = replicas[ReplicaId(2)]
    watch = LeaderWatch(catalog, replicas, LIMITS)
    catalog.leadership = watch.elector.leadership = Leadership(Term(1), THREE)
    ask_two = two.ping

    def wake_the_leader(timeout_s: float) -> Ping:
        replica.answer_all()
        wait_until(lambda: watch.leader_ping.has_answered_late(THREE))
        return ask_two(timeout_s)

    two.ping = wake_the_leader  # type: ignore[method-assign]
    watch._watch()
    assert catalog.claims == []
    assert watch.leadership == Leadership(Term(1), THREE)
    assert watch.elector.silences == 0
    assert watch.leader_ping.wrong_suspicions == 1


def test_the_leader_is_pinged_more_often_while_trades_are_under_way(
    catalog: FakeCatalog, replicas: Replicas, replica: SlowReplica
) -> None:
    """So a silence is found soon where it holds somebody up, and idle pings stay few."""
    replicas[THREE] = replica
    replica.answers = dict.fromkeys(range(1, 9))
    watch = LeaderWatch(catalog, replicas, LIMITS.__class__(ping_interval_s=3600))
    catalog.leadership = watch.elector.leadership = Leadership(Term(1), THREE)
    watch._look()
    assert replica.pings == 0, "nothing is due"
    watch.batcher._is_running = True
    watch._look()
    assert replica.pings == 1
    watch.batcher._is_running = False
    watch._look()
    assert replica.pings == 1
    watch.elector.silences = 1
    watch._look()
    assert replica.pings == 2, "a leader that did not answer is looked at each time"
