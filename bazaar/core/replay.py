"""
The stocks that a decided sequence makes (I11).

Whoever has all entries has every stock: listing and prices from the stock changes, quantity, volume
and the versions in between from the orders. Left out: where the entries come from.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from bazaar.core.types import Order, Stock, StockChange, TradeType, Version


@dataclass(slots=True)
class _Traded:
    """What was traded of one stock, listed or not yet."""

    bought: int = 0
    sold: int = 0
    version: int = 0
    """Of the stock; 0: it is not listed yet."""


@dataclass(slots=True)
class StockReplay:
    """Stocks as of the entries taken so far."""

    _listed: dict[str, Stock] = field(default_factory=dict)
    """As of their newest stock change, in the order of their listing."""
    _traded: dict[str, _Traded] = field(default_factory=dict)

    @classmethod
    def resume(cls, stocks: Iterable[Stock]) -> Self:
        """Go on from stocks as they are."""
        replay = cls()
        for stock in stocks:
            moved = stock.opening - stock.quantity  # bought less sold
            replay._listed[stock.name] = stock
            replay._traded[stock.name] = _Traded(
                bought=(stock.trade_volume + moved) // 2,
                sold=(stock.trade_volume - moved) // 2,
                version=stock.version,
            )
        return replay

    @property
    def stocks(self) -> dict[str, Stock]:
        """The stocks by name, in the order of their listing."""
        return {name: self._complete(stock) for name, stock in self._listed.items()}

    def take(self, entry: Order | StockChange) -> Version:
        """
        Apply the next entry; return the version that its stock has from then on.

        1 for an order of a stock that is listed later: a ledger from before there were listings
        has them behind its orders.
        """
        traded = self._traded.get(entry.stock_name)
        if traded is None:
            traded = self._traded[entry.stock_name] = _Traded()
        if isinstance(entry, StockChange):
            self._listed[entry.stock_name] = _list(entry)
            traded.version = entry.version
            return entry.version
        if entry.trade_type is TradeType.BUY:
            traded.bought += entry.quantity
        else:
            traded.sold += entry.quantity
        if not traded.version:
            return Version(1)
        traded.version += 1
        return Version(traded.version)

    def take_all(self, entries: Iterable[Order | StockChange]) -> None:
        """Apply entries in their order."""
        for entry in entries:
            self.take(entry)

    def _complete(self, stock: Stock) -> Stock:
        """Return a listed stock with what was traded of it."""
        traded = self._traded[stock.name]
        return replace(
            stock,
            quantity=stock.opening - traded.bought + traded.sold,
            trade_volume=traded.bought + traded.sold,
            version=Version(traded.version),
        )


def _list(change: StockChange) -> Stock:
    """Return a stock as its change has it, before any trade."""
    return Stock(
        name=change.stock_name,
        price=change.price,
        quantity=0,
        opening=change.opening,
        issued=change.issued,
        trade_volume=0,
        version=change.version,
    )
