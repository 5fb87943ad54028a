"""Operations on stocks, as `linearizability` judges them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bazaar.core.types import TradeType


class StockOperationKind(StrEnum):
    """What an operation is; all but a read make the version that they carry."""

    OPENING = "opening"
    READ = "read"
    TRADE = "trade"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class StockOperation:
    """
    One operation on one stock, from its sending until its answer was there.

    Times are seconds on one clock for all clients. An *opening* is the state before everything
    else; with it the history claims to hold every write to its stock.
    """

    client: int
    kind: StockOperationKind
    stock_name: str
    version: int | None
    """The version read or made; None for a write that may not have happened."""
    start_s: float
    end_s: float = math.inf
    """Infinite for a write that was never answered."""
    is_stale: bool = False
    """Whether the answer to the read says that it may be old."""
    quantity: int | None = None
    """Shares in the catalog at this version, where known; so the next two."""
    trade_volume: int | None = None
    price: Decimal | None = None
    order_no: int | None = None
    trade_type: TradeType | None = None
    shares: int | None = None
    """How many shares a trade moved."""

    def __post_init__(self) -> None:
        """Raise ValueError when the fields do not fit together."""
        for fault in _faults(self):
            raise ValueError(fault)

    @property
    def is_write(self) -> bool:
        """Whether it made the version that it carries."""
        return self.kind is not StockOperationKind.READ


def make_opening(
    stock_name: str, version: int, quantity: int, trade_volume: int, price: Decimal
) -> StockOperation:
    """Return the state of a stock before the first operation of a history."""
    return StockOperation(
        client=0,
        kind=StockOperationKind.OPENING,
        stock_name=stock_name,
        version=version,
        start_s=-math.inf,
        end_s=-math.inf,
        quantity=quantity,
        trade_volume=trade_volume,
        price=price,
    )


def _faults(one: StockOperation) -> Iterator[str]:
    """Yield why an operation cannot be."""
    if not one.start_s <= one.end_s:
        yield f"it ends ({one.end_s}) before it begins ({one.start_s})"
    if one.version is None and one.kind in (StockOperationKind.READ, StockOperationKind.OPENING):
        yield f"a {one.kind} needs a version"
    if one.version is not None and one.version < 1:
        yield f"version {one.version} is less than 1"
    if one.end_s == math.inf and one.kind is StockOperationKind.READ:
        yield "a read without an answer has read nothing"
    if one.is_stale and one.kind is not StockOperationKind.READ:
        yield f"a {one.kind} cannot be stale"
    if (one.trade_type is None) != (one.shares is None):
        yield "trade_type and shares go together"
    if one.shares is not None and (one.kind is not StockOperationKind.TRADE or one.shares < 1):
        yield f"{one.shares} shares in a {one.kind}"
