"""Pings that tell a process that is gone from one that is slow: docs/adr/0051."""

import threading
from collections.abc import Callable, Iterator

import pytest

from bazaar.core.failures import Failure, NotServing, Unreachable
from bazaar.runtime.hedged_ping import PINGS_MAX, HedgedPing
from bazaar.runtime.waits import REAL
from tests.support.waits import WAIT_S, in_thread, wait_until

TIMEOUT_S = 0.5
"""Of a ping that gives up soon; others wait for what the test says, on a busy machine too."""


class SlowProcess:
    """A process whose pings are answered when the test says so, each with its number."""

    def __init__(self) -> None:
        self.pings = 0
        self.answers: dict[int, Exception | None] = {}
        """What becomes of each ping, by its number from 1; another one hangs."""
        self.changed = threading.Condition()

    def ping(self, timeout_s: float) -> int:
        """Wait until the test answers."""
        with self.changed:
            self.pings += 1
            number = self.pings
            assert self.changed.wait_for(lambda: number in self.answers, WAIT_S)
        if failure := self.answers[number]:
            raise failure
        return number

    def answer(self, number: int, failure: Exception | None = None) -> None:
        """Answer a ping, be it sent yet or not."""
        with self.changed:
            self.answers[number] = failure
            self.changed.notify_all()

    def answer_all(self) -> None:
        """Let nothing hang any more."""
        for number in range(1, 2 * PINGS_MAX + 1):
            if number not in self.answers:
                self.answer(number)


@pytest.fixture
def process() -> Iterator[SlowProcess]:
    process = SlowProcess()
    yield process
    process.answer_all()


@pytest.fixture
def ping() -> HedgedPing[int]:
    return HedgedPing(WAIT_S, REAL, "ping")


@pytest.fixture
def hasty() -> HedgedPing[int]:
    return HedgedPing(TIMEOUT_S, REAL, "ping")


def fail_of(ask: Callable[[], int]) -> Failure:
    """Return what asking raises."""
    with pytest.raises((Unreachable, NotServing)) as raised:
        ask()
    return raised.value


def test_an_answer_to_the_second_ping_is_as_good(
    process: SlowProcess, ping: HedgedPing[int]
) -> None:
    """The first one was lost on the way."""
    process.answer(2)
    assert ping.ask(process.ping) == 2
    assert ping.suspicions == 0


def test_an_answer_to_the_first_ping_is_taken_after_the_second_was_sent(
    process: SlowProcess, ping: HedgedPing[int]
) -> None:
    """It was slow, and was not given up."""
    asking = in_thread(lambda: ping.ask(process.ping))
    wait_until(lambda: process.pings == PINGS_MAX)
    process.answer(1)
    assert asking.result(WAIT_S) == 1


def test_a_quick_answer_takes_one_ping(process: SlowProcess, ping: HedgedPing[int]) -> None:
    process.answer(1)
    ping.ask(process.ping)
    assert process.pings == 1


def test_a_silent_process_is_suspected(process: SlowProcess, hasty: HedgedPing[int]) -> None:
    failure = fail_of(lambda: hasty.ask(process.ping))
    assert isinstance(failure, Unreachable)
    assert not failure.is_refused
    assert (hasty.suspicions, hasty.wrong_suspicions) == (1, 0)
    assert not hasty.has_answered_late
    wait_until(lambda: process.pings == PINGS_MAX)


def test_a_suspicion_that_answers_follow_is_counted_as_wrong_once_and_learned_from(
    process: SlowProcess, hasty: HedgedPing[int]
) -> None:
    """Else a process that is always as slow would be suspected again and again."""
    fail_of(lambda: hasty.ask(process.ping))
    process.answer_all()
    wait_until(lambda: hasty._inquiry is not None and len(hasty._inquiry.answers) == PINGS_MAX)
    assert hasty.has_answered_late
    assert (hasty.suspicions, hasty.wrong_suspicions) == (1, 1)
    assert hasty.patience_s == TIMEOUT_S


def test_a_refusal_ends_the_wait_at_once(process: SlowProcess, ping: HedgedPing[int]) -> None:
    """Nobody listens there: no second ping is needed."""
    process.answer(1, Unreachable("refused", is_refused=True))
    failure = fail_of(lambda: ping.ask(process.ping))
    assert isinstance(failure, Unreachable)
    assert failure.is_refused
    assert (process.pings, ping.suspicions) == (1, 0)


def test_what_the_process_says_ends_the_wait_at_once(
    process: SlowProcess, ping: HedgedPing[int]
) -> None:
    process.answer(1, NotServing())
    assert isinstance(fail_of(lambda: ping.ask(process.ping)), NotServing)
    assert process.pings == 1


def test_an_answer_that_fails_is_asked_for_once_more(
    process: SlowProcess, ping: HedgedPing[int]
) -> None:
    """It was garbled, or the kept connection was over."""
    process.answer(1, Unreachable("garbled"))
    process.answer(2)
    assert ping.ask(process.ping) == 2


def test_two_answers_that_fail_are_a_failure(process: SlowProcess, ping: HedgedPing[int]) -> None:
    process.answer(1, Unreachable("garbled"))
    process.answer(2, Unreachable("garbled again"))
    assert fail_of(lambda: ping.ask(process.ping)).message == "garbled again"
    assert ping.suspicions == 0


def test_a_ping_that_breaks_is_raised(process: SlowProcess, ping: HedgedPing[int]) -> None:
    """A mistake of ours is no silence."""
    process.answer(1, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        ping.ask(process.ping)
