"""
What threads wait for, handed in: a simulation has parts of its own.

A lock that is held only between two waits needs none (`tests/sim/tasks.py`).
"""

import random
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, TypeVar

from bazaar import clock

T = TypeVar("T")
R = TypeVar("R")


class Gate(Protocol):
    """A door that is closed at first; `release` lets one thread through."""

    def acquire(self) -> object:
        """Wait until it is open."""

    def release(self) -> None:
        """Open it."""


class Condition(Protocol):
    """A lock, and the wait for what others change under it."""

    def __enter__(self) -> bool:
        """Take the lock."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Give it back."""

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Wait until the predicate holds; return whether it did in time."""

    def notify_all(self) -> None:
        """Have every waiting thread look again."""


class Signal(Protocol):
    """A sign that one thread gives and another waits for."""

    def set(self) -> None:
        """Give the sign."""

    def clear(self) -> None:
        """Take it back."""

    def wait(self, timeout: float) -> bool:
        """Wait for the sign; return whether it was given in time."""


class Pool(Protocol):
    """Threads that work for another one."""

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Call a function for each item at the same time; return the results in order."""

    def submit(self, function: Callable[[T], R], item: T, /) -> object:
        """Call a function soon; do not wait for it."""


class EventLoop(Protocol):
    """A thread that reacts to many sockets, turn by turn."""

    def call_soon(self, action: Callable[[], None]) -> None:
        """Do something at the end of a turn; any thread may call this."""

    def call_at(self, at_s: float, action: Callable[[], None]) -> None:
        """Do something at a time on the monotonic clock; for the loop's thread only."""

    def when_readable(
        self, sock: socket.socket, until_s: float, action: Callable[[bool], None]
    ) -> None:
        """
        Call `action` once: with True when there is something to read.

        With False when it is later than `until_s` on the monotonic clock. Only the loop's thread
        may call this, and it calls `action`.
        """


class Waits:
    """The real ones."""

    def now_s(self) -> float:
        """Return seconds on a clock that never goes back."""
        return clock.monotonic_s()

    def draw(self) -> float:
        """Return a number from 0 to 1 at random."""
        return random.random()  # noqa: S311 - no secret

    def make_future(self) -> "Future[Any]":
        """Return a result that another thread sets."""
        return Future()

    def make_gate(self) -> Gate:
        """Return a closed gate."""
        gate = threading.Lock()
        gate.acquire()
        return gate

    def make_conditions(self, count: int) -> tuple[Condition, ...]:
        """Return conditions that share one lock."""
        lock = threading.RLock()
        return tuple(threading.Condition(lock) for _ in range(count))

    def make_signal(self) -> Signal:
        """Return a signal that is not given."""
        return threading.Event()

    def make_pool(self, threads_max: int, name: str) -> Pool:
        """Return a pool; its threads begin when they are needed."""
        return ThreadPoolExecutor(threads_max, thread_name_prefix=name)


REAL = Waits()
