"""
One replicator a follower: sends it appends while this replica leads.

As a rule the thread that places a batch sends its orders to all followers and takes their answers
itself (`begin`, docs/adr/0023), so no other thread has to wake up. The replicator's own thread does
the rest: it serves a follower that is behind, that could not be reached, or to which an append was
under way. Without orders it sends an empty append every heartbeat, which carries the leader and its
newest order. A follower that does not answer is out of sync until it has every order again
(docs/DESIGN.md 4.2).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bazaar.core.failures import Diverged, Failure, GapFound, StaleTerm, Unreachable
from bazaar.core.replication import Accepted, Append, Outbox
from bazaar.core.types import ReplicaId
from bazaar.protocol import tracing
from bazaar.protocol.clients import ReplicaClient
from bazaar.protocol.tracing import Span
from bazaar.protocol.transport import FINISH_WAIT_MIN_S, PendingCall
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from order_app.replica import PendingAppend, ReplicaShell

log = get_log("bazaar.order")


@dataclass(slots=True)
class Replicator:
    """Sends one follower its orders, one append at a time."""

    shell: ReplicaShell
    follower: ReplicaId
    is_failing: bool = False
    _is_sending: bool = field(default=False, init=False)
    """Whether an append is under way. It and the next two are changed under `shipping`."""
    _due_s: float = field(default=0.0, init=False)
    """When the next heartbeat is due, on the monotonic clock."""
    _announced: Outbox | None = field(default=None, init=False)
    """The leadership of the last append to the follower."""

    _followed: Span | None = field(default=None, init=False)
    """The batch that the replicator's own thread has sent last."""

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        name = f"replicator-{self.follower}"
        threading.Thread(target=self._repeat, name=name, daemon=True).start()

    def _repeat(self) -> None:
        while True:
            try:
                self.round()
            except Exception:
                log.exception("replicator broke", follower=self.follower)
                self.is_failing = True

    def round(self) -> None:
        """Wait until there is something to send, or a heartbeat is due, and send it."""
        outbox = self._await_work()
        if outbox is None:
            return
        timeout_s = self.shell.limits.replication_timeout_s

        def send() -> Accepted:
            append = self._next_append(outbox)
            with (
                tracing.bind(self._find_batch(append)),
                tracing.child("append", replica=self.follower),
            ):
                return self.client.append(append, timeout_s)

        self.settle(outbox, send)

    def begin(self, outbox: Outbox) -> PendingAppend | None:
        """
        Send what the follower lacks and return at once.

        The caller must `finish` the result.

        None: this is left to the replicator's own thread.
        """
        with self.shell.shipping:
            is_level = outbox.followers[self.follower].is_in_sync and not self.is_failing
            if self._is_sending or not is_level:
                return None
            limit = self.shell.limits.page_orders_max
            append = outbox.next_append(self.follower, limit)
            if append is None or not append.page.entries:
                return None
            self._take_turn(outbox)
        span = tracing.begin_child("append", replica=self.follower)
        call: PendingCall[Accepted] | None = None
        try:
            with tracing.bind(span):
                call = self.client.begin_append(append)
        finally:
            if call is None:
                self._end_turn(outbox)
        if call is None:
            return None
        finish = partial(self._finish, outbox, append, call)
        return PendingAppend(outbox, partial(_end_with, span, finish), call.abort)

    def settle(self, outbox: Outbox, receive: Callable[[], Accepted]) -> None:
        """Note the result of an append. receive: returns the answer or raises Failure."""
        try:
            accepted = receive()
            with self.shell.shipping:
                has_joined = outbox.accepted(self.follower, accepted)
            self.is_failing = False
            if has_joined:
                self._emit(logging.INFO, "follower in sync", position=accepted.last)
        except GapFound as gap:
            self.is_failing = False
            with self.shell.shipping:
                outbox.rewind(self.follower, gap.last)
        except Failure as failure:
            self._fail(outbox, failure)
        finally:
            self._end_turn(outbox)

    @property
    def client(self) -> ReplicaClient:
        """The follower's client."""
        return self.shell.peers[self.follower]

    def _finish(
        self, outbox: Outbox, append: Append, call: PendingCall[Accepted], until_s: float
    ) -> None:
        """Wait for the answer to an append that was begun, and note it."""

        def receive() -> Accepted:
            try:
                return call.finish(until_s)
            except Unreachable:
                left_s = until_s - self.shell.now_s()
                if left_s <= FINISH_WAIT_MIN_S or self.shell.machine.outbox is not outbox:
                    raise
                # The kept connection was over; the follower may be alive.
                return self.client.append(append, left_s)

        self.settle(outbox, receive)

    def _find_batch(self, append: Append) -> Span | None:
        """Return the span of the batch whose orders an append brings for the first time."""
        batch, before = self.shell.shipped_for, self._followed
        if not append.page.entries or batch is before:
            return None
        self._followed = batch
        return batch

    def _await_work(self) -> Outbox | None:
        """Wait for work; take the turn and return the outbox, or None when there is none."""
        machine, shipping = self.shell.machine, self.shell.shipping
        with shipping:
            shipping.wait_for(lambda: self._has_work(machine.outbox), self._idle_wait_s())
            outbox = machine.outbox
            if outbox is None or self._is_sending:
                return None
            if not self._has_work(outbox) and self.shell.now_s() < self._due_s:
                return None
            self._take_turn(outbox)
            return outbox

    def _has_work(self, outbox: Outbox | None) -> bool:
        """Tell whether there is an append to send before the next heartbeat is due."""
        if outbox is None or self._is_sending:
            return False
        is_behind = outbox.followers[self.follower].position < outbox.last
        return outbox is not self._announced or (is_behind and not self.is_failing)

    def _idle_wait_s(self) -> float:
        """Return how long to wait while there is no work."""
        if self._is_sending or self.shell.machine.outbox is None:
            return self.shell.limits.heartbeat_s
        return max(self._due_s - self.shell.now_s(), 0.0)

    def _take_turn(self, outbox: Outbox) -> None:
        self._is_sending, self._announced = True, outbox
        self._due_s = self.shell.now_s() + self.shell.limits.heartbeat_s

    def _end_turn(self, outbox: Outbox) -> None:
        """Let the next append begin; wake the batch, and the replicator if it has work."""
        with self.shell.shipping:
            self._is_sending = False
            self.shell.acknowledged.notify_all()
            if self._has_work(outbox):
                self.shell.shipping.notify_all()

    def _next_append(self, outbox: Outbox) -> Append:
        limit = self.shell.limits.page_orders_max
        with self.shell.shipping:
            append = outbox.next_append(self.follower, limit)
            position = outbox.followers[self.follower].position
        if append is not None:
            return append
        # Too far behind for memory: from the log, which is a prefix of what the ledger has.
        return Append(
            outbox.term, outbox.leader, self.shell.log.page(position, limit), outbox.token
        )

    def _fail(self, outbox: Outbox, failure: Failure) -> None:
        self.is_failing = True
        tracing.note_error(failure.message)
        with self.shell.shipping:
            was_in_sync = outbox.lost(self.follower)
        if was_in_sync:
            self._emit(logging.WARNING, "follower lost", reason=failure.message)
        if isinstance(failure, StaleTerm) and failure.term >= outbox.term:
            self.shell.step_down(failure.term, failure.leader)
        elif isinstance(failure, Diverged):
            self._emit(logging.ERROR, "follower differs", reason=failure.message)
            self.shell.verify()

    def _emit(self, level: int, phrase: str, **fields: str | int) -> None:
        events.emit(log, level, phrase, replica=self.follower, **fields)


def _end_with(span: Span | None, finish: Callable[[float], None], until_s: float) -> None:
    """Take the answer to an append, and end its span."""
    if span is None:
        finish(until_s)
        return
    with span:
        finish(until_s)
