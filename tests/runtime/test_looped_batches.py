"""Batches that an event loop sends: their callers wait without a thread."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bazaar.core.failures import Failure, Unreachable
from bazaar.runtime.group_commit import Batcher
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

    def take(self) -> Sequence[int] | None:
        self.pieces -= 1
        if self.failure:
            raise self.failure
        return None if self.pieces else [2 * item for item in self.items]

    def give_up(self) -> None:
        self.is_given_up = True


@dataclass
class Line:
    """Where batches are sent, or run when there is no connection."""

    sent: list[Sent] = field(default_factory=list)
    run_items: list[list[int]] = field(default_factory=list)
    is_connected: bool = True
    pieces: int = 1
    failure: Exception | None = None

    def begin(self, items: Sequence[int]) -> Sent | None:
        if not self.is_connected:
            return None
        self.sent.append(Sent(list(items), self.pieces, self.failure, socket.socket()))
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
    assert isinstance(results[0], Unreachable)
    loop.answer()
    assert results[1] == [4], "the next batch goes on"


def test_without_a_connection_a_batch_is_run_in_a_thread() -> None:
    line = Line(is_connected=False)
    batcher, loop, results = make(line)
    batcher.submit_later([1], results.append, loop)
    loop.turn()
    wait_until(lambda: results)
    assert (results, line.run_items) == ([[3]], [[1]])


def test_a_connection_that_was_over_is_not_the_end_of_a_batch() -> None:
    line = Line(failure=Unreachable("ended"))
    batcher, loop, results = make(line)
    batcher.submit_later([1], results.append, loop)
    loop.turn()
    loop.answer()
    wait_until(lambda: results)
    assert (results, line.run_items) == ([[3]], [[1]])


def test_any_other_failure_is_that_of_every_caller() -> None:
    failure = Failure("no")
    line = Line(failure=failure)
    batcher, loop, results = make(line)
    for number in (1, 2):
        batcher.submit_later([number], results.append, loop)
    loop.turn()
    loop.answer()
    assert results == [failure, failure]


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
