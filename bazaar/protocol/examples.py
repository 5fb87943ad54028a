"""
A valid message of every kind that a form is made of.

What speaks for a leader carries term 0, so it is refused without a change (I5) until somebody
enters the term that they mean.
"""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from bazaar.core.types import GENESIS, STOCK_NAME_CHARS_MAX, TradeType
from bazaar.protocol import cache_messages, leadership_messages, messages
from bazaar.topology import REPLICAS_MAX

STOCK = "3M"
KEY = UUID("6f1c2e9a-8d34-4b0f-9a57-1e2d3c4b5a69")
HOLDER = UUID("0b9d7c3e-52a1-4f68-8c40-7a6e5d4c3b2a")
TOKEN = UUID("c2f1a0d4-3b5e-4c76-9d18-5e4f3a2b1c0d")


EPOCH = leadership_messages.EpochBody(epoch=0, catalog=REPLICAS_MAX)
"""Changes nothing: no description has that many catalogs."""


class NameQuery(Struct, frozen=True):
    """One stock."""

    stock_name: messages.Name = STOCK


class NumberQuery(Struct, frozen=True):
    """One order."""

    order_no: messages.Place = 1


class PageQuery(Struct, frozen=True):
    """A page after a place."""

    after: messages.Place = 0
    limit: messages.Number = 10


class HeadQuery(Struct, frozen=True):
    """The head of a log, and its digest at a position."""

    at: messages.Place = 0


class FindQuery(Struct, frozen=True):
    """What is looked for in key and stock, and before which order; 0: among all."""

    text: str = STOCK
    before: messages.Place = 0
    limit: messages.Number = 10


class NewestQuery(Struct, frozen=True):
    """A page of orders up to a number, the newest first; None: any stock, any type."""

    upto: messages.Number = 1
    limit: messages.PageSize = 10
    stock_name: Annotated[str, Meta(max_length=STOCK_NAME_CHARS_MAX)] | None = None
    trade_type: TradeType | None = None


class StockSearchQuery(Struct, frozen=True):
    """A page of stocks after a name, in the order of their names."""

    text: Annotated[str, Meta(max_length=STOCK_NAME_CHARS_MAX)] | None = None
    """What the names contain; None: all."""
    after: Annotated[str, Meta(max_length=STOCK_NAME_CHARS_MAX)] | None = None
    limit: messages.PageSize = 10


_TRADE = messages.TradeBody(key=KEY, stock_name=STOCK, trade_type=TradeType.BUY, quantity=1)
_EMPTY = messages.PageBody(after=0, order_no=0, previous=GENESIS, digest=GENESIS, last=0)

READ = cache_messages.ReadBody.from_core(HOLDER, {STOCK: True})
BATCH = messages.BatchBody(term=0, leader=1, after=0, trades=(_TRADE,))
NOTICE = leadership_messages.NoticeBody(term=0, leader=1)
PRICE = messages.PriceBody(stock_name=STOCK, price=Decimal("100.00"))
HOLD = cache_messages.HolderBody(holder_id=HOLDER, host="127.0.0.1", control_port=30002)
TRADES = messages.TradesBody(term=0, trades=(_TRADE,))
APPEND = messages.AppendBody(term=0, leader=1, page=_EMPTY, token=TOKEN)
CONFIRM = leadership_messages.TokenBody(term=0, token=TOKEN)
REPLICATE = messages.ReplicateBody(position=1)
CHANGE = cache_messages.ChangeBody(stock_name=STOCK, version=1)
EXPECT = cache_messages.ExpectBody(for_s=0)
INVALIDATE = cache_messages.InvalidateBody(changes=(CHANGE,))
