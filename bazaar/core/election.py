"""
Leader election by pings and a compare-and-set (docs/DESIGN.md 4.3).

A front end watches the leader. When it is gone, the front end chooses the live replica with the
largest id and claims the next term for it. The catalog's compare-and-set on (term, leader) lets one
claim win (I6); the losers adopt the winner. So any number of front ends may watch at once, and a
wrong suspicion costs a term, never an order. Left out: time. The shell decides when to ping again,
and which silence is unusual (`failure_detector`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from bazaar.core.failures import (
    Failure,
    LeaderAlive,
    NoLeader,
    NoReplica,
    NotServing,
    StaleTerm,
    Unreachable,
)
from bazaar.core.flow import (
    AwaitLeader,
    ClaimLeadership,
    Flow,
    NotifyReplicas,
    PingReplica,
    PingReplicas,
    SendTrades,
)
from bazaar.core.ledger import Answer
from bazaar.core.types import Order, OrderNo, ReplicaId, Term, Trade

LEADER_PROTECTION_S = 2.0
"""For how long a new leader is not replaced while the catalog reaches it."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The answer of a live replica to a ping."""

    replica_id: ReplicaId
    term: Term
    leader: ReplicaId | None
    last: OrderNo
    is_serving: bool
    is_leading: bool
    reaches_catalog: bool = True
    """Whether the replica's latest probe of the catalog succeeded; a leader needs the catalog."""


@dataclass(frozen=True, slots=True)
class Leadership:
    """A term and its leader; None before the first election."""

    term: Term
    leader: ReplicaId | None


def choose_leader(answers: Iterable[Ping]) -> ReplicaId:
    """
    Choose the live, serving replica with the largest id.

    Of those that reach the catalog, if any do. Raises NoReplica (definite).
    """
    live = [ping for ping in answers if ping.is_serving]
    if not live:
        raise NoReplica
    return max(live, key=lambda ping: (ping.reaches_catalog, ping.replica_id)).replica_id


class Elector:
    """One front end's view of the leadership."""

    def __init__(self, replicas: Sequence[ReplicaId]) -> None:
        """Know no leader yet; the first `watch` finds one or elects one."""
        self.replicas = tuple(replicas)
        self.leadership = Leadership(Term(0), None)
        self.silences = 0
        """Pings in a row that failed."""
        self.elections = 0
        """Claims that this front end won."""

    def watch(self) -> Flow[None]:
        """
        Check the leader once: ping it, and replace it when it is gone.

        Raises Unreachable (indefinite): the catalog did not answer a claim. Raises NoReplica
        (definite).
        """
        leader = self.leadership.leader
        if leader not in self.replicas:  # none yet, or one that this cluster does not have
            yield from self._elect(suspect=None)
            return
        try:
            ping: Ping = yield PingReplica(leader)
        except (Unreachable, NotServing):
            self.silences += 1
            yield from self._elect(suspect=leader)
            return
        self.silences = 0
        if ping.term > self.leadership.term:
            self._adopt(Leadership(ping.term, ping.leader))
        elif not ping.is_serving:
            yield from self._elect(suspect=leader)
        elif not ping.reaches_catalog:
            yield from self._elect(suspect=leader, is_live=True)
        elif not ping.is_leading and leader == self.leadership.leader:
            try:
                yield NotifyReplicas(self.leadership.term, leader, (leader,))
            except StaleTerm as stale:  # somebody's claim was won, and its answer lost
                self._adopt(Leadership(stale.term, stale.leader))

    def forward(self, trades: Sequence[Trade]) -> Flow[tuple[Answer, ...]]:
        """
        Send trades to the leader and its successors, with the same keys (I2).

        Never raises. A trade whose time is up gets the failure of its last attempt. After an
        indefinite attempt nothing is called definite until a newer term fences it off (I9): a
        request that is still on its way could yet be executed in the term it was sent for.
        """
        answers: dict[Trade, Answer] = {}
        waiting = tuple(dict.fromkeys(trades))
        doubtful: Term | None = None
        while waiting:
            leadership = (
                self.leadership
            )  # read once: another thread may find a new leader meanwhile
            term = leadership.term
            try:
                if leadership.leader is None or leadership.leader not in self.replicas:
                    raise NoLeader
                placed: tuple[Answer, ...] = yield SendTrades(term, leadership.leader, waiting)
                is_sure = doubtful is None or doubtful < term
                if doubtful is not None:  # it may be this very request that was there before
                    placed = tuple(map(_as_placed_now, placed))
                answers.update(zip(waiting, _honest(placed, is_sure=is_sure), strict=True))
                break
            except Failure as failure:
                doubtful = term if _may_happen(failure) else doubtful
                keys = tuple(trade.key for trade in waiting)
                expired: frozenset[UUID] = yield AwaitLeader(keys, term, failure)
                # A fence does not help here: a doubtful attempt may have succeeded before it.
                (last,) = _honest((failure,), is_sure=doubtful is None)
                answers.update((trade, last) for trade in waiting if trade.key in expired)
                waiting = tuple(trade for trade in waiting if trade.key not in expired)
        return tuple(answers[trade] for trade in trades)

    def _elect(self, suspect: ReplicaId | None, *, is_live: bool = False) -> Flow[None]:
        """
        Claim the next term for the best live replica, or adopt a faster claim.

        is_live: the suspect lives, and is kept unless another one reaches the catalog.
        """
        term = self.leadership.term
        others = tuple(replica_id for replica_id in self.replicas if replica_id != suspect)
        pings: tuple[Ping, ...] = yield PingReplicas(others)
        if is_live and not any(ping.is_serving and ping.reaches_catalog for ping in pings):
            return
        chosen = choose_leader(pings)
        newest = max(pings, key=lambda ping: ping.term)
        if newest.term > term and any(ping.replica_id == newest.leader for ping in pings):
            # Known to the replicas already; the catalog may be out of reach from here.
            self._adopt(Leadership(newest.term, newest.leader))
            return
        try:
            leadership: Leadership = yield ClaimLeadership(term, chosen)
        except StaleTerm as stale:
            self._adopt(Leadership(stale.term, stale.leader))
            return
        except LeaderAlive:
            self.silences = 0
            return
        self.elections += 1
        try:  # trades wait for that: before it is notified, the new leader refuses them
            yield NotifyReplicas(leadership.term, chosen, self.replicas)
        finally:
            self._adopt(leadership)

    def _adopt(self, leadership: Leadership) -> None:
        if leadership.term > self.leadership.term:
            self.leadership, self.silences = leadership, 0


def is_protected(led_s: float, answer: Ping | None) -> bool:
    """
    Tell whether a claim against the leader must wait.

    led_s: for how long the leader has led. answer: to the catalog's own ping, if there was one. So
    front ends that reach different replicas do not depose each other's leaders in turns.
    """
    if led_s >= LEADER_PROTECTION_S or answer is None:
        return False
    return answer.is_serving and answer.reaches_catalog


def _may_happen(failure: Failure) -> bool:
    """Tell whether an attempt that failed like this may yet be executed."""
    if isinstance(failure, Unreachable):
        return failure.was_sent
    return not failure.is_definite


def _as_placed_now(answer: Answer) -> Answer:
    """Return an answer that does not say that its order was there before."""
    return replace(answer, is_replayed=False) if isinstance(answer, Order) else answer


def _honest(answers: tuple[Answer, ...], *, is_sure: bool) -> tuple[Answer, ...]:
    """Call refusals indefinite while an earlier attempt may be executed (I9)."""
    if is_sure:
        return answers
    return tuple(
        answer
        if isinstance(answer, Order)
        else Unreachable(
            f"{answer.message.rstrip('.')}. An earlier attempt may still be under way."
        )
        for answer in answers
    )


def claim_term(current: Leadership, term: Term, leader: ReplicaId) -> Leadership:
    """
    Return the leadership that a claim begins (the catalog's side of an election).

    Raises StaleTerm (definite): the claim knows an older term than the current one (I6).
    """
    if term != current.term:
        raise StaleTerm(current.term, current.leader)
    return Leadership(Term(current.term + 1), leader)
