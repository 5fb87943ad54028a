"""
One thread a follower: while this replica leads, send the follower what it lacks (DESIGN 4.2).

Orders go out as soon as the outbox has them; without any, an empty append every heartbeat tells the
follower who leads and how far the leader is. A follower that does not answer is out of sync until
it has everything again.
"""

import logging
import threading
from dataclasses import dataclass

from bazaar.core.failures import Diverged, Failure, GapFound, StaleTerm
from bazaar.core.replication import Append, Outbox
from bazaar.core.types import ReplicaId
from bazaar.recorder import events
from order_app.replica import ReplicaShell

log = logging.getLogger("bazaar.order")


@dataclass(slots=True)
class Replicator:
    """Sends one follower's orders, one append at a time."""

    shell: ReplicaShell
    follower: ReplicaId
    is_failing: bool = False

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
            self._send(outbox)

    def _await_work(self) -> Outbox | None:
        """Return the outbox of the reign once this follower should hear from it."""
        machine, shipping = self.shell.machine, self.shell.shipping
        with shipping:
            before = machine.outbox

            def has_work() -> bool:
                outbox = machine.outbox
                if outbox is not before:
                    return True
                return (
                    outbox is not None
                    and not self.is_failing
                    and outbox.followers[self.follower].position < outbox.last
                )

            shipping.wait_for(has_work, self.shell.limits.heartbeat_s)
            return machine.outbox

    def _send(self, outbox: Outbox) -> None:
        client, limits = self.shell.peers[self.follower], self.shell.limits
        append = self._next_append(outbox)
        try:
            accepted = client.append(append, limits.replication_timeout_s)
            with self.shell.shipping:
                has_joined = outbox.accepted(self.follower, accepted)
                self.shell.shipping.notify_all()
            self.is_failing = False
            if has_joined:
                self._tell(logging.INFO, "follower in sync", last=accepted.last)
        except GapFound as gap:
            self.is_failing = False
            with self.shell.shipping:
                outbox.rewind(self.follower, gap.last)
                self.shell.shipping.notify_all()
        except Failure as failure:
            self._fail(outbox, failure)

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
            self.shell.shipping.notify_all()
        if was_in_sync:
            self._tell(logging.WARNING, "follower lost", reason=failure.message)
        if isinstance(failure, StaleTerm) and failure.term >= outbox.term:
            self.shell.step_down(failure.term, failure.leader)
        elif isinstance(failure, Diverged):
            self._tell(logging.ERROR, "follower differs", reason=failure.message)
            self.shell.verify()

    def _tell(self, level: int, phrase: str, **fields: str | int) -> None:
        events.tell(log, level, phrase, replica=self.follower, **fields)
