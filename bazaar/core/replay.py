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
class _Sums:
    """What was traded of one stock, listed or not yet."""

    bought: int = 0
    sold: int = 0


@dataclass(slots=True)
class StockReplay:
    """Stocks as of the entries taken so far, in the order of their listing."""

    stocks: dict[str, Stock] = field(default_factory=dict)
    _sums: dict[str, _Sums] = field(default_factory=dict)

    @classmethod
    def resume(cls, stocks: Iterable[Stock]) -> Self:
        """Go on from stocks as they are."""
        replay = cls()
        for stock in stocks:
            moved = stock.opening - stock.quantity  # bought less sold
            replay.stocks[stock.name] = stock
            replay._sums[stock.name] = _Sums(
                bought=(stock.trade_volume + moved) // 2, sold=(stock.trade_volume - moved) // 2
            )
        return replay

    def take(self, entry: Order | StockChange) -> Version:
        """
        Apply the next entry; return the version that its stock has from then on.

        1 for an order of a stock that is listed later: a ledger from before there were listings
        has them behind its orders.
        """
        if isinstance(entry, StockChange):
            return self._change(entry)
        sums = self._sums.setdefault(entry.stock_name, _Sums())
        if entry.trade_type is TradeType.BUY:
            sums.bought += entry.quantity
        else:
            sums.sold += entry.quantity
        stock = self.stocks.get(entry.stock_name)
        if stock is None:
            return Version(1)
        version = Version(stock.version + 1)
        self.stocks[stock.name] = self._with_sums(replace(stock, version=version))
        return version

    def take_all(self, entries: Iterable[Order | StockChange]) -> None:
        """Apply entries in their order."""
        for entry in entries:
            self.take(entry)

    def _change(self, change: StockChange) -> Version:
        stock = Stock(
            name=change.stock_name,
            price=change.price,
            quantity=0,
            opening=change.opening,
            issued=change.issued,
            trade_volume=0,
            version=change.version,
        )
        self._sums.setdefault(change.stock_name, _Sums())
        self.stocks[stock.name] = self._with_sums(stock)
        return change.version

    def _with_sums(self, stock: Stock) -> Stock:
        sums = self._sums[stock.name]
        return replace(
            stock,
            quantity=stock.opening - sums.bought + sums.sold,
            trade_volume=sums.bought + sums.sold,
        )
