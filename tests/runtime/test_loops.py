"""Flows are driven step by step under a lock, and a failed round of a loop is not its last."""

import logging
import threading
from contextlib import nullcontext
from typing import Any

import pytest

from bazaar.core.failures import Failure, NotServing, Unreachable
from bazaar.core.flow import Effect, Flow, ReadLedger
from bazaar.core.types import Position
from bazaar.runtime import loops
from tests.support.waits import wait_until
from tests.support.written import lines_of

FIRST, SECOND = ReadLedger(Position(1)), ReadLedger(Position(2))


def two_questions() -> Flow[list[Any]]:
    answers = []
    for effect in (FIRST, SECOND):
        try:
            answers.append((yield effect))
        except Failure as failure:
            answers.append(failure)
    return answers


def test_a_flow_gets_the_answer_of_each_effect() -> None:
    assert loops.run(two_questions(), lambda effect: effect, nullcontext()) == [FIRST, SECOND]


def test_a_failure_is_thrown_into_the_flow() -> None:
    failure = Unreachable()

    def perform(effect: Effect) -> object:
        if effect is FIRST:
            raise failure
        return "answer"

    assert loops.run(two_questions(), perform, nullcontext()) == [failure, "answer"]


def test_what_a_flow_raises_the_caller_gets() -> None:
    def flow() -> Flow[None]:
        yield FIRST
        raise NotServing

    with pytest.raises(NotServing):
        loops.run(flow(), lambda effect: None, nullcontext())


def test_a_mistake_in_an_effect_is_not_hidden_in_the_flow() -> None:
    def perform(effect: Effect) -> object:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loops.run(two_questions(), perform, nullcontext())


class Lock:
    """A lock that says whether it is held."""

    is_held = False

    def __enter__(self) -> None:
        self.is_held = True

    def __exit__(self, *error: object) -> None:
        self.is_held = False


def test_the_lock_is_held_while_a_flow_steps_and_not_while_it_waits() -> None:
    lock, seen = Lock(), []

    def flow() -> Flow[None]:
        for _ in range(3):
            seen.append(("step", lock.is_held))
            yield FIRST

    loops.run(flow(), lambda effect: seen.append(("wait", lock.is_held)), lock)
    assert seen == [("step", True), ("wait", False)] * 3


@pytest.mark.parametrize("error", [NotServing(), ZeroDivisionError()])
def test_a_failed_round_is_followed_by_another(error: Exception) -> None:
    rounds: list[int] = []

    def round_() -> None:
        rounds.append(1)
        if len(rounds) < 3:
            raise error
        threading.Event().wait()  # enough: the thread ends with the process

    loops.Loop("test", round_, 0.001).start()
    wait_until(lambda: len(rounds) == 3)


def test_a_round_may_have_the_next_one_come_sooner() -> None:
    rounds: list[int] = []

    def round_() -> float | None:
        rounds.append(1)
        return 0.0 if len(rounds) < 3 else None

    loops.Loop("test", round_, 3600).start()
    wait_until(lambda: len(rounds) == 3)


def test_a_loop_says_a_failure_once_and_that_it_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = [Unreachable("away")] * 3 + [None] + [Unreachable("away"), Unreachable("slow")]
    rounds: list[int] = []

    def round_() -> None:
        rounds.append(1)
        if len(rounds) > len(ends):
            threading.Event().wait()  # enough: the thread ends with the process
        if (failure := ends[len(rounds) - 1]) is not None:
            raise failure

    caplog.set_level("INFO", "bazaar.runtime.loops")
    monkeypatch.setattr(logging.getLogger("bazaar.runtime.loops"), "handlers", [caplog.handler])
    monkeypatch.setattr(logging.getLogger("bazaar.runtime.loops"), "propagate", False)
    loops.Loop("test", round_, 0.001).start()
    wait_until(lambda: len(rounds) > len(ends))
    assert lines_of(caplog.records) == [
        "round failed name=test reason=away",
        "round works again name=test failed=3",
        "round failed name=test reason=away",
        "round failed name=test reason=slow",
    ]


def test_a_poke_begins_a_round_at_once() -> None:
    begun = threading.Semaphore(0)
    loop = loops.Loop("test", begun.release, 3600)
    loop.start()
    for _ in range(3):
        assert begun.acquire(timeout=10)
        loop.poke()


def test_a_poke_during_a_round_is_not_lost() -> None:
    begun, end = threading.Semaphore(0), threading.Semaphore(0)

    def round_() -> None:
        begun.release()
        end.acquire()

    loop = loops.Loop("test", round_, 3600)
    loop.start()
    assert begun.acquire(timeout=10)
    loop.poke()
    end.release()
    assert begun.acquire(timeout=10)
    end.release()
