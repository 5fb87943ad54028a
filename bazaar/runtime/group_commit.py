"""
Group commit: what arrives during one batch forms the next.

The first caller runs a batch for all that wait, then the next batch is run by one of the callers
that came meanwhile. So a lone caller never waits for others, and no thread wakes up twice
(docs/adr/0003). A caller that does not wait leaves a function instead: then a few threads of the
batcher's own run the batches, or the caller's event loop sends them and takes the answers, without
any other thread. A loop may also wait a moment for callers that were just answered and are about to
come again (docs/adr/0054). Left out: deadlines. A batch must end by itself, and a caller waits for
one batch besides its own.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from bazaar.core.failures import Busy, Failure, Unreachable
from bazaar.core.histogram import SIZE_BOUNDS, Histogram
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.waits import REAL, EventLoop, Gate, Waits

log = get_log("bazaar.runtime.group_commit")

RUNNERS_MAX = 4
"""Threads for batches of callers that do not wait: one runs a batch, others hand results over."""

RETURNING_SHARE = 0.75
"""Of those that were answered: if fewer come again in time, it is not worth waiting for them."""
BATCHES_UNGATHERED = 16
"""So many batches begin at once then."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class PendingBatch(Protocol[Result_co]):
    """A batch that was sent to another process."""

    @property
    def sock(self) -> socket.socket:
        """Where the answer will come."""

    @property
    def until_s(self) -> float:
        """When it is given up, on the monotonic clock."""

    def take(self) -> Sequence[Result_co] | None:
        """Return one result an item; None: not all of the answer is there. Raises Failure."""

    def give_up(self) -> None:
        """Wait for the answer no more; `go_on` follows."""

    def go_on(self, failure: Failure) -> Sequence[Result_co]:
        """
        Do what is left after a failure, in a thread that may wait.

        Returns one result an item. Raises Failure.
        """


@dataclass(eq=False, slots=True)
class _Group(Generic[Item, Result]):
    """One caller's items, from its arrival to its results."""

    items: tuple[Item, ...]
    gate: Gate | None
    """Opened when the results are there, or when it is this caller's turn to run a batch."""
    done: Callable[[Sequence[Result] | Exception], None] | None = None
    """Takes the results of a caller that does not wait; such a group has no gate."""
    loop: EventLoop | None = None
    """Of a caller that does not wait: what may send the batch that this group begins."""
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


class Returning:
    """
    Whether a batch waits for callers that are about to come again.

    Most callers do so as soon as they are answered. Batches that begin at once divide them into two
    halves: one waits while the other is under way.
    """

    def __init__(self, gather_s: float, batch_max: int) -> None:
        """gather_s: from the end of a batch, how long the next one may wait."""
        self._gather_s, self._batch_max = gather_s, batch_max
        self._until_s, self._waited, self._answered, self._skipped = 0.0, 0, 0, 0

    def note_end(self, answered: int, waiting: int, now_s: float) -> None:
        """Note the end of a batch: how many items it had, and how many wait for the next."""
        self._until_s, self._waited, self._answered = now_s + self._gather_s, waiting, answered
        self._skipped = max(0, self._skipped - 1)

    def has_all(self, waiting: int) -> bool:
        """Tell whether as many wait as may be expected."""
        return waiting >= min(self._batch_max, self._waited + self._answered)

    def wait_until_s(self, waiting: int, now_s: float) -> float | None:
        """Return until when a batch waits; None: it begins now."""
        if self._skipped or now_s >= self._until_s or self.has_all(waiting):
            return None
        return self._until_s

    def note_late(self, waiting: int) -> None:
        """Note that the time was over before all were there."""
        if waiting - self._waited < RETURNING_SHARE * self._answered:
            self._skipped = BATCHES_UNGATHERED


class Batcher(Generic[Item, Result]):
    """Run many callers' items in few batches, one batch at a time."""

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        batch_max: int,
        waiting_max: int,
        waits: Waits = REAL,
        begin: Callable[[Sequence[Item]], PendingBatch[Result] | None] | None = None,
        gather_s: float = 0.0,
    ) -> None:
        """
        Run batches with a function.

        run: returns one result an item, in order; what it raises, every caller in the batch gets.
        begin: sends a batch; None when it has to be run.
        batch_max, waiting_max: items; one caller's items stay together even when they are more.
        gather_s: see `Returning`; only for batches that a loop sends.
        """
        self._run, self._begin = run, begin
        self._batch_max, self._waiting_max = batch_max, waiting_max
        self._queue: deque[_Group[Item, Result]] = deque()
        self._waits, self._waiting = waits, 0
        self._runners = waits.make_pool(RUNNERS_MAX, "batch")
        self._is_running = False
        self._returning = Returning(gather_s, batch_max)
        self._gathering: object | None = None
        """While the next batch of a loop waits; another one each time."""
        self._lock = threading.Lock()
        self.batches = 0
        self.items = 0
        self.sizes = Histogram(SIZE_BOUNDS)

    @property
    def is_running(self) -> bool:
        """Whether a batch is under way."""
        return self._is_running

    def submit(self, items: Sequence[Item]) -> Sequence[Result]:
        """
        Return one result an item, in order.

        Raises Busy (definite): too many wait. Raises what `run` raises.
        """
        gate = self._waits.make_gate()
        group: _Group[Item, Result] = _Group(tuple(items), gate)
        if not self._enter(group):
            gate.acquire()
        if not group.is_done:
            self._run_batch()
        return group.outcome()

    def submit_later(
        self,
        items: Sequence[Item],
        done: Callable[[Sequence[Result] | Exception], None],
        loop: EventLoop | None = None,
    ) -> None:
        """
        Have a batch run soon; do not wait for it.

        done: called once, in another thread or in that of the loop, with one result an item or with
        what `run` raised. Raises Busy (definite): too many wait, and `done` is never called.
        """
        if self._enter(_Group(tuple(items), None, done, loop)):
            self._start(loop)
        elif loop and self._gathering is not None and self._returning.has_all(self._waiting):
            self._gathering = None
            loop.call_soon(partial(self._send_batch, loop))

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
        self._complete(batch, partial(self._run, _items_of(batch)))

    def _complete(
        self, batch: Sequence[_Group[Item, Result]], work: Callable[[], Sequence[Result]]
    ) -> None:
        """Do the work of a batch that was taken."""
        error: Exception | None = None
        results: Sequence[Result] = ()
        try:
            results = work()
        except Exception as caught:  # noqa: BLE001 - every caller in the batch gets it
            error = caught
        self._end(batch, results, error)

    def _start(self, loop: EventLoop | None) -> None:
        """Have a batch run for callers that do not wait."""
        if loop is None or self._begin is None:
            self._runners.submit(_call, self._run_batch)
        else:  # at the end of its turn, so that all that came in it travels together
            loop.call_soon(partial(self._gather, loop))

    def _gather(self, loop: EventLoop) -> None:
        """Send the next batch, now or when those are there who are about to come."""
        until_s = self._returning.wait_until_s(self._waiting, self._waits.now_s())
        if until_s is None:
            self._send_batch(loop)
        else:
            self._gathering = object()
            loop.call_at(until_s, partial(self._gather_no_more, loop, self._gathering))

    def _gather_no_more(self, loop: EventLoop, gathering: object) -> None:
        if self._gathering is gathering:
            self._gathering = None
            self._returning.note_late(self._waiting)
            self._send_batch(loop)

    def _send_batch(self, loop: EventLoop) -> None:
        """Send the batch at the head of the queue, in the loop's thread."""
        assert self._begin is not None, "it is looked at before"
        batch = self._take()
        try:
            pending = self._begin(_items_of(batch))
        except Exception as error:  # noqa: BLE001 - every caller in the batch gets it
            self._end(batch, (), error)
            return
        if pending is None:
            self._complete_soon(batch, partial(self._run, _items_of(batch)))
        else:
            self._await(loop, batch, pending)

    def _await(
        self,
        loop: EventLoop,
        batch: Sequence[_Group[Item, Result]],
        pending: PendingBatch[Result],
    ) -> None:
        go_on = partial(self._go_on, loop, batch, pending)
        loop.when_readable(pending.sock, pending.until_s, go_on)

    def _go_on(
        self,
        loop: EventLoop,
        batch: Sequence[_Group[Item, Result]],
        pending: PendingBatch[Result],
        is_readable: bool,  # noqa: FBT001 - the loop calls it
    ) -> None:
        """Take what has come of an answer."""
        try:
            if not is_readable:
                pending.give_up()
                raise Unreachable("There was no answer in time.")
            results = pending.take()
        except Failure as failure:
            self._complete_soon(batch, partial(pending.go_on, failure))
        except Exception as error:  # noqa: BLE001 - every caller in the batch gets it
            self._end(batch, (), error)
        else:
            if results is None:
                self._await(loop, batch, pending)
            else:
                self._end(batch, results, None)

    def _complete_soon(
        self, batch: Sequence[_Group[Item, Result]], work: Callable[[], Sequence[Result]]
    ) -> None:
        """Do the work of a batch in a thread that may wait."""
        self._runners.submit(_call, partial(self._complete, batch, work))

    def _end(
        self,
        batch: Sequence[_Group[Item, Result]],
        results: Sequence[Result],
        error: Exception | None,
    ) -> None:
        """Let the next batch begin, and hand the results of this one over."""
        self._hand_over(sum(len(group.items) for group in batch))
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

    def _hand_over(self, answered: int) -> None:
        with self._lock:
            self._returning.note_end(answered, self._waiting, self._waits.now_s())
            if not self._queue:
                self._is_running = False
                return
            group = self._queue[0]
        if group.gate is None:
            self._start(group.loop)
        else:
            group.gate.release()


def _items_of(batch: Sequence[_Group[Item, Result]]) -> list[Item]:
    return [item for group in batch for item in group.items]


def _call(function: Callable[[], None]) -> None:
    function()
