"""
Group commit: what arrives during one batch forms the next.

It has no thread of its own. The first caller runs a batch for all that wait, then the next batch is
run by one of the callers that came meanwhile. So a lone caller never waits for others, and no
thread wakes up twice (docs/adr/0003). Left out: deadlines. A batch must end by itself, and a caller
waits for one batch besides its own.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bazaar.core.failures import Busy
from bazaar.core.histogram import SIZE_BOUNDS, Histogram
from bazaar.runtime.waits import REAL, Gate, Waits

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False, slots=True)
class _Group(Generic[Item, Result]):
    """One caller's items, from its arrival to its results."""

    items: tuple[Item, ...]
    gate: Gate
    """Opened when the results are there, or when it is this caller's turn to run a batch."""
    results: Sequence[Result] | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.results is not None or self.error is not None

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
        group = _Group[Item, Result](tuple(items), self._waits.make_gate())
        with self._lock:
            if self._waiting + len(group.items) > self._waiting_max:
                raise Busy
            self._queue.append(group)
            self._waiting += len(group.items)
            must_wait = self._is_running
            self._is_running = True
        if must_wait:
            group.gate.acquire()
        if not group.is_done:
            self._run_batch()
        return group.outcome()

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
            group.results, group.error = (None, error) if error else (results[start:end], None)
            start = end
            group.gate.release()

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
            successor = self._queue[0]
        successor.gate.release()
