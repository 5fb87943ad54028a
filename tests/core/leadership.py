"""Replicas for examples: three of them, this one is the largest."""

from bazaar.core.digest import link
from bazaar.core.ledger import Batch, BatchAnswer
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import Linked, Order, ReplicaId, Term, Trade
from tests.core.history import make_order
from tests.core.memory_log import MemoryLog
from tests.core.script import Script

ME, PEERS = ReplicaId(3), (ReplicaId(2), ReplicaId(1))
TERM = Term(5)


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
    notice = Script(replica.take_notice(term, ME))
    notice.answer(MemoryLog(orders).page(len(orders)))
    assert notice.is_over
    assert replica.state is ReplicaState.LEADING
    return replica


def join(replica: Replica, follower: ReplicaId) -> None:
    """Let a follower come in sync with a leader."""
    assert replica.outbox is not None
    assert replica.outbox.accepted(follower, Accepted(replica.last, replica.digest))


def make_append(orders: tuple[Order, ...], after: int, term: int, leader: int) -> Append:
    """Return an append of what a history has after an order."""
    return Append(Term(term), ReplicaId(leader), MemoryLog(orders).page(after))


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
