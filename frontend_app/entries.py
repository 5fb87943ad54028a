"""What a front end has in memory of a stock or an order, and what a reader gets."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bazaar.core.types import Order, Stock, Version
from bazaar.protocol.statuses import CachedStock


@dataclass(slots=True)
class StockEntry:
    """
    A stock in the cache, or on its way to one reader.

    Only `hits` and `answers` change.
    """

    stock: Stock
    since_s: float
    """When the catalog was asked for it, on this process's monotonic clock."""
    hits: int = 0
    """How often it was answered from memory."""
    answers: dict[str, Any] = field(default_factory=dict)
    """By dialect: the answer, encoded once, when the first reader wants it."""

    @property
    def name(self) -> str:
        """The stock's name."""
        return self.stock.name

    @property
    def version(self) -> Version:
        """The stock's version."""
        return self.stock.version

    def describe(self, age_s: int) -> CachedStock:
        """Return what a status says of it; age_s: for how long it has been in memory."""
        return CachedStock(
            stock_name=self.name,
            version=self.version,
            quantity=self.stock.quantity,
            age_s=age_s,
            hits=self.hits,
        )


@dataclass(slots=True)
class OrderEntry:
    """An order in memory; only `bodies` changes. There are many, so it is small."""

    order: Order
    bodies: dict[str, bytes] | None = None
    """By dialect: the answer, encoded once, when the first reader wants it."""


class Source(StrEnum):
    """Where an answer came from, in the words of RFC 9211 (Cache-Status)."""

    HIT = "hit"
    STORED = "fwd=miss; stored"
    MISS = "fwd=miss"
    COLLAPSED = "fwd=miss; collapsed"
    REQUEST = "fwd=request"
    """The request demanded a fresh answer."""
    BYPASS = "fwd=bypass"
    """There is no lease at the moment, so memory is not used."""
    STALE = "hit; detail=stale"
    """From memory without a lease, because the catalog is out of reach: it may be old."""


@dataclass(frozen=True, slots=True)
class StockRead:
    """A stock as one reader gets it."""

    entry: StockEntry
    source: Source
    age_s: int = 0
    """For how long it has been in memory, in whole seconds."""

    @property
    def is_stale(self) -> bool:
        """Whether a newer version may have been acknowledged already."""
        return self.source is Source.STALE
