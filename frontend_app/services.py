"""What the front end does for clients, and for the catalog."""

from collections.abc import Sequence
from uuid import UUID

from bazaar.core.election import Reign
from bazaar.core.failures import Failure, NoLeader, NotServing, UnknownOrder
from bazaar.core.types import Order, OrderNo, Trade, TradeType, Version
from frontend_app import wiring
from frontend_app.readings import Reading


def read_stock(*, stock_name: str, is_fresh: bool) -> Reading:
    """
    Return a stock that is no older than any acknowledged change (I7).

    is_fresh: ask the catalog even when memory has it. Raises UnknownStock (definite), Unreachable.
    """
    return wiring.stocks().read(stock_name, is_fresh=is_fresh)


def place_order(*, key: UUID, stock_name: str, trade_type: TradeType, quantity: int) -> Order:
    """
    Place the order named by `key`, once, and return it.

    quantity: shares, >= 1.
    Raises UnknownStock, InsufficientQuantity, Overstock, KeyReused, Busy: definite.
    Raises Unreachable: indefinite; retry with the same key (I2, I9).
    """
    answer = wiring.watch().place(Trade(key, stock_name, trade_type, quantity))
    if isinstance(answer, Failure):
        raise answer
    return answer


def look_up_order(*, order_no: OrderNo) -> Order:
    """
    Return an order from the leader, or from any replica that answers (DESIGN 4.5).

    Raises UnknownOrder (definite); NotServing, Unreachable: no replica could tell.
    """
    failure: Failure = NotServing("No order replica answers.")
    for replica in wiring.watch().replicas_by_rank():
        try:
            return replica.look_up(order_no)
        except UnknownOrder:
            raise  # it has asked the ledger
        except Failure as caught:
            failure = caught
    raise failure


def get_reign() -> Reign:
    """Return the current term and leader. Raises NoLeader (definite) before the first election."""
    reign = wiring.watch().reign
    if reign.leader is None:
        raise NoLeader
    return reign


def remove_stock(*, stock_name: str) -> bool:
    """Forget a stock; tell whether it was in memory."""
    return wiring.stocks().remove(stock_name)


def invalidate(*, changes: Sequence[tuple[str, Version]]) -> None:
    """Forget stocks below a version, before the catalog commits it."""
    wiring.stocks().invalidate(changes)
