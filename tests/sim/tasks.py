"""
Tasks: the threads of simulated processes, one of which runs at a time.

A shell waits: for an answer, for time, for a lock, for another thread. In the simulation each of
its threads is a real one, because database connections belong to threads, but it runs only while
it has the turn. It gives the turn back wherever it waits, and the event loop says when it goes on.
So a seed is one history, whatever the machine does. What a shell holds only between two waits,
such as an ordinary lock, needs no stand-in.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar, TypeVar

from django.db import connections

from bazaar.core.failures import Failure
from bazaar.protocol.transport import FINISH_WAIT_MIN_S
from tests.sim.network import Call, Network
from tests.sim.process import Process

HUNG_S = 60.0
"""Real seconds after which a task that keeps the turn has hung."""
NEVER_S = 1000.0
A = TypeVar("A")
T = TypeVar("T")


def _make_turn() -> threading.Lock:
    """Return a lock that is taken: who acquires it waits until it is given the turn."""
    turn = threading.Lock()
    turn.acquire()
    return turn


class Killed(BaseException):
    """Unwinds a task whose process has died."""


class Task:
    """One thread of a simulated process, from the beginning of its work to the end."""

    def __init__(self, process: Process, work: Callable[[], object]) -> None:
        self.process, self.work = process, work
        self.waits = 0
        """Counts what it has waited for, so that an old alarm wakes nobody."""
        self.is_killed = self.is_done = False
        self.turn = _make_turn()


class Worker(threading.Thread):
    """A real thread, which runs one task after another and keeps its database connection."""

    def __init__(self, tasks: "Tasks") -> None:
        super().__init__(name="simulated", daemon=True)
        self.tasks = tasks
        self.begin = _make_turn()
        self.task: Task | None = None

    def run(self) -> None:
        """Run tasks until there is none at the beginning of a turn."""
        while True:
            self.begin.acquire()
            if self.task is None:
                connections.close_all()
                return
            self.tasks.perform(self.task)
            self.task = None
            self.tasks.idle.append(self)
            self.tasks.loop.release()


class Tasks:
    """All tasks of a simulation; `current` has the turn, None: the event loop has it."""

    opened: ClassVar[list["Tasks"]] = []
    """Those whose threads have yet to end."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.opened.append(self)
        self.loop = _make_turn()
        self.current: Task | None = None
        self.alive: dict[Task, None] = {}
        self.idle: list[Worker] = []
        self.error: BaseException | None = None
        self.dying: Process | None = None

    @property
    def is_dying(self) -> bool:
        """Whether the process of the current task has died, and this task unwinds."""
        return self.current is not None and self.current.is_killed

    def die(self) -> None:
        """Let the process of the current task die here and now."""
        assert self.current is not None, "only a task dies at a write"
        self.current.is_killed = True
        self.dying = self.current.process
        raise Killed

    def spawn(self, process: Process, work: Callable[[], object]) -> None:
        """Let a process begin some work; it begins a moment later."""
        task = Task(process, work)
        self.alive[task] = None
        process.after(0.0002 * self.network.rng.random(), partial(self._start, task))

    def kill(self, process: Process) -> None:
        """End the tasks of a process that has died, where they wait."""
        for task in [one for one in self.alive if one.process is process]:
            task.is_killed = True
            if task.waits:
                self._give_turn(task, task.turn)
            self.alive.pop(task, None)

    def close(self) -> None:
        """End all threads and their database connections."""
        for process in {task.process: None for task in self.alive}:
            self.kill(process)
        for worker in self.idle:
            worker.begin.release()
        for worker in self.idle:
            worker.join()
        self.opened.remove(self)

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.park(seconds)

    def park(self, timeout_s: float, future: "TaskFuture | None" = None) -> None:
        """Give the turn back until the time is up, or a future has its result."""
        task = self.current
        assert task is not None, "only a task can wait"
        if task.is_killed:
            raise Killed
        task.waits += 1
        alarm = partial(self._wake, task, task.waits)
        task.process.after(timeout_s, alarm)
        if future is not None:
            future.add_done_callback(lambda _: task.process.after(0.0, alarm))
        self.loop.release()
        task.turn.acquire()
        if task.is_killed:
            raise Killed

    def call(self, target: Process, message: object, timeout_s: float) -> Any:
        """Call another process and wait for the answer. Raises Failure."""
        pending = PendingAnswer(self, target, message, timeout_s)
        pending.wait(timeout_s)
        return pending.take()

    def side_by_side(self, function: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Call a function for each item at the same time; return the results in order."""
        assert self.current is not None, "only a task has others work for it"
        futures = [TaskFuture(self) for _ in items]
        for item, future in zip(items, futures, strict=True):
            work = partial(_complete, future, function, item)
            self.spawn(self.current.process, work)
        return [future.result() for future in futures]

    def perform(self, task: Task) -> None:
        """Do a task's work in the thread that has the turn."""
        try:
            with task.process.session():
                task.work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - the event loop raises it
            self.error = self.error or error
        task.is_done = True
        self.alive.pop(task, None)

    def _start(self, task: Task) -> None:
        worker = self.idle.pop() if self.idle else self._add_worker()
        worker.task = task
        self._give_turn(task, worker.begin)

    def _add_worker(self) -> Worker:
        worker = Worker(self)
        worker.start()
        return worker

    def _wake(self, task: Task, wait: int) -> None:
        if task.waits == wait and not task.is_done:
            self._give_turn(task, task.turn)

    def _give_turn(self, task: Task, turn: threading.Lock) -> None:
        """Let a task run until it waits or ends."""
        before, self.current = self.current, task
        assert before is None, "only the event loop gives turns"
        turn.release()
        assert self.loop.acquire(timeout=HUNG_S), "a task waits for something that is not simulated"
        self.current = None
        error, self.error = self.error, None
        if error is not None:
            raise error
        dying, self.dying = self.dying, None
        if dying is not None:
            dying.crash()


def _complete(future: "TaskFuture", function: Callable[[A], T], item: A) -> None:
    try:
        future.set_result(function(item))
    except Exception as error:  # noqa: BLE001 - whoever waits gets it
        future.set_exception(error)


class TaskFuture(Future[Any]):
    """A future whose `result` gives the turn back while it waits."""

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self._tasks = tasks

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result. Raises TimeoutError."""
        if not self.done():
            self._tasks.park(NEVER_S if timeout is None else timeout, self)
        return super().result(timeout=0)


class TaskLock:
    """A lock that tasks wait for in the order in which they came."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks, self._is_held = tasks, False
        self._waiting: list[TaskFuture] = []

    def __enter__(self) -> None:
        while self._is_held:
            free = TaskFuture(self._tasks)
            self._waiting.append(free)
            free.result()
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False
        if self._waiting:
            self._waiting.pop(0).set_result(None)


class PendingAnswer:
    """A call under way, for whoever does something else before it waits."""

    def __init__(self, tasks: Tasks, target: Process, message: object, timeout_s: float) -> None:
        assert tasks.current is not None, "only a task calls"
        self._tasks, self._answer = tasks, TaskFuture(tasks)
        source = tasks.current.process
        self._call: Call = tasks.network.call(
            source, target, message, self._answer.set_result, timeout_s
        )

    def wait(self, timeout_s: float) -> None:
        """Wait for the answer, as long as the network does or for a shorter time."""
        try:
            self._answer.result(timeout_s + FINISH_WAIT_MIN_S)
        except TimeoutError:
            self._tasks.network.abandon(self._call)

    def finish(self, until_s: float) -> Any:
        """Wait for the answer until a time, and return it. Raises Failure."""
        self.wait(max(until_s - self._tasks.network.events.now_s, FINISH_WAIT_MIN_S))
        return self.take()

    def abort(self) -> None:
        """End the wait, from another thread."""
        self._tasks.network.abandon(self._call)

    def take(self) -> Any:
        """Return the answer. Raises Failure."""
        answer = self._answer.result(0)
        if isinstance(answer, Failure):
            raise answer
        return answer
