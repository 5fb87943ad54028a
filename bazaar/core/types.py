"""
The words of the domain as types (docs/GLOSSARY.md).

Everything here is a frozen value: it can be stored, sent and compared, and nothing else.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NewType
from uuid import UUID

OrderNo = NewType("OrderNo", int)
"""The number of an order, dense from 1 among all orders; 0: before the first."""

Position = NewType("Position", int)
"""A place in the decided sequence, dense from 1; 0: before the first entry."""

Term = NewType("Term", int)
"""The number of a leadership; only grows. 0: before the first leader."""

Version = NewType("Version", int)
"""A counter of one stock's changes, from VERSION_FIRST."""

VERSION_FIRST = Version(1)
"""What a stock is listed with."""

ReplicaId = NewType("ReplicaId", int)
"""An order replica, from 1."""

CatalogId = NewType("CatalogId", int)
"""One of the catalogs that share a database, from 1."""

Epoch = NewType("Epoch", int)
"""The number of an active catalog's time; only grows."""

NO_EPOCH = Epoch(0)
"""Before the first active catalog."""

Digest = NewType("Digest", str)
"""A SHA-256 in hex (64 characters): the hash chain up to and including one entry."""

GENESIS = Digest("0" * 64)
"""The digest before the first entry."""

QUANTITY_MIN = 1
QUANTITY_MAX = 10**9
"""Shares in one trade."""

ORDER_NO_MAX = 2**63 - 1
"""The largest order number, or position, that a database column holds."""

STOCK_NAME_CHARS_MAX = 200
"""Characters in the name of a stock."""


class TradeType(StrEnum):
    """Which way the shares go, seen from the client."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade request: `key` names what is wanted once, however often it is sent."""

    key: UUID
    stock_name: str
    trade_type: TradeType
    quantity: int
    placed_by: str | None = None
    """The name of the token that it was sent with (`access`); None: it came without one."""
    context: str = field(default="", compare=False, repr=False, kw_only=True)
    """The trace context of its request, as text; no part of what is wanted."""

    def __hash__(self) -> int:
        """Return a hash of the key alone: trades with one key are nearly always the same."""
        return hash(self.key.int)


@dataclass(frozen=True, slots=True)
class Order:
    """An accepted trade with its place in the one history."""

    order_no: OrderNo
    key: UUID
    stock_name: str
    trade_type: TradeType
    quantity: int
    placed_by: str | None = None
    """As in the trade that came first."""
    is_replayed: bool = field(default=False, compare=False)
    """No part of it: whether it was there before the request that it answers."""

    def is_of(self, trade: Trade) -> bool:
        """
        Tell whether this order is the one that `trade` requests, field by field.

        Only who sends it may differ: a retry may come with a newer token.
        """
        return (self.key, self.stock_name, self.trade_type, self.quantity) == (
            trade.key,
            trade.stock_name,
            trade.trade_type,
            trade.quantity,
        )


@dataclass(frozen=True, slots=True)
class Stock:
    """One stock as the catalog has it; quantities in shares (I4)."""

    name: str
    price: Decimal
    quantity: int
    opening: int
    issued: int
    trade_volume: int
    version: Version


@dataclass(frozen=True, slots=True)
class StockChange:
    """
    What trades do not change in a stock, from here on.

    The first one of a stock lists it. price: tidy, so equal prices have equal texts. version: the
    stock's from here on.
    """

    stock_name: str
    price: Decimal
    opening: int
    issued: int
    version: Version


Entry = Order | StockChange
"""One step of the decided sequence (I11)."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a sequence ends: its last entry, its last order, and the digest there."""

    position: Position = Position(0)
    order_no: OrderNo = OrderNo(0)
    digest: Digest = GENESIS


START = Head()
"""The head of an empty sequence."""

Linked = tuple[Entry, Head]
"""An entry, and the head of the sequence that ends with it."""

_CENTS = Decimal("0.01")


def tidy(price: Decimal) -> Decimal:
    """Return a price with two decimals, or with as many as it needs."""
    cents = price.quantize(_CENTS)
    return cents if cents == price else price.normalize()
