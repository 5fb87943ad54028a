"""What the tasks of a simulated process wait for, in the place of `bazaar.runtime.waits`."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from bazaar.runtime.waits import Waits
from tests.sim.tasks import NEVER_S, TaskFuture, Tasks

T = TypeVar("T")
R = TypeVar("R")


class TaskWaits(Waits):
    """Parts that give the turn back while they wait."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._random = random.Random(0)

    def now_s(self) -> float:
        return self._tasks.network.events.now_s

    def draw(self) -> float:
        return self._random.random()

    def make_future(self) -> TaskFuture:
        return TaskFuture(self._tasks)

    def make_gate(self) -> "TaskSignal":
        return TaskSignal(self._tasks)

    def make_conditions(self, count: int) -> "tuple[TaskCondition, ...]":
        return tuple(TaskCondition(self._tasks) for _ in range(count))

    def make_signal(self) -> "TaskSignal":
        return TaskSignal(self._tasks)

    def make_pool(self, threads_max: int, name: str) -> "TaskPool":
        return TaskPool(self._tasks)


class TaskCondition:
    """A condition; nothing else runs between two waits, so it needs no lock."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiting: list[TaskFuture] = []

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        """Nothing was taken."""

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        until_s = self._tasks.network.events.now_s + timeout
        while not predicate():
            left_s = until_s - self._tasks.network.events.now_s
            if left_s <= 0:
                return False
            notified = TaskFuture(self._tasks)
            self._waiting.append(notified)
            self._tasks.park(left_s, notified)
            if not notified.done():
                self._waiting.remove(notified)
        return True

    def notify_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for notified in waiting:
            notified.set_result(None)


class TaskSignal:
    """A signal, which is a gate too: `release` lets who waits pass."""

    def __init__(self, tasks: Tasks) -> None:
        self._condition, self._is_set = TaskCondition(tasks), False

    def set(self) -> None:
        self._is_set = True
        self._condition.notify_all()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float) -> bool:
        return self._condition.wait_for(lambda: self._is_set, timeout)

    def acquire(self) -> bool:
        return self.wait(NEVER_S)

    def release(self) -> None:
        self.set()


class TaskPool:
    """A pool of any size, for the task that uses it."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        return iter(self._tasks.side_by_side(function, tuple(items)))

    def submit(self, function: Callable[[T], R], item: T, /) -> object:
        assert self._tasks.current is not None, "only a task has others work for it"
        self._tasks.spawn(self._tasks.current.process, partial(function, item))
        return None


def repeat(round_: Callable[[], Any]) -> Callable[[], None]:
    """Return a task that does one round after another."""

    def rounds() -> None:
        while True:
            round_()

    return rounds
