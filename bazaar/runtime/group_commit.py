"""
Group commit: what arrives during one batch forms the next.

The first caller runs a batch for all that wait, then the next batch is run by one of the callers
that came meanwhile. So a lone caller never waits for others, and no thread wakes up twice
(docs/adr/0003). A caller that does not wait leaves a function instead: then a few threads of the
batcher's own run the batches. Left out: deadlines. A batch must end by itself, and a caller waits
for one batch besides its own.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bazaar.core.failures import Busy
from bazaar.core.histogram import SIZE_BOUNDS, Histogram
from bazaar.runtime.waits import REAL, Gate, Waits

log = logging.getLogger("bazaar.runtime.group_commit")

RUNNERS_MAX = 4
"""Threads for batches of callers that do not wait: one runs a batch, others hand results over."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False, slots=True)
class _Group(Generic[Item, Result]):
    """One caller's items, from its arrival to its results."""

    items: tuple[Item, ...]
    gate: Gate | None
    """Opened when the results are there, or when it is this caller's turn to run a batch."""
    done: Callable[[Sequence[Result] | Exception], None] | None = None
    """Takes the results of a caller that does not wait; such a group has no gate."""
    results: Sequence[Result] | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.results is not None or self.error is not None

    def end(self, results: Sequence[Result] | None, error: Exception | None) -> None:
        """Hand the results over."""
        self.results, self.error = results, error
        if self.gate is not None:
            self.gate.release()
        elif self.done is not None:
            try:
                self.done(error or results or ())
            except Exception:
                log.exception("results were not taken")

    def outcome(self) -> Sequence[Result]:
        if self.error is not None:
            raise self.error
        assert self.results is not None, "a group ends with results or an error"
        return self.results


class Batcher(Generic[Item, Result]):
    """Run many callers' items in few batches, one batch at a time."""

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        batch_max: int,
        waiting_max: int,
        waits: Waits = REAL,
    ) -> None:
        """
        Run batches with a function.

        run: returns one result an item, in order; what it raises, every caller in the batch gets.
        batch_max, waiting_max: items; one caller's items stay together even when they are more.
        """
        self._run, self._batch_max, self._waiting_max = run, batch_max, waiting_max
        self._queue: deque[_Group[Item, Result]] = deque()
        self._waits, self._waiting = waits, 0
        self._runners = waits.make_pool(RUNNERS_MAX, "batch")
        self._is_running = False
        self._lock = threading.Lock()
        self.batches = 0
        self.items = 0
        self.sizes = Histogram(SIZE_BOUNDS)

    def submit(self, items: Sequence[Item]) -> Sequence[Result]:
        """
        Return one result an item, in order.

        Raises Busy (definite): too many wait. Raises what `run` raises.
        """
        gate = self._waits.make_gate()
        group = _Group[Item, Result](tuple(items), gate)
        if not self._enter(group):
            gate.acquire()
        if not group.is_done:
            self._run_batch()
        return group.outcome()

    def submit_later(
        self, items: Sequence[Item], done: Callable[[Sequence[Result] | Exception], None]
    ) -> None:
        """
        Have a batch run soon; do not wait for it.

        done: called once, in another thread, with one result an item or with what `run` raised.
        Raises Busy (definite): too many wait, and `done` is never called.
        """
        if self._enter(_Group[Item, Result](tuple(items), None, done)):
            self._runners.submit(_call, self._run_batch)

    def _enter(self, group: _Group[Item, Result]) -> bool:
        """Append a group; return whether its caller is to run a batch. Raises Busy."""
        with self._lock:
            if self._waiting + len(group.items) > self._waiting_max:
                raise Busy
            self._queue.append(group)
            self._waiting += len(group.items)
            is_first, self._is_running = not self._is_running, True
        return is_first

    def _run_batch(self) -> None:
        """Run the batch at the head of the queue; let another caller run the next."""
        batch = self._take()
        error: Exception | None = None
        results: Sequence[Result] = ()
        try:
            results = self._run([item for group in batch for item in group.items])
        except Exception as caught:  # noqa: BLE001 - every caller in the batch gets it
            error = caught
        self._hand_over()
        start = 0
        for group in batch:
            end = start + len(group.items)
            group.end(None if error else results[start:end], error)
            start = end

    def _take(self) -> list[_Group[Item, Result]]:
        with self._lock:
            batch = [self._queue.popleft()]
            size = len(batch[0].items)
            while self._queue and size + len(self._queue[0].items) <= self._batch_max:
                batch.append(self._queue.popleft())
                size += len(batch[-1].items)
            self._waiting -= size
            self.batches += 1
            self.items += size
            self.sizes.add(size)
        return batch

    def _hand_over(self) -> None:
        with self._lock:
            if not self._queue:
                self._is_running = False
                return
            gate = self._queue[0].gate
        if gate is None:
            self._runners.submit(_call, self._run_batch)
        else:
            gate.release()


def _call(function: Callable[[], None]) -> None:
    function()
