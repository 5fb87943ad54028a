"""Whatever limits an operator sets, the longest message that follows from them is taken (I10)."""

from collections.abc import Callable

import msgspec
import pytest

from bazaar.core.access import TOKEN_NAME_CHARS_MAX
from bazaar.core.ledger import Batch
from bazaar.core.replication import Append
from bazaar.core.types import (
    ORDER_NO_MAX,
    QUANTITY_MAX,
    STOCK_NAME_CHARS_MAX,
    Position,
    ReplicaId,
    Term,
    TradeType,
)
from bazaar.protocol.codec import encode
from bazaar.protocol.messages import AppendBody, BatchBody, Message, TradeBody, TradesBody
from bazaar.settings.env import Limits
from bazaar.web.endpoint import MEMBER_BODY_BYTES_MAX
from tests.contract.conftest import Cluster
from tests.support.histories import TOKEN, make_order, make_page, make_trade

NAME = "\U0001f9f1" * STOCK_NAME_CHARS_MAX
"""The longest name there can be, in bytes too."""
CLIENT = "x" * TOKEN_NAME_CHARS_MAX
TERM = Term(ORDER_NO_MAX)


def largest(limit: str) -> int:
    """Return the largest number that an operator may set."""
    (field,) = (one for one in msgspec.structs.fields(Limits) if one.name == limit)
    (meta,) = field.type.__metadata__
    return int(meta.le)


def trades(count: int) -> tuple[TradeBody, ...]:
    longest = make_trade(
        *(1, QUANTITY_MAX), stock_name=NAME, trade_type=TradeType.SELL, placed_by=CLIENT
    )
    return (TradeBody.from_core(longest),) * count


def forward(count: int) -> Message:
    return TradesBody(term=TERM, trades=trades(count))


def batch(count: int) -> Message:
    empty = BatchBody.from_core(Batch(TERM, ReplicaId(1), Position(ORDER_NO_MAX), ()))
    return msgspec.structs.replace(empty, trades=trades(count))


def append(count: int) -> Message:
    order = make_order(ORDER_NO_MAX, stock_name=NAME, quantity=QUANTITY_MAX, placed_by=CLIENT)
    page = make_page(0, orders=[order] * count)
    return AppendBody.from_core(Append(TERM, ReplicaId(1), page, TOKEN))


@pytest.mark.parametrize(
    ("build", "limit"),
    [
        (forward, "batch_trades_max"),
        (batch, "batch_trades_max"),
        (append, "page_orders_max"),
    ],
)
def test_the_longest_message_fits(build: Callable[[int], Message], limit: str) -> None:
    """Otherwise a batch would never be decided, or a follower never come in sync."""
    assert len(encode(build(largest(limit)))) <= MEMBER_BODY_BYTES_MAX


def test_a_page_of_several_megabytes_really_travels(cluster: Cluster) -> None:
    """Django has a limit of its own, 2.5 MB unless it is set."""
    orders = [make_order(number, stock_name=NAME) for number in range(3, 3503)]
    page = make_page(0, after=2, orders=orders)
    assert len(encode(AppendBody.from_core(Append(TERM, ReplicaId(3), page, TOKEN)))) > 2_900_000
    assert cluster.replica.append(Append(Term(4), ReplicaId(3), page, TOKEN), 1).last == 3502
    assert cluster.replica.log(Position(2), 3500).entries == tuple(orders)
