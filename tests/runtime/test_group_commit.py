"""Group commit: few batches, one at a time, in order; nobody is lost and nobody waits alone."""

import random
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from queue import Queue

import pytest

from bazaar.core.failures import Busy, Unreachable
from bazaar.runtime.group_commit import Batcher
from tests.support.waits import WAIT_S, in_thread, run_together, start_in_turn, wait_until


@dataclass
class Work:
    """Doubles its items; holds its first batch back until `release` when told to."""

    is_held: bool = False
    batches: list[list[int]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    _running: threading.Lock = field(default_factory=threading.Lock)

    def run(self, items: Sequence[int]) -> Sequence[int]:
        assert self._running.acquire(blocking=False), "one batch at a time"
        try:
            self.batches.append(list(items))
            self.begun.set()
            if self.is_held and len(self.batches) == 1:
                assert self.release.wait(WAIT_S)
            if any(item < 0 for item in items):
                raise Unreachable(f"no {min(items)}")
            return [2 * item for item in items]
        finally:
            self._running.release()


def make(work: Work, batch_max: int = 100, waiting_max: int = 1000) -> Batcher[int, int]:
    return Batcher(work.run, batch_max=batch_max, waiting_max=waiting_max)


def hold_first(
    batcher: Batcher[int, int], work: Work, *groups: Sequence[int]
) -> "list[Future[Sequence[int]]]":
    """Let one caller's batch be under way while all the others queue up, in this order."""
    first = in_thread(lambda: batcher.submit([0]))
    assert work.begun.wait(WAIT_S)
    waiting = list(accumulate(map(len, groups)))
    rest = start_in_turn(
        [partial(batcher.submit, group) for group in groups],
        lambda number: batcher._waiting == waiting[number - 1],
    )
    return [first, *rest]


def test_a_lone_caller_does_not_wait_for_company() -> None:
    work = Work()
    batcher = make(work)
    assert batcher.submit([1, 2]) == [2, 4]
    assert batcher.submit([3]) == [6]
    assert work.batches == [[1, 2], [3]]
    assert (batcher.batches, batcher.items) == (2, 3)


def test_who_comes_during_a_batch_forms_the_next_in_order() -> None:
    work = Work(is_held=True)
    batcher = make(work)
    futures = hold_first(batcher, work, [1], [2, 3], [4])
    work.release.set()
    assert [future.result(WAIT_S) for future in futures] == [[0], [2], [4, 6], [8]]
    assert work.batches == [[0], [1, 2, 3, 4]]


def test_a_batch_has_a_limit_and_the_rest_follow() -> None:
    work = Work(is_held=True)
    batcher = make(work, batch_max=2)
    futures = hold_first(batcher, work, [1], [2], [3], [4], [5])
    work.release.set()
    assert [future.result(WAIT_S) for future in futures] == [[0], [2], [4], [6], [8], [10]]
    assert work.batches == [[0], [1, 2], [3, 4], [5]]


def test_one_callers_items_stay_together_even_past_the_limit() -> None:
    work = Work(is_held=True)
    batcher = make(work, batch_max=2)
    futures = hold_first(batcher, work, [1], [2, 3, 4], [5])
    work.release.set()
    assert [future.result(WAIT_S) for future in futures] == [[0], [2], [4, 6, 8], [10]]
    assert work.batches == [[0], [1], [2, 3, 4], [5]]


def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    work = Work(is_held=True)
    batcher = make(work, waiting_max=3)
    futures = hold_first(batcher, work, [1], [2])
    with pytest.raises(Busy):
        batcher.submit([3, 4])
    futures.append(in_thread(lambda: batcher.submit([5])))
    wait_until(lambda: batcher._waiting == 3)
    with pytest.raises(Busy):
        batcher.submit([6])
    work.release.set()
    assert [future.result(WAIT_S) for future in futures] == [[0], [2], [4], [10]]
    assert batcher.submit([7]) == [14]
    assert sorted(item for batch in work.batches for item in batch) == [0, 1, 2, 5, 7]


def test_a_batch_that_fails_fails_for_all_its_callers_and_for_no_other() -> None:
    work = Work(is_held=True)
    batcher = make(work, batch_max=2)
    futures = hold_first(batcher, work, [1], [-2], [3], [4])
    work.release.set()
    errors = [future.exception(WAIT_S) for future in futures]
    assert [str(error) if error else "" for error in errors] == ["", "no -2", "no -2", "", ""]
    assert batcher.submit([5]) == [10]


def test_a_lone_caller_gets_the_error_of_its_batch() -> None:
    batcher = make(Work())
    with pytest.raises(Unreachable):
        batcher.submit([-1])
    assert batcher.submit([1]) == [2]


@pytest.fixture
def _restless() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_restless")
def test_nobody_is_lost_when_many_threads_submit_at_once() -> None:
    """Thousands of hand-overs; a lost one leaves its caller waiting for ever."""
    threads, rounds = 32, 200
    work = Work()
    batcher = make(work, batch_max=8)

    def hammer(number: int) -> int:
        chance, done = random.Random(number), 0
        for at in range(rounds):
            items = [number * rounds + at] * chance.randint(1, 3)
            if chance.random() < 0.05:
                with pytest.raises(Unreachable):
                    batcher.submit([-1])
            else:
                done += _submit(batcher, items)
        return done

    done = sum(run_together([partial(hammer, number) for number in range(threads)]))
    assert batcher.items == sum(map(len, work.batches)) >= done
    assert max(map(len, work.batches)) <= 8
    assert batcher.batches < threads * rounds
    assert not batcher._is_running
    assert batcher._waiting == 0


def _submit(batcher: Batcher[int, int], items: list[int]) -> int:
    """Submit until the batch has no poison in it; return how many items were answered."""
    while True:
        try:
            assert batcher.submit(items) == [2 * item for item in items]
        except Unreachable:
            continue
        return len(items)


def test_many_callers_travel_in_few_batches() -> None:
    work = Work(is_held=True)
    batcher = make(work)
    futures = hold_first(batcher, work, *[[number] for number in range(1, 31)])
    work.release.set()
    assert [future.result(WAIT_S) for future in futures] == [[2 * n] for n in range(31)]
    assert len(work.batches) == 2


def test_results_are_handed_over_in_order_without_a_thread_that_waits() -> None:
    work = Work(is_held=True)
    batcher = make(work, batch_max=3)
    results: Queue[Sequence[int] | Exception] = Queue()
    batcher.submit_later([0], results.put)
    assert work.begun.wait(WAIT_S)
    for number in range(1, 6):
        batcher.submit_later([number], results.put)
    blocking = in_thread(lambda: batcher.submit([6]))
    wait_until(lambda: batcher._waiting == 6)
    work.release.set()
    found = [results.get(timeout=WAIT_S) for _ in range(6)]
    assert sorted(found, key=str) == [[0], [10], [2], [4], [6], [8]]
    assert blocking.result(WAIT_S) == [12]
    assert work.batches == [[0], [1, 2, 3], [4, 5, 6]]


def test_a_failed_batch_is_an_error_for_those_who_do_not_wait_either() -> None:
    batcher = make(Work())
    results: Queue[Sequence[int] | Exception] = Queue()
    batcher.submit_later([-1], results.put)
    assert str(results.get(timeout=WAIT_S)) == "no -1"
    assert batcher.submit([1]) == [2]


def test_a_full_queue_refuses_those_who_do_not_wait_too() -> None:
    work = Work(is_held=True)
    batcher = make(work, waiting_max=2)
    results: Queue[Sequence[int] | Exception] = Queue()
    batcher.submit_later([0], results.put)
    assert work.begun.wait(WAIT_S)
    batcher.submit_later([1, 2], results.put)
    with pytest.raises(Busy):
        batcher.submit_later([3], results.put)
    work.release.set()
    assert sorted([results.get(timeout=WAIT_S) for _ in range(2)], key=str) == [[0], [2, 4]]


def test_results_that_are_not_taken_harm_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(is_held=True)
    batcher = make(work)
    results: Queue[Sequence[int] | Exception] = Queue()

    def fail(results: object) -> None:
        raise OSError("gone")

    batcher.submit_later([0], results.put)
    assert work.begun.wait(WAIT_S)
    batcher.submit_later([1], fail)
    batcher.submit_later([2], results.put)
    work.release.set()
    assert sorted([results.get(timeout=WAIT_S) for _ in range(2)], key=str) == [[0], [4]]
    assert "results were not taken" in caplog.text
