"""A front end's way to the leader, as often as it takes: I2, I9 (docs/DESIGN.md 4.1)."""

from dataclasses import replace
from typing import Any

import pytest

from bazaar.core.election import Elector, Leadership
from bazaar.core.failures import (
    Busy,
    Deposed,
    Failure,
    InsufficientQuantity,
    NoLeader,
    NotLeader,
    NotReplicated,
    TooFewInSync,
    Unreachable,
)
from bazaar.core.flow import AwaitLeader, SendTrades
from bazaar.core.ledger import Answer
from bazaar.core.types import Order, ReplicaId, Term, Trade
from tests.core.history import make_order, make_trade
from tests.core.script import Script

ONE, TWO = make_trade(1), make_trade(2)
NOT_YET: frozenset[Any] = frozenset()
NOT_SENT = Unreachable(is_refused=True, was_sent=False)


class Forwarding:
    """One run of `Elector.forward`, with the elector it looks at."""

    def __init__(self, *trades: Trade, term: int = 1, leader: int | None = 3) -> None:
        self.elector = Elector([ReplicaId(1), ReplicaId(2), ReplicaId(3)])
        self.elect(term, leader)
        self.script: Script[tuple[Answer, ...]] = Script(self.elector.forward(trades))

    def elect(self, term: int, leader: int | None) -> None:
        """Let the watch find a leader."""
        self.elector.leadership = Leadership(
            Term(term), None if leader is None else ReplicaId(leader)
        )

    def attempt(self, outcome: object) -> None:
        """Let the attempt under way end."""
        assert isinstance(self.script.effect, SendTrades)
        self.script.answer(outcome)

    def fail(self, failure: Failure, expired: tuple[Trade, ...] = ()) -> None:
        """Let the attempt fail, and the time of some trades be up."""
        self.attempt(failure)
        assert isinstance(self.script.effect, AwaitLeader)
        self.script.answer(frozenset(trade.key for trade in expired))

    @property
    def only_answer(self) -> Answer:
        """The answer of the one trade."""
        assert self.script.result is not None
        (answer,) = self.script.result
        return answer


def test_trades_go_to_the_leader_of_the_term_and_the_answers_come_back() -> None:
    forwarding = Forwarding(ONE, TWO)
    assert forwarding.script.effect == SendTrades(Term(1), ReplicaId(3), (ONE, TWO))
    forwarding.attempt((make_order(1), InsufficientQuantity()))
    assert forwarding.script.result is not None
    assert forwarding.script.result[0] == make_order(1)
    assert isinstance(forwarding.script.result[1], InsufficientQuantity)


@pytest.mark.parametrize(
    "failure",
    [NotLeader(), Busy(), TooFewInSync(), Deposed(), NotReplicated(), Unreachable(), NOT_SENT],
    ids=repr,
)
def test_whatever_fails_is_repeated_with_the_same_key_at_the_next_leader(
    failure: Failure,
) -> None:
    """I2, docs/DESIGN.md 4.1."""
    forwarding = Forwarding(ONE)
    forwarding.attempt(failure)
    assert forwarding.script.effect == AwaitLeader((ONE.key,), Term(1), failure)
    forwarding.elect(2, 2)
    assert forwarding.script.answer(NOT_YET).effect == SendTrades(Term(2), ReplicaId(2), (ONE,))
    forwarding.attempt((make_order(1),))
    assert forwarding.only_answer == make_order(1)


def test_without_a_leader_nothing_is_sent() -> None:
    forwarding = Forwarding(ONE, term=0, leader=None)
    assert isinstance(forwarding.script.effect, AwaitLeader)
    assert isinstance(forwarding.script.effect.failure, NoLeader)
    forwarding.elect(1, 3)
    assert forwarding.script.answer(NOT_YET).effect == SendTrades(Term(1), ReplicaId(3), (ONE,))


def test_a_repeated_trade_in_one_batch_is_sent_once() -> None:
    """I2."""
    forwarding = Forwarding(ONE, ONE)
    forwarding.attempt((make_order(1),))
    assert forwarding.script.result == (make_order(1), make_order(1))


def test_a_replay_says_so_unless_an_earlier_attempt_may_be_what_is_replayed() -> None:
    """The order of an attempt of our own was not there before the request."""
    known = replace(make_order(1), is_replayed=True)
    for failure, is_told in ((Busy(), True), (NOT_SENT, True), (Unreachable(), False)):
        forwarding = Forwarding(ONE)
        forwarding.fail(failure)
        forwarding.attempt((known,))
        assert isinstance(forwarding.only_answer, Order)
        assert forwarding.only_answer.is_replayed is is_told, failure


def test_a_trade_whose_time_is_up_gets_the_last_failure_and_the_others_go_on() -> None:
    """I10."""
    forwarding = Forwarding(ONE, TWO)
    forwarding.fail(Busy(), expired=(ONE,))
    assert forwarding.script.effect == SendTrades(Term(1), ReplicaId(3), (TWO,))
    forwarding.attempt((make_order(1, TWO),))
    assert forwarding.script.result is not None
    assert isinstance(forwarding.script.result[0], Busy)
    assert forwarding.script.result[1] == make_order(1, TWO)


@pytest.mark.parametrize("failure", [Busy(), NotLeader(), TooFewInSync(), NOT_SENT], ids=repr)
def test_attempts_that_tried_nothing_leave_a_refusal_definite(failure: Failure) -> None:
    """I9."""
    forwarding = Forwarding(ONE)
    forwarding.fail(failure)
    forwarding.attempt((InsufficientQuantity(),))
    assert isinstance(forwarding.only_answer, InsufficientQuantity)


@pytest.mark.parametrize("failure", [Unreachable(), Deposed(), NotReplicated()], ids=repr)
def test_a_refusal_is_not_definite_while_an_attempt_of_its_term_may_be_under_way(
    failure: Failure,
) -> None:
    """I9: the late attempt could be executed after the refusal."""
    forwarding = Forwarding(ONE)
    forwarding.fail(failure)
    forwarding.attempt((InsufficientQuantity(),))
    assert isinstance(forwarding.only_answer, Unreachable)
    assert not forwarding.only_answer.is_definite


def test_a_refusal_of_a_newer_term_is_definite() -> None:
    """I9: the newer term fences the late attempt off, and the refusal shows that it failed."""
    forwarding = Forwarding(ONE)
    forwarding.attempt(Unreachable())
    forwarding.elect(2, 2)
    forwarding.script.answer(NOT_YET)
    forwarding.attempt((InsufficientQuantity(),))
    assert isinstance(forwarding.only_answer, InsufficientQuantity)


@pytest.mark.parametrize("failure", [Busy(), NotLeader(), TooFewInSync(), NOT_SENT], ids=repr)
def test_a_failed_attempt_of_a_newer_term_makes_nothing_definite(failure: Failure) -> None:
    """I9: only a refusal shows that the doubtful attempt did not succeed before the fence."""
    forwarding = Forwarding(ONE)
    forwarding.attempt(Unreachable())
    forwarding.elect(2, 2)
    forwarding.script.answer(NOT_YET)
    forwarding.fail(failure, expired=(ONE,))
    assert isinstance(forwarding.only_answer, Unreachable)
    assert not forwarding.only_answer.is_definite


def test_an_order_is_an_order_however_doubtful_the_way() -> None:
    """I9."""
    forwarding = Forwarding(ONE)
    forwarding.fail(Unreachable())
    forwarding.attempt((make_order(1),))
    assert forwarding.only_answer == make_order(1)
