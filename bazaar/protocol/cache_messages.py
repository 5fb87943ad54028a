"""Messages between the catalog and the caches of front ends (docs/PROTOCOL.md)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta

from bazaar.core.failures import Unreachable
from bazaar.core.types import NO_EPOCH, Epoch, Stock, Version
from bazaar.protocol.messages import TRADES_MAX, Host, Message, Name, Number, Place, StockBody

NAMES_MAX = 5000
"""Names of stocks in one message."""
READS_MAX = 100
"""Stocks that are read by one message; the catalog's reading thread answers it."""

EXPECT_S_MAX = 60
"""The longest restart of a catalog that is announced, in seconds."""


class WantedBody(Message, frozen=True, kw_only=True):
    """One stock that is wanted, and whether it is to be stored in memory."""

    stock_name: Name
    to_keep: bool


class ReadBody(Message, frozen=True, kw_only=True):
    """Front end to catalog: stocks that are wanted at the same moment."""

    holder_id: UUID
    stocks: Annotated[tuple[WantedBody, ...], Meta(min_length=1, max_length=READS_MAX)]

    @classmethod
    def from_core(cls, holder_id: UUID, wanted: Mapping[str, bool]) -> Self:
        """Pack names, each with whether its stock is to be kept."""
        bodies = (WantedBody(stock_name=name, to_keep=keep) for name, keep in wanted.items())
        return cls(holder_id=holder_id, stocks=tuple(bodies))


@dataclass(frozen=True, slots=True)
class FoundStocks:
    """Stocks as they were wanted, read in an epoch of the catalog."""

    epoch: Epoch
    stocks: tuple[tuple[Stock, bool] | None, ...]
    """Each with whether it may be kept; None: there is none."""


class FoundStockBody(Message, frozen=True, kw_only=True):
    """One stock as it is committed, and what may be done with it."""

    stock: StockBody | None
    """None: there is no such stock."""
    may_keep: bool = False
    """Whether it may be stored and shared; otherwise a change would not reach the holder."""


class FoundStocksBody(Message, frozen=True, kw_only=True):
    """Catalog to front end: the stocks that were wanted, in their order."""

    stocks: tuple[FoundStockBody, ...]
    epoch: Place = 0
    """Of the catalog: they are kept under a lease of the same one only."""

    def to_core(self, count: int) -> FoundStocks:
        """Unpack stocks. Raises Unreachable: there are not as many as were wanted."""
        if len(self.stocks) != count:
            raise Unreachable("The catalog answered another number of stocks than were wanted.")
        stocks = (
            None if one.stock is None else (one.stock.to_core(), one.may_keep)
            for one in self.stocks
        )
        return FoundStocks(Epoch(self.epoch), tuple(stocks))


class HolderBody(Message, frozen=True, kw_only=True):
    """Front end to catalog: register or renew the lease of one process."""

    holder_id: UUID
    """Of one registration, used once: a lease that begins has a new one."""
    host: Host
    control_port: Annotated[int, Meta(ge=1, le=65535)]


class LeaseBody(Message, frozen=True, kw_only=True):
    """Catalog to front end: how long the lease runs from the sending of its request."""

    lease_s: Annotated[float, Meta(gt=0)]
    incarnation: UUID | None = None
    """Of the catalog: with another one, all that is remembered is forgotten."""
    listed: Place = 0
    """The place of the newest stock in the listing; 0: there is none."""
    epoch: Place = 0
    """Of the catalog: a newer one ends leases of older ones."""


class NamesBody(Message, frozen=True, kw_only=True):
    """Catalog to front end: names of stocks in the order of their listing."""

    names: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)]
    end: Place
    """The place of the last one, where the next page begins; unchanged at the end."""


class ChangeBody(Message, frozen=True, kw_only=True):
    """One stock, and the version below which it must be forgotten."""

    stock_name: Name
    version: Number


class ExpectBody(Message, frozen=True, kw_only=True):
    """Operator to front end: for how long the catalog is away, at most."""

    for_s: Annotated[float, Meta(ge=0, le=EXPECT_S_MAX)]


class InvalidateBody(Message, frozen=True, kw_only=True):
    """Catalog to holder: forget these stocks before they change."""

    changes: Annotated[tuple[ChangeBody, ...], Meta(min_length=1, max_length=TRADES_MAX)]
    epoch: Place = 0
    """Of the catalog: an older one than the holder knows is refused."""

    @classmethod
    def from_core(cls, changes: Iterable[tuple[str, Version]], epoch: Epoch = NO_EPOCH) -> Self:
        """Pack stocks, each with its version."""
        bodies = (ChangeBody(stock_name=name, version=number) for name, number in changes)
        return cls(changes=tuple(bodies), epoch=epoch)
