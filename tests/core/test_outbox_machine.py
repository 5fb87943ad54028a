"""The outbox under any sequence of what can happen to it: I3."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bazaar.core.digest import link
from bazaar.core.failures import GapFound
from bazaar.core.replication import Accepted, Outbox, fresh_entries
from bazaar.core.types import Position, ReplicaId, Term
from tests.core.history import make_order
from tests.core.leadership import TOKEN
from tests.core.memory_log import MemoryLog

FOLLOWERS = (ReplicaId(1), ReplicaId(2))
followers = st.sampled_from(FOLLOWERS)


class OutboxMachine(RuleBasedStateMachine):
    """A leader's outbox and followers with real logs; acknowledgements are what was released."""

    def __init__(self) -> None:
        super().__init__()
        self.log = MemoryLog([make_order(1), make_order(2)])
        start = self.log.head
        self.outbox = Outbox(Term(1), ReplicaId(3), FOLLOWERS, start, TOKEN)
        self.logs = {follower: MemoryLog() for follower in FOLLOWERS}
        self.acknowledged = self.log.last

    @rule()
    def trade(self) -> None:
        """Store an order and ship it, as the leader does."""
        linked = tuple(link(self.log.head, [make_order(self.log.last + 1)]))
        self.outbox.offer(linked)
        self.log.append(linked)

    @rule(follower=followers, limit=st.integers(1, 3), is_heard=st.booleans())
    def send(self, follower: ReplicaId, limit: int, *, is_heard: bool) -> None:
        """Let a replicator send once; the answer may be lost."""
        append = self.outbox.next_append(follower, limit)
        position = self.outbox.followers[follower].position
        page = append.page if append else self.log.page(position, limit)
        log = self.logs[follower]
        try:
            log.append(fresh_entries(page, log.head, log))
        except GapFound as gap:
            self.outbox.rewind(follower, gap.last)
            return
        if is_heard:
            self.outbox.accepted(follower, Accepted(log.last, log.head.digest))
        else:
            self.outbox.lost(follower)

    @rule(back=st.integers(0, 3))
    def acknowledge(self, back: int) -> None:
        """Ask whether a waiting trade may be answered; sometimes it is an old one."""
        upto = Position(max(0, self.outbox.last - back))
        if self.outbox.release(upto):
            self.acknowledged = max(self.acknowledged, upto)

    @rule()
    def give_up_waiting(self) -> None:
        """Drop whoever lags, as after the replication timeout; then all is released."""
        for follower in self.outbox.laggards(self.outbox.last):
            self.outbox.lost(follower)
        assert self.outbox.release(self.outbox.last)
        self.acknowledged = self.outbox.last

    @rule(follower=followers)
    def wipe(self, follower: ReplicaId) -> None:
        """Let a follower lose its disk; its connection breaks."""
        self.logs[follower] = MemoryLog()
        self.outbox.lost(follower)

    @precondition(lambda self: self.log.last > 2)
    @rule(follower=followers)
    def read_the_ledger(self, follower: ReplicaId) -> None:
        """Let a follower catch up by itself."""
        log = self.logs[follower]
        log.append(fresh_entries(self.log.page(log.last, 2), log.head, log))

    @invariant()
    def who_is_in_sync_has_all_that_was_acknowledged(self) -> None:
        """I3."""
        for follower in self.outbox.in_sync():
            log = self.logs.get(follower, self.log)
            assert log.last >= self.acknowledged

    @invariant()
    def followers_are_prefixes_of_the_leader(self) -> None:
        """I8."""
        for log in self.logs.values():
            assert log.orders == self.log.orders[: log.last]
            assert log.head == self.log.heads[log.last]


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
