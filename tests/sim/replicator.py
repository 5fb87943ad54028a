"""One follower's replicator on the leader: one append under way, heartbeats when idle."""

from typing import TYPE_CHECKING

from bazaar.core.failures import Diverged, Failure, GapFound, StaleTerm
from bazaar.core.replication import Accepted, Append, Outbox

if TYPE_CHECKING:
    from tests.sim.replica import SimReplica

APPEND_ORDERS_MAX = 3
"""Small, so that a follower that is behind needs several appends."""
HEARTBEAT_S = 0.2
REPLICATION_TIMEOUT_S = 0.5


class Replicator:
    """Keeps one follower up to date for one leadership."""

    def __init__(self, leader: "SimReplica", follower: "SimReplica", outbox: Outbox) -> None:
        self.leader, self.follower, self.outbox = leader, follower, outbox
        self._is_sending = False
        self._is_ticking = False

    def kick(self) -> None:
        """Send now, unless an append is under way."""
        if self.leader.outbox is self.outbox and not self._is_sending:
            self._send()

    def _send(self) -> None:
        self._is_sending = True
        append = self.outbox.next_append(self.follower.id, APPEND_ORDERS_MAX)
        network = self.leader.network
        network.call(
            self.leader,
            self.follower,
            append or self._append_from_log(),
            self._answered,
            REPLICATION_TIMEOUT_S,
        )

    def _append_from_log(self) -> Append:
        position = self.outbox.followers[self.follower.id].position
        page = self.leader.log.page(position, APPEND_ORDERS_MAX)
        return Append(self.outbox.term, self.outbox.leader, page)

    def _answered(self, answer: Accepted | Failure) -> None:
        self._is_sending = False
        if self.leader.outbox is not self.outbox:
            return
        has_more = self._note(answer)
        self.leader.settle()
        if has_more:
            self.kick()
        elif not self._is_ticking:
            self._is_ticking = True
            self.leader.after(HEARTBEAT_S, self._tick)

    def _note(self, answer: Accepted | Failure) -> bool:
        """Tell the outbox, or step down; tell whether to send again at once."""
        outbox, follower_id = self.outbox, self.follower.id
        try:
            if isinstance(answer, Accepted):
                outbox.accepted(follower_id, answer)
                self.leader.check_in_sync(outbox)
                return answer.last < outbox.last
        except Diverged as diverged:
            answer = diverged
        if isinstance(answer, GapFound):
            outbox.rewind(follower_id, answer.last)
            return True
        outbox.lost(follower_id)
        if isinstance(answer, StaleTerm):
            self.leader.depose(answer)
        return False

    def _tick(self) -> None:
        self._is_ticking = False
        self.kick()
