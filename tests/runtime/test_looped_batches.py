"""Batches that an event loop sends: their callers wait without a thread."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import Failure, Unreachable
from bazaar.runtime.group_commit import BATCHES_UNGATHERED, Batcher
from tests.support.loops import HandLoop
from tests.support.waits import WAIT_S, in_thread, wait_until

UNTIL_S = 7.0


@dataclass
class Sent:
    """A batch that was sent."""

    items: list[int]
    pieces: int = 1
    """How often there is something to read until all of the answer is there."""
    failure: Exception | None = None
    sock: Any = None
    until_s: float = UNTIL_S
    is_given_up: bool = False
    is_over: bool = False
    """Whether nothing is left to do after a failure."""
    gone_on: list[Failure] = field(default_factory=list)

    def take(self) -> Sequence[int] | None:
        self.pieces -= 1
        if self.failure:
            raise self.failure
        return None if self.pieces else [2 * item for item in self.items]

    def give_up(self) -> None:
        self.is_given_up = True

    def go_on(self, failure: Failure) -> Sequence[int]:
        self.gone_on.append(failure)
        if self.is_over:
            raise failure
        return [3 * item for item in self.items]


@dataclass
class Line:
    """Where batches are sent, or run when there is no connection."""

    sent: list[Sent] = field(default_factory=list)
    run_items: list[list[int]] = field(default_factory=list)
    is_connected: bool = True
    pieces: int = 1
    failure: Exception | None = None
    is_over: bool = False

    def begin(self, items: Sequence[int]) -> Sent | None:
        if not self.is_connected:
            return None
        sent = Sent(list(items), self.pieces, self.failure, socket.socket(), is_over=self.is_over)
        self.sent.append(sent)
        self.sent[-1].sock.close()
        return self.sent[-1]

    def run(self, items: Sequence[int]) -> Sequence[int]:
        self.run_items.append(list(items))
        return [3 * item for item in items]

    @property
    def batches(self) -> list[list[int]]:
        return [one.items for one in self.sent]


Results = list[Sequence[int] | Exception]


def make(line: Line) -> tuple[Batcher[int, int], HandLoop, Results]:
    batcher = Batcher(line.run, batch_max=10, waiting_max=10, begin=line.begin)
    return batcher, HandLoop(), []


def test_what_comes_in_one_turn_travels_together_and_what_comes_later_in_the_next() -> None:
    line = Line()
    batcher, loop, results = make(line)
    for number in (1, 2):
        batcher.submit_later([number], results.append, loop)
    assert line.batches == []
    loop.turn()
    for number in (3, 4):
        batcher.submit_later([number], results.append, loop)
    loop.turn()
    assert line.batches == [[1, 2]], "one batch is under way at a time"
    loop.answer()
    assert (results, line.batches) == ([[2], [4]], [[1, 2], [3, 4]])
    loop.answer()
    assert results == [[2], [4], [6], [8]]
    batcher.submit_later([5], results.append, loop)
    loop.turn()
    assert line.batches[-1] == [5], "a lone one waits for nobody"
    assert [until_s for _, until_s, _ in loop.watched] == [UNTIL_S]


def test_an_answer_may_come_in_pieces() -> None:
    batcher, loop, results = make(Line(pieces=3))
    batcher.submit_later([1], results.append, loop)
    loop.turn()
    for _ in range(2):
        loop.answer()
        assert results == []
    loop.answer()
    assert results == [[2]]


def test_an_answer_that_does_not_come_is_given_up() -> None:
    line = Line()
    batcher, loop, results = make(line)
    batcher.submit_later([1], results.append, loop)
    loop.turn()
    batcher.submit_later([2], results.append, loop)
    loop.answer(is_readable=False)
    assert line.sent[0].is_given_up
    wait_until(lambda: results)
    assert results == [[3]], "a thread has gone on"
    assert [type(one) for one in line.sent[0].gone_on] == [Unreachable]
    loop.turn()
    loop.answer()
    assert results[1] == [4], "the next batch follows"


def test_without_a_connection_a_batch_is_run_in_a_thread() -> None:
    line = Line(is_connected=False)
    batcher, loop, results = make(line)
    batcher.submit_later([1], results.append, loop)
    loop.turn()
    wait_until(lambda: results)
    assert (results, line.run_items) == ([[3]], [[1]])


@pytest.mark.parametrize("is_over", [False, True])
def test_after_a_failure_a_thread_goes_on_with_the_batch(is_over: bool) -> None:  # noqa: FBT001 - a parameter
    failure = Unreachable("ended")
    line = Line(failure=failure, is_over=is_over)
    batcher, loop, results = make(line)
    for number in (1, 2):
        batcher.submit_later([number], results.append, loop)
    loop.turn()
    loop.answer()
    wait_until(lambda: len(results) == 2)
    assert results == ([failure, failure] if is_over else [[3], [6]])
    assert (line.sent[0].gone_on, line.run_items) == ([failure], []), "it was begun already"


def test_a_mistake_is_told_to_every_caller() -> None:
    mistake = ValueError("no")
    line = Line(failure=mistake)
    batcher, loop, results = make(line)
    for number in (1, 2):
        batcher.submit_later([number], results.append, loop)
    loop.turn()
    loop.answer()
    assert results == [mistake, mistake]
    assert line.sent[0].gone_on == []


def test_a_caller_that_waits_is_let_through_between_two_batches_of_a_loop() -> None:
    line = Line()
    batcher, loop, results = make(line)
    batcher.submit_later([1], results.append, loop)
    loop.turn()
    blocking = in_thread(lambda: batcher.submit([2]))
    wait_until(lambda: batcher._waiting == 1)
    batcher.submit_later([3], results.append, loop)
    loop.answer()
    assert blocking.result(WAIT_S) == [6]
    wait_until(lambda: results == [[2], [9]])
    assert line.run_items == [[2, 3]], "it carries what waits behind it"


def make_gathering(line: Line, count: int = 2) -> tuple[Batcher[int, int], HandLoop, Results]:
    """Return a batcher whose first batch, of the numbers from 1 to `count`, is under way."""
    batcher = Batcher(line.run, batch_max=10, waiting_max=10, begin=line.begin, gather_s=WAIT_S)
    loop, results = HandLoop(), Results()
    for number in range(1, count + 1):
        batcher.submit_later([number], results.append, loop)
    loop.turn()
    return batcher, loop, results


def test_a_batch_waits_for_those_who_come_again() -> None:
    line = Line()
    batcher, loop, results = make_gathering(line)
    batcher.submit_later([3], results.append, loop)
    loop.answer()
    assert (len(results), line.batches) == (2, [[1, 2]])
    batcher.submit_later([4], results.append, loop)
    loop.turn()
    assert line.batches == [[1, 2]], "one of the two is still to come"
    batcher.submit_later([5], results.append, loop)
    loop.turn()
    assert line.batches == [[1, 2], [3, 4, 5]]
    loop.answer()
    loop.ring()
    assert line.batches == [[1, 2], [3, 4, 5]], "the time of a wait that is over changes nothing"


def test_whoever_comes_after_a_pause_waits_for_nobody() -> None:
    line = Line()
    batcher, loop, results = make(line)
    batcher.submit_later([1], results.append, loop)
    batcher.submit_later([2], results.append, loop)
    loop.turn()
    loop.answer()
    batcher.submit_later([3], results.append, loop)
    loop.turn()
    assert (line.batches, loop.later) == ([[1, 2], [3]], [])


def test_the_wait_for_those_who_come_again_ends() -> None:
    line = Line()
    batcher, loop, results = make_gathering(line)
    loop.answer()
    batcher.submit_later([3], results.append, loop)
    loop.turn()
    ((until_s, _),) = loop.later
    assert 0 < until_s - monotonic_s() <= WAIT_S
    loop.ring()
    assert line.batches == [[1, 2], [3]]


def test_when_few_come_again_the_next_batches_begin_at_once() -> None:
    line = Line()
    batcher, loop, results = make_gathering(line)
    loop.answer()
    batcher.submit_later([3], results.append, loop)
    loop.turn()
    loop.ring()
    for number in range(BATCHES_UNGATHERED - 1):
        batcher.submit_later([number], results.append, loop)
        loop.answer()
        assert line.batches[-1] == [number]
    batcher.submit_later([4], results.append, loop)
    loop.answer()
    assert len(loop.later) == 1, "then it is tried again"


def test_a_full_batch_waits_for_nobody() -> None:
    line = Line()
    batcher, loop, results = make_gathering(line, 7)
    for number in range(10):
        batcher.submit_later([number], results.append, loop)
    loop.answer()
    assert len(line.batches[-1]) == 10


def test_a_caller_that_waits_joins_a_batch_that_gathers() -> None:
    line = Line()
    batcher, loop, results = make_gathering(line)
    loop.answer()
    batcher.submit_later([3], results.append, loop)
    loop.turn()
    blocking = in_thread(lambda: batcher.submit([4]))
    wait_until(lambda: batcher._waiting == 2)
    loop.ring()
    loop.answer()
    assert blocking.result(WAIT_S) == [8]
    assert line.batches == [[1, 2], [3, 4]]
