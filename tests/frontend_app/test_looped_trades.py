"""Trades that the event loop of a server sends: no thread waits for their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from bazaar.core.election import Leadership
from bazaar.core.failures import Failure, TooFewInSync, Unreachable
from bazaar.core.ledger import Answer
from bazaar.core.types import Order, ReplicaId, Term, Trade
from bazaar.protocol.transport import PendingCall
from frontend_app.leader import LeaderWatch
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.fakes import FakeCatalog, FakeReplica
from tests.support.histories import make_order, make_trade
from tests.support.loops import HandLoop
from tests.support.waits import wait_until

LEADER, OTHER = ReplicaId(3), ReplicaId(2)
DEADLINE_S = LIMITS.deadline_s
Answers = list[Answer | Exception]


@dataclass
class Attempt:
    """Trades on their way to a replica and back; they are placed when the answer is taken."""

    replica: "SentReplica"
    term: Term
    trades: Sequence[Trade]
    sock: Any = None
    is_given_up: bool = False

    def take(self) -> tuple[Answer, ...]:
        return self.replica.trade(self.term, self.trades, 0)

    def give_up(self) -> None:
        self.is_given_up = True


class SentReplica(FakeReplica):
    """A replica with a kept connection, or none."""

    attempts: list[Attempt]
    is_connected = True

    def begin_trade(
        self, term: Term, trades: Sequence[Trade]
    ) -> PendingCall[tuple[Answer, ...]] | None:
        if not self.is_connected:
            return None
        self.attempts.append(Attempt(self, term, trades))
        return self.attempts[-1]  # type: ignore[return-value]


@pytest.fixture
def replicas(catalog: FakeCatalog) -> Replicas:
    made = {ReplicaId(number): SentReplica(number, catalog.history) for number in (1, 2, 3)}
    for replica in made.values():
        replica.attempts = []
    return dict(made)


@pytest.fixture
def leader(replicas: Replicas) -> SentReplica:
    leader = replicas[LEADER]
    assert isinstance(leader, SentReplica)
    return leader


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


def begin(watch: LeaderWatch, loop: HandLoop, trade: Trade) -> Answers:
    """Begin to place a trade; return where its answer will be."""
    answers: Answers = []
    watch.place_later(trade, watch.now_s(), answers.append, loop)
    return answers


def elect_other(watch: LeaderWatch, replicas: Replicas) -> None:
    """Have all know that another replica leads the next term."""
    watch.elector.leadership = Leadership(Term(2), OTHER)
    for replica in replicas.values():
        replica.leadership = watch.leadership


def test_the_loop_sends_what_came_in_one_turn_and_takes_the_answers(
    watch: LeaderWatch, leader: SentReplica, loop: HandLoop
) -> None:
    answers = [begin(watch, loop, make_trade(number)) for number in (1, 2, 3)]
    loop.turn()
    assert [len(one.trades) for one in leader.attempts] == [3]
    loop.answer()
    assert answers == [[make_order(1)], [make_order(2)], [make_order(3)]]
    assert watch.retries == 0


@pytest.mark.parametrize("lost", ["requests_lost", "answers_lost"])
def test_what_the_loop_has_tried_is_known_when_a_thread_goes_on(
    watch: LeaderWatch, leader: SentReplica, loop: HandLoop, lost: str
) -> None:
    """I2, I9: the order may be of the attempt before, so nothing says that it was a repeat."""
    getattr(leader, lost).append(Unreachable("cut"))
    answers = begin(watch, loop, make_trade(1))
    loop.turn()
    loop.answer()
    wait_until(lambda: answers)
    (order,) = answers
    assert isinstance(order, Order)
    assert order == make_order(1)
    assert not order.is_replayed
    assert (watch.retries, len(leader.trades)) == (1, 2)


def test_a_refusal_after_an_attempt_in_doubt_is_not_called_definite(
    watch: LeaderWatch, leader: SentReplica, loop: HandLoop
) -> None:
    """I9: the attempt that the loop has sent may yet be executed."""
    leader.requests_lost += [Unreachable("cut"), *[TooFewInSync()] * 1000]
    answers: Answers = []
    began_s = watch.now_s() - DEADLINE_S + 0.2
    watch.place_later(make_trade(1), began_s, answers.append, loop)
    loop.turn()
    loop.answer()
    wait_until(lambda: answers)
    (failure,) = answers
    assert isinstance(failure, Failure)
    assert not failure.is_definite


def test_without_a_kept_connection_a_thread_does_it(
    watch: LeaderWatch, leader: SentReplica, loop: HandLoop
) -> None:
    leader.is_connected = False
    answers = begin(watch, loop, make_trade(1))
    loop.turn()
    wait_until(lambda: answers)
    assert answers == [make_order(1)]
    assert (len(leader.attempts), len(leader.trades)) == (0, 1)


def test_without_a_leader_a_thread_waits_for_one(
    watch: LeaderWatch, replicas: Replicas, loop: HandLoop
) -> None:
    watch.elector.leadership = Leadership(Term(1), None)
    answers = begin(watch, loop, make_trade(1))
    loop.turn()
    wait_until(lambda: watch.retries)
    assert answers == []
    elect_other(watch, replicas)
    wait_until(lambda: answers)
    assert answers == [make_order(1)]
    assert len(replicas[OTHER].trades) == 1


def test_a_silent_leader_is_given_up_and_its_successor_asked(
    watch: LeaderWatch, replicas: Replicas, leader: SentReplica, loop: HandLoop
) -> None:
    answers = begin(watch, loop, make_trade(1))
    loop.turn()
    elect_other(watch, replicas)
    loop.answer(is_readable=False)
    wait_until(lambda: answers)
    assert leader.attempts[0].is_given_up
    assert answers == [make_order(1)]
    assert len(replicas[OTHER].trades) == 1
