"""What an order replica does for others."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from bazaar.core.failures import Failure, NotServing
from bazaar.core.ledger import Answer, Page
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import (
    CatalogId,
    Epoch,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Term,
    Trade,
    TradeType,
)
from bazaar.protocol.leadership_messages import HeadBody
from bazaar.runtime.damage import damage
from order_app import wiring


def place_trades(*, term: Term, trades: Sequence[Trade]) -> Sequence[Answer]:
    """
    Place trades as the leader of `term`.

    Return one answer a trade, in their order.

    Raises NotLeader, Busy, TooFewInSync (definite), Deposed, NotReplicated, Unreachable.
    """
    return wiring.replica().trade(term, trades)


def place_directly(*, stock_name: str, trade_type: TradeType, quantity: int) -> Order:
    """
    Place one trade under a key of its own, as the seed's replica does.

    Raises UnknownStock, InsufficientQuantity, Overstock, NotLeader (definite), Deposed,
    Unreachable.
    """
    trade = Trade(uuid4(), stock_name, trade_type, quantity)
    shell = wiring.replica()
    (answer,) = shell.trade(shell.machine.term, [trade])
    if isinstance(answer, Failure):
        raise answer
    return answer


def take_append(*, append: Append) -> Accepted:
    """
    Store what the leader sent.

    Raises StaleTerm, GapFound, Diverged, NotServing, Unconfirmed (definite), Unreachable.
    """
    return wiring.replica().append(append)


def confirm(*, term: Term, token: UUID) -> None:
    """Confirm to a follower that an append is this leader's. Raises Unconfirmed (definite)."""
    wiring.replica().machine.check_token(term, token)


def hear_epoch(*, epoch: Epoch, catalog: CatalogId) -> None:
    """
    Follow a new active catalog, once it confirms it; wait for no older one.

    Raises NotActive, Unconfirmed (definite), Unreachable: it does not answer.
    """
    wiring.link().hear(epoch, catalog)


def take_notice(*, term: Term, leader: ReplicaId) -> None:
    """
    Learn which replica leads.

    Raises StaleTerm, NotServing (definite), Unreachable.
    """
    wiring.replica().take_notice(term, leader)


def look_up(*, order_no: OrderNo) -> Order:
    """Return an order. Raises UnknownOrder, NotServing (definite), Unreachable."""
    return wiring.replica().look_up(order_no)


def list_orders(
    *, upto: OrderNo, limit: int, stock_name: str | None, trade_type: TradeType | None
) -> tuple[list[Order], OrderNo]:
    """
    Return orders up to one, the newest first, and the oldest that was looked at.

    Raises UnknownOrder: there is none with that number; NotServing (definite), Unreachable.
    """
    shell = wiring.replica()
    shell.look_up(upto)  # it is taken from the ledger if this log is behind
    return shell.log.list_newest(upto, limit, stock_name, trade_type)


def replicate(*, position: Position) -> None:
    """
    Have an entry of the ledger copied to all that are in sync.

    Raises NotLeader (definite), Deposed, NotReplicated, Unreachable.
    """
    wiring.replica().replicate(position)


def read_head(*, at: Position) -> HeadBody:
    """
    Return where this log ends, for a catalog that starts.

    A damaged log tells it, too. What was asked of the last catalog is not taken afterwards: the new
    one may do without it. Raises NotServing (definite): the log is not checked yet, or has another
    history than the ledger.
    """
    shell = wiring.replica()
    shell.ledger.note_recovery()
    if not shell.has_sound_log and not damage.where:
        raise NotServing("This replica's log is not checked yet, or damaged.")
    machine, head = shell.machine, shell.log.head
    return HeadBody(
        position=head.position,
        order_no=head.order_no,
        digest=head.digest,
        digest_at=shell.log.digest_at(at) if at <= head.position else None,
        term=machine.term,
        leader=machine.leader,
        is_damaged=not shell.has_sound_log,
    )


def read_page(*, after: Position, limit: int) -> Page:
    """Return a page of this log, for a peer. Raises GapFound, NotServing (definite)."""
    shell = wiring.replica()
    if not shell.has_sound_log:
        raise NotServing("This replica's log is not checked yet, or damaged.")
    return shell.log.page(after, limit)
