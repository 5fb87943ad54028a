"""Replicas for examples: three of them, this one is the largest."""

from uuid import UUID

from bazaar.core.digest import link
from bazaar.core.election import Leadership
from bazaar.core.flow import AskLeader, ReadLeadership
from bazaar.core.ledger import Batch, BatchAnswer
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import Linked, Order, ReplicaId, Term, Trade
from tests.core.history import make_order
from tests.core.memory_log import MemoryLog
from tests.core.script import Script

ME, PEERS = ReplicaId(3), (ReplicaId(2), ReplicaId(1))
TERM = Term(5)
TOKEN = UUID(int=29)


def make_replica(
    orders: tuple[Order, ...] = (), term: int = 0, leader: int | None = None, in_sync_min: int = 1
) -> Replica:
    """Return a replica that follows, as it is after a start without news."""
    log = MemoryLog(orders)
    log.save_term(Term(term), None if leader is None else ReplicaId(leader))
    replica = Replica(ME, PEERS, log, log.known, log.head, in_sync_min)
    replica.state = ReplicaState.FOLLOWING
    return replica


def make_leader(orders: tuple[Order, ...] = (), term: Term = TERM, in_sync_min: int = 1) -> Replica:
    """Return a replica that was elected and found nothing missing."""
    replica = make_replica(orders, in_sync_min=in_sync_min)
    begun = notify(replica, term, ME)
    begun.answer(MemoryLog(orders).page(len(orders)))
    assert begun.is_over
    assert replica.state is ReplicaState.LEADING
    return replica


def notify(replica: Replica, term: int, leader: int) -> Script[None]:
    """Tell a replica who leads; the catalog says the same if it is asked."""
    begun = Script(replica.take_notice(Term(term), ReplicaId(leader), TOKEN))
    if begun.effect == ReadLeadership():
        begun.answer(Leadership(Term(term), ReplicaId(leader)))
    return begun


def confirm(replica: Replica, append: Append) -> None:
    """Let the leader of an append confirm it, if the replica asks. Raises what the flow raises."""
    asking = Script(replica.confirm(append))
    if asking.failure:
        raise asking.failure
    assert asking.effect == AskLeader(append.leader, append.term, append.token)
    assert asking.answer(None).is_over


def take(replica: Replica, append: Append) -> Accepted:
    """Let a replica take an append as its shell does."""
    if not replica.has_confirmed(append):
        confirm(replica, append)
    return replica.append(append)


def join(replica: Replica, follower: ReplicaId) -> None:
    """Let a follower come in sync with a leader."""
    assert replica.outbox is not None
    assert replica.outbox.accepted(follower, Accepted(replica.last, replica.digest))


def make_append(orders: tuple[Order, ...], after: int, term: int, leader: int) -> Append:
    """Return an append of what a history has after an order."""
    return Append(Term(term), ReplicaId(leader), MemoryLog(orders).page(after), TOKEN)


def answer_of(batch: Batch, before: tuple[Order, ...]) -> BatchAnswer:
    """Return the catalog's answer to a batch that it accepts entirely, after `before`."""
    placed = number(before, batch.trades)
    return BatchAnswer(placed, MemoryLog((*before, *placed)).page(batch.after))


def number(before: tuple[Order, ...], trades: tuple[Trade, ...]) -> tuple[Order, ...]:
    """Return the orders that trades become after a history."""
    return tuple(make_order(at, trade) for at, trade in enumerate(trades, len(before) + 1))


def linked(orders: tuple[Order, ...], after: int) -> tuple[Linked, ...]:
    """Return what a history has after an order, with digests."""
    log = MemoryLog(orders[:after])
    return tuple(link(log.head, orders[after:]))
