"""What the front end does for clients, and for the catalog."""

from collections.abc import Callable, Sequence
from uuid import UUID

from bazaar.core.election import Leadership
from bazaar.core.failures import Failure, NoLeader
from bazaar.core.types import CatalogId, Epoch, Order, OrderNo, Trade, TradeType, Version
from bazaar.protocol.messages import OrdersBody, StocksBody
from bazaar.protocol.traces import TradeTrace
from bazaar.runtime.waits import EventLoop
from frontend_app import wiring
from frontend_app.entries import OrderEntry, Source, StockRead
from frontend_app.stocks import TakeRead


def read_stock(*, stock_name: str, is_fresh: bool) -> StockRead:
    """
    Return a stock that is no older than any acknowledged change (I7).

    is_fresh: ask the catalog even when memory has it. Raises UnknownStock (definite), Unreachable.
    """
    return wiring.stocks().read(stock_name, is_fresh=is_fresh)


def read_stock_later(
    *, stock_name: str, is_fresh: bool, loop: EventLoop | None, done: TakeRead
) -> None:
    """
    Read a stock as `read_stock` does, without a thread that waits for it.

    done: called once, with the stock or what `read_stock` raises.
    """
    wiring.stocks().read_later(stock_name, is_fresh=is_fresh, loop=loop, done=done)


def place_order(*, trade: Trade, began_s: float | None = None) -> Order:
    """
    Place the order named by the trade's key, once, and return it.

    began_s: when the request came; its deadline counts from there.
    Raises UnknownStock, InsufficientQuantity, Overstock, KeyReused, Busy: definite.
    Raises Unreachable: indefinite; retry with the same key (I2, I9).
    """
    answer = wiring.orders().place(trade, began_s)
    if isinstance(answer, Failure):
        raise answer
    return answer


def place_order_later(
    *,
    trade: Trade,
    began_s: float,
    loop: EventLoop | None,
    done: Callable[[Order | Exception], None],
) -> None:
    """
    Place an order as `place_order` does, without a thread that waits for it.

    done: called once, with the order or what `place_order` raises. Raises Busy (definite).
    """
    wiring.orders().place_later(trade, began_s, done, loop)


def list_stocks(*, text: str | None, after: str | None, limit: int) -> StocksBody:
    """
    Return a page of stocks, by name, no older than any acknowledged change (I7).

    Raises Unreachable: the catalog is away.
    """
    return wiring.stocks().search(text, after, limit)


def list_orders(
    *, before: OrderNo, limit: int, stock_name: str | None, trade_type: TradeType | None
) -> OrdersBody:
    """
    Return a page of orders, the newest first, as `OrderCache.list_newest` does.

    Raises NotServing (definite), Unreachable: no replica could tell.
    """
    return wiring.orders().list_newest(
        before=before, limit=limit, stock_name=stock_name, trade_type=trade_type
    )


def look_up_order(*, order_no: OrderNo, is_fresh: bool) -> tuple[OrderEntry, Source]:
    """
    Return an order, and where it came from.

    is_fresh: ask a replica even when memory has it.
    Raises UnknownOrder (definite); NotServing, Unreachable: no replica could tell.
    """
    orders = wiring.orders()
    if is_fresh:
        return orders.fetch(order_no), Source.REQUEST
    if entry := orders.hit(order_no):
        return entry, Source.HIT
    return orders.fetch(order_no), Source.STORED


def read_trace(*, key: UUID) -> TradeTrace:
    """
    Return the trace of the trade with a key.

    Raises UnknownTrace, Busy (definite).
    """
    return wiring.traces().read(key)


def read_order_trace(*, order_no: OrderNo) -> TradeTrace:
    """
    Return the trace of the trade that became an order.

    Raises UnknownOrder, UnknownTrace, Busy (definite); NotServing, Unreachable: no replica could
    tell the order's key.
    """
    entry, _ = look_up_order(order_no=order_no, is_fresh=False)
    return wiring.traces().read(entry.order.key, order_no=order_no)


def get_leadership() -> Leadership:
    """
    Return the current term and leader.

    Raises NoLeader (definite) before the first election.
    """
    leadership = wiring.watch().leadership
    if leadership.leader is None:
        raise NoLeader
    return leadership


def remove_stock(*, stock_name: str) -> bool:
    """Forget a stock; tell whether it was in memory."""
    return wiring.stocks().remove(stock_name)


def expect_restart(*, for_s: float) -> None:
    """Have reads and trades wait for a catalog that is away for so long at most."""
    wiring.stocks().parked.expect(for_s)
    wiring.watch().expect_restart(for_s)


def hear_epoch(*, epoch: Epoch, catalog: CatalogId) -> None:
    """
    Follow a new active catalog, once it confirms it; keep nothing of older ones.

    Raises NotActive, Unconfirmed (definite), Unreachable: it does not answer.
    """
    wiring.link().hear(epoch, catalog)
    wiring.stocks().hear_epoch(epoch)


def invalidate(*, epoch: Epoch, changes: Sequence[tuple[str, Version]]) -> None:
    """
    Forget stocks below a version, before the catalog commits it.

    Raises NotActive (definite): the epoch of that catalog is over.
    """
    wiring.stocks().invalidate(epoch, changes)
