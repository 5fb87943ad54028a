"""
One replicator a follower: while this replica leads, send the follower what it lacks (DESIGN 4.2).

As a rule the thread that places a batch sends its orders to all followers itself and takes their
answers (`begin`, ADR 23): nobody has to be woken. The replicator's own thread does the rest: the
followers that are behind, that could not be reached, or that were being told something just then.
Without orders it sends an empty append every heartbeat, which tells the follower who leads and how
far the leader is. A follower that does not answer is out of sync until it has everything again.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from bazaar.clock import monotonic_s
from bazaar.core.failures import Diverged, Failure, GapFound, StaleTerm, Unreachable
from bazaar.core.replication import Accepted, Append, Outbox
from bazaar.core.types import ReplicaId
from bazaar.protocol.clients import ReplicaClient, SentAppend
from bazaar.runtime.metrics import events
from order_app.replica import ReplicaShell

log = logging.getLogger("bazaar.order")

LEAST_S = 0.001
"""How long the last of several answers is waited for when the others took all the time."""


@dataclass(slots=True)
class Replicator:
    """Sends one follower's orders, one append at a time."""

    shell: ReplicaShell
    follower: ReplicaId
    is_failing: bool = False
    _is_sending: bool = field(default=False, init=False)
    """Whether an append is under way. It and the next two are changed under `shipping`."""
    _due_s: float = field(default=0.0, init=False)
    """When the follower should hear from this leader again."""
    _told_of: Outbox | None = field(default=None, init=False)
    """The leadership that the follower heard of last."""

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        name = f"replicator-{self.follower}"
        threading.Thread(target=self._repeat, name=name, daemon=True).start()

    def _repeat(self) -> None:
        while True:
            try:
                self.round()
            except Exception:
                log.exception("replicator broke follower=%d", self.follower)
                self.is_failing = True

    def round(self) -> None:
        """Wait until there is something to send, or a heartbeat is due, and send it."""
        outbox = self._await_work()
        if outbox is not None:
            timeout_s = self.shell.limits.replication_timeout_s
            self.settle(outbox, lambda: self.client.append(self._next_append(outbox), timeout_s))

    def begin(self, outbox: Outbox) -> "Sending | None":
        """
        Send what the follower lacks and return at once; whoever calls it must `finish` what comes.

        None: this is for the replicator's own thread.
        """
        with self.shell.shipping:
            is_level = outbox.followers[self.follower].is_in_sync and not self.is_failing
            if self._is_sending or not is_level:
                return None
            limit = self.shell.limits.page_orders_max
            append = outbox.next_append(self.follower, limit)
            if append is None or not append.page.orders:
                return None
            self._take_turn(outbox)
        sent: SentAppend | None = None
        try:
            sent = self.client.begin_append(append)
        finally:
            if sent is None:
                self._end_turn(outbox)
        return Sending(self, outbox, append, sent) if sent else None

    def settle(self, outbox: Outbox, ask: Callable[[], Accepted]) -> None:
        """Note what came of an append. ask: returns the answer or raises Failure."""
        try:
            accepted = ask()
            with self.shell.shipping:
                has_joined = outbox.accepted(self.follower, accepted)
            self.is_failing = False
            if has_joined:
                self._tell(logging.INFO, "follower in sync", last=accepted.last)
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
        """The way to the follower."""
        return self.shell.peers[self.follower]

    def _await_work(self) -> Outbox | None:
        """Return the leader's outbox, and the turn, once this follower should hear from it."""
        machine, shipping = self.shell.machine, self.shell.shipping
        with shipping:
            shipping.wait_for(lambda: self._has_work(machine.outbox), self._patience_s())
            outbox = machine.outbox
            if outbox is None or self._is_sending:
                return None
            if not self._has_work(outbox) and monotonic_s() < self._due_s:
                return None
            self._take_turn(outbox)
            return outbox

    def _has_work(self, outbox: Outbox | None) -> bool:
        """Tell whether the follower should hear something before the next heartbeat is due."""
        if outbox is None or self._is_sending:
            return False
        is_behind = outbox.followers[self.follower].position < outbox.last
        return outbox is not self._told_of or (is_behind and not self.is_failing)

    def _patience_s(self) -> float:
        """Return how long to wait when there is no work."""
        if self._is_sending or self.shell.machine.outbox is None:
            return self.shell.limits.heartbeat_s
        return max(self._due_s - monotonic_s(), 0.0)

    def _take_turn(self, outbox: Outbox) -> None:
        self._is_sending, self._told_of = True, outbox
        self._due_s = monotonic_s() + self.shell.limits.heartbeat_s

    def _end_turn(self, outbox: Outbox) -> None:
        """Let the next append begin; wake whoever waits for this one, or has more to send."""
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
        return Append(outbox.term, outbox.leader, self.shell.log.page(position, limit))

    def _fail(self, outbox: Outbox, failure: Failure) -> None:
        self.is_failing = True
        with self.shell.shipping:
            was_in_sync = outbox.lost(self.follower)
        if was_in_sync:
            self._tell(logging.WARNING, "follower lost", reason=failure.message)
        if isinstance(failure, StaleTerm) and failure.term >= outbox.term:
            self.shell.step_down(failure.term, failure.leader)
        elif isinstance(failure, Diverged):
            self._tell(logging.ERROR, "follower differs", reason=failure.message)
            self.shell.verify()

    def _tell(self, level: int, phrase: str, **fields: str | int) -> None:
        events.emit(log, level, phrase, replica=self.follower, **fields)


@dataclass(frozen=True, slots=True)
class Sending:
    """An append that was sent from the thread of a batch; its answer is still to come."""

    replicator: Replicator
    outbox: Outbox
    append: Append
    sent: SentAppend

    def finish(self, until_s: float) -> None:
        """Wait for the answer and note it; call this once. until_s: on the monotonic clock."""
        self.replicator.settle(self.outbox, lambda: self._ask(until_s))

    def abort(self) -> None:
        """End the wait, from another thread."""
        self.sent.abort()

    def _ask(self, until_s: float) -> Accepted:
        """Return the answer. Raises Failure."""
        try:
            return self.sent.finish(max(until_s - monotonic_s(), LEAST_S))
        except Unreachable:
            left_s = until_s - monotonic_s()
            if left_s <= LEAST_S or self.replicator.shell.machine.outbox is not self.outbox:
                raise
            # The kept connection was over, which says nothing of the follower.
            return self.replicator.client.append(self.append, left_s)
