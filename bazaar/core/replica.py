"""
One order replica: it follows, takes over, leads (docs/DESIGN.md 4.1, 4.2).

The log is a parameter, and durable when `append` returns, so every step here persists before it
applies and applies before it answers. Holds I1 and I8 (only what `fresh_entries` has checked gets
into the log, and of appends only those of a confirmed leader), I2 (a known key is answered from the
log), I3 (`place` returns only after the in-sync followers have the orders), I5 and I6 (terms only
grow and are durable before they count). Left out: which replica leads (`election`), and when to
send appends (the shell's replicators).
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from uuid import UUID

from bazaar.core.failures import (
    Corrupt,
    DamagedPage,
    Deposed,
    Diverged,
    Failure,
    GapFound,
    NotLeader,
    NotReplicated,
    NotServing,
    StaleTerm,
    TooFewInSync,
    Unconfirmed,
    UnknownOrder,
    Unreachable,
)
from bazaar.core.flow import (
    AskLeader,
    AwaitFollowers,
    Flow,
    PlaceBatch,
    ReadLeadership,
    ReadLedger,
    ReadPeerLog,
    ShipEntries,
)
from bazaar.core.ledger import Answer, Batch, BatchAnswer, Page, answer_again
from bazaar.core.replication import Accepted, Append, DurableLog, Outbox, fresh_entries
from bazaar.core.types import Digest, Head, Linked, Order, OrderNo, Position, ReplicaId, Term, Trade

_LEDGER_SHORT = "The ledger ends before this log. The catalog takes what it lacks when it starts."


class ReplicaState(StrEnum):
    """What a replica is doing."""

    STARTING = "starting"
    FOLLOWING = "following"
    TAKING_OVER = "taking over"
    LEADING = "leading"
    CORRUPT = "corrupt"
    AHEAD = "ahead of the ledger"  # which lacks entries of this log


_OUT = (ReplicaState.CORRUPT, ReplicaState.AHEAD)


class Replica:
    """
    The decisions of one order replica.

    The shell holds one lock around each step, and none while a flow waits.
    """

    def __init__(
        self,
        me: ReplicaId,
        peers: Sequence[ReplicaId],
        log: DurableLog,
        known: tuple[Term, ReplicaId | None],
        head: Head,
        in_sync_min: int = 1,
    ) -> None:
        """
        Begin where the durable log ends.

        known: the highest term heard and its leader, as stored. head: where the log ends.
        in_sync_min: replicas, the leader included, without which trades are refused.
        """
        self.me, self.peers, self.log = me, tuple(peers), log
        (self.term, self.leader), self.head = known, head
        self.in_sync_min = in_sync_min
        self.state = ReplicaState.STARTING
        self.outbox: Outbox | None = None
        self._confirmed: tuple[Term, ReplicaId, UUID] | None = None
        """The leadership whose appends are taken: its leader has confirmed its token."""
        self.leader_last = head.position
        """The newest entry known of; the lag is the distance to it."""
        self.reaches_catalog = True
        """Whether the shell's latest probe of the catalog succeeded; see `Ping`."""

    @property
    def last(self) -> Position:
        """The newest entry of the log."""
        return self.head.position

    @property
    def digest(self) -> Digest:
        """The digest there."""
        return self.head.digest

    @property
    def is_serving(self) -> bool:
        """Whether the replica answers and may be chosen as leader."""
        return self.state not in (*_OUT, ReplicaState.STARTING)

    def start(self) -> Flow[None]:
        """Catch up as far as possible, then serve. Raises Corrupt (definite)."""
        # Known orders are readable without the catalog; a leader catches up again.
        with suppress(Unreachable, DamagedPage):
            yield from self.catch_up()
        if self.state is ReplicaState.STARTING:
            self.state = ReplicaState.FOLLOWING

    def take_notice(self, term: Term, leader: ReplicaId, token: UUID) -> Flow[None]:
        """
        Learn which replica leads, if the catalog agrees; lead when it is this one.

        token: random; that of the leadership that may begin.

        Raises StaleTerm, NotServing: definite. Raises Unreachable: the catalog is out of reach,
        notify again.
        """
        self._check_leadership(term, leader)
        if leader == self.me and not self.is_serving:
            raise NotServing
        if (term, leader) != (self.term, self.leader):
            current = yield ReadLeadership()
            if (current.term, current.leader) != (term, leader):
                self.step_down(current.term, current.leader)  # its pings tell who leads
                raise StaleTerm(current.term, current.leader)
            self._check_leadership(term, leader)
        self._adopt(term, leader)
        if leader != self.me or self.state in (ReplicaState.TAKING_OVER, ReplicaState.LEADING):
            return
        self.state = ReplicaState.TAKING_OVER
        try:
            yield from self.catch_up()
        except Failure:
            if self.term == term:
                self._fall_back(ReplicaState.TAKING_OVER)
            raise
        if self.state is ReplicaState.TAKING_OVER and (self.term, self.leader) == (term, self.me):
            self.outbox = Outbox(term, self.me, self.peers, self.head, token)
            self.state = ReplicaState.LEADING

    def has_confirmed(self, append: Append) -> bool:
        """Tell whether the leader has confirmed the leadership that an append is of."""
        return self._confirmed == (append.term, append.leader, append.token)

    def confirm(self, append: Append) -> Flow[None]:
        """
        Have its leader confirm an append, and adopt its term (docs/adr/0029).

        Raises StaleTerm, NotServing, Unconfirmed (definite), Unreachable: nothing changed.
        """
        self._check_append(append)
        if append.leader not in self.peers:  # itself, for example
            raise Unconfirmed
        yield AskLeader(append.leader, append.term, append.token)
        self._check_append(append)
        self._adopt(append.term, append.leader)
        self._confirmed = (append.term, append.leader, append.token)

    def check_token(self, term: Term, token: UUID) -> None:
        """Confirm that this replica leads with a token. Raises Unconfirmed (definite)."""
        outbox = self.outbox
        if outbox is None or (outbox.term, outbox.token) != (term, token):
            raise Unconfirmed

    def append(self, append: Append) -> Accepted:
        """
        Follow: store what the leader sent, unless its term is over (I5).

        Raises StaleTerm, GapFound, NotServing, Diverged, DamagedPage: definite, nothing stored.
        Raises Unconfirmed (definite): the leader has not confirmed it; see `confirm`.
        After Diverged, `catch_up` tells which of the two logs is not the ledger's.
        """
        self._check_append(append)
        if not self.has_confirmed(append):
            raise Unconfirmed
        self.leader_last = max(append.page.last, append.page.end)
        self._store(fresh_entries(append.page, self.head, self.log))
        return Accepted(self.last, self.digest)

    def place(self, term: Term, trades: Sequence[Trade]) -> Flow[tuple[Answer, ...]]:
        """
        Trade a batch as the leader of `term`; return one answer a trade, in order.

        Raises NotLeader, TooFewInSync, Corrupt (definite), Deposed, NotReplicated, Unreachable
        (indefinite): none is acknowledged.
        """
        outbox = self._leadership(term)
        if len(outbox.in_sync()) < self.in_sync_min:
            raise TooFewInSync
        answers: dict[Trade, Answer] = {}
        known = self.log.find(tuple(trade.key for trade in trades))
        for trade in trades:
            if order := known.get(trade.key):
                answers[trade] = answer_again(trade, order)
        rest = tuple(dict.fromkeys(trade for trade in trades if trade not in answers))
        if rest:
            answers.update(zip(rest, (yield from self._trade(outbox, rest)), strict=True))
        if any(isinstance(answer, Order) for answer in answers.values()):
            yield from self._await_copies(self.last)
        if self.outbox is not outbox:
            raise Deposed
        return tuple(answers[trade] for trade in trades)

    def replicate(self, position: Position) -> Flow[None]:
        """
        Have all in sync copy an entry that the catalog decided by itself (I3).

        Raises NotLeader, Corrupt (definite), Deposed, NotReplicated, Unreachable (indefinite).
        """
        outbox = self._leadership(self.term)
        if self.last < position:
            yield from self.catch_up()
        if self.last < position:
            raise NotReplicated(f"The ledger has no entry {position} yet.")
        yield from self._await_copies(position)
        if self.outbox is not outbox:
            raise Deposed

    def look_up(self, order_no: OrderNo) -> Flow[Order]:
        """
        Return an order; ask the ledger before answering that there is none.

        Raises UnknownOrder, NotServing, Corrupt (definite), Unreachable (indefinite).
        """
        if not self.is_serving:
            raise NotServing
        if order := self.log.get(order_no):
            return order
        yield from self.catch_up()
        if order := self.log.get(order_no):
            return order
        raise UnknownOrder

    def catch_up(self) -> Flow[None]:
        """
        Take all that is missing from the ledger, and from the peers if it is much.

        Raises Unreachable (indefinite): the ledger did not answer; the peers' orders are taken all
        the same. Raises DamagedPage (definite): its answer was damaged on the way. Raises Corrupt
        (definite): this log is not a prefix of the ledger.
        """
        try:
            page = yield from self._take_from_ledger()
        except Unreachable:
            yield from self._take_from_peers()
            raise
        if page.end < page.last:
            yield from self._take_from_peers()
        yield from self._take_rest(page)
        if self.state is ReplicaState.AHEAD:
            self.state = ReplicaState.FOLLOWING

    def step_down(self, term: Term, leader: ReplicaId | None) -> None:
        """
        Stop leading because a newer term was heard of.

        Waiting trades get Deposed (I5). An older term changes nothing: its message may be so late
        that this replica leads again.
        """
        if term > self.term:
            self._adopt(term, leader)

    def _await_copies(self, upto: Position) -> Flow[None]:
        """Wait for the followers in sync. Raises NotReplicated (indefinite)."""
        in_sync = yield AwaitFollowers(upto)
        if in_sync < self.in_sync_min:
            raise NotReplicated

    def _trade(self, outbox: Outbox, trades: tuple[Trade, ...]) -> Flow[tuple[Answer, ...]]:
        """Let the catalog decide; then store and ship all that this log lacks."""
        try:
            answer: BatchAnswer = yield PlaceBatch(
                Batch(outbox.term, self.me, self.last, trades, outbox.in_sync())
            )
        except StaleTerm as stale:
            self.step_down(stale.term, stale.leader)
            raise Deposed(f"A newer leader was elected. {stale.message}") from stale
        except GapFound as gap:
            raise self._mark_ahead(gap) from gap
        try:
            yield from self._take_all(answer.page)
        except Failure as failure:
            # The ledger has the orders by now, so this is not the definite failure it was (I9).
            raise NotReplicated(f"The leader could not store it. {failure.message}") from failure
        return answer.answers

    def _take_all(self, page: Page) -> Flow[None]:
        """Store a page of the ledger and all that the ledger has after it."""
        yield from self._take(page)
        yield from self._take_rest(page)

    def _take_rest(self, page: Page) -> Flow[None]:
        while page.end < page.last:
            page = yield from self._take_from_ledger()

    def _take_from_ledger(self) -> Flow[Page]:
        try:
            page: Page = yield ReadLedger(self.last)
        except GapFound as gap:
            raise self._mark_ahead(gap) from gap
        yield from self._take(page)
        return page

    def _take(self, page: Page) -> Flow[None]:
        """Store what the ledger has and this log lacks (I8)."""
        try:
            yield from self._keep(page)
        except Diverged as diverged:
            raise self._mark_corrupt(diverged.message) from diverged
        self.leader_last = max(self.leader_last, page.last)

    def _take_from_peers(self) -> Flow[None]:
        """Take what each peer has beyond this log; skip a peer that fails or differs."""
        for peer in self.peers:
            try:
                has_more = True
                while has_more:
                    page: Page = yield ReadPeerLog(peer, self.last)
                    yield from self._keep(page)
                    has_more = bool(page.entries) and page.end < page.last
            except Failure:
                continue

    def _keep(self, page: Page) -> Flow[None]:
        """Store what this log lacks of another's page; a leader ships it as well."""
        fresh = fresh_entries(page, self.head, self.log)
        if self.outbox and fresh:
            # The ledger has these already, so followers may store them while this log does.
            yield ShipEntries(fresh)
        # Meanwhile another flow may have stored the first of them.
        self._store(tuple(linked for linked in fresh if linked[1].position > self.last))

    def _store(self, fresh: tuple[Linked, ...]) -> None:
        """Persist, then apply."""
        if not fresh:
            return
        assert fresh[0][1].position == self.last + 1, "I1: the log is dense"
        self.log.append(fresh)
        self.head = fresh[-1][1]

    def _check_append(self, append: Append) -> None:
        """Raise NotServing in a corrupt replica, StaleTerm for a leadership that is over."""
        if self.state in _OUT:
            raise NotServing(f"This replica is {self.state}.")
        self._check_leadership(append.term, append.leader)

    def _check_leadership(self, term: Term, leader: ReplicaId) -> None:
        """Raise StaleTerm for an older term, or for a second leader of this one (I5, I6)."""
        is_rival = term == self.term and self.leader not in (None, leader)
        if term < self.term or is_rival:
            raise StaleTerm(self.term, self.leader)

    def _adopt(self, term: Term, leader: ReplicaId | None) -> None:
        """
        Stop leading in an older term; make this one durable, then let it count.

        Raises StorageFailed: it is not stored.
        """
        if (term, leader) == (self.term, self.leader):
            return
        assert term >= self.term, "I6"
        self._fall_back(ReplicaState.LEADING)
        self._fall_back(ReplicaState.TAKING_OVER)
        self.log.save_term(term, leader)
        self.term, self.leader = term, leader

    def _fall_back(self, state: ReplicaState) -> None:
        if self.state is state:
            self.state, self.outbox = ReplicaState.FOLLOWING, None

    def mark_corrupt(self) -> None:
        """Stay out until rebuilt: this log contradicts the ledger or its own digests."""
        self.state, self.outbox = ReplicaState.CORRUPT, None

    def _mark_ahead(self, gap: GapFound) -> NotServing:
        if self.state is not ReplicaState.CORRUPT:
            self.state, self.outbox = ReplicaState.AHEAD, None
        return NotServing(f"{_LEDGER_SHORT} {gap.message}")

    def _mark_corrupt(self, message: str) -> Corrupt:
        self.mark_corrupt()
        return Corrupt(f"This log is not a prefix of the ledger. {message}")

    def _leadership(self, term: Term) -> Outbox:
        if self.state is not ReplicaState.LEADING or self.outbox is None or self.term != term:
            raise NotLeader(f"This replica does not lead term {term}.")
        return self.outbox
