"""
A coherent cache of stocks: one lease holder's side (docs/DESIGN.md 4.4).

The catalog says "forget this stock below version v" before it commits v. From then on a reader may
be given an answer only if its version is at least the highest one heard *when that reader began*,
or if the answer was asked for after that reader began. So a fill is shared only while that holds
(I7): an invalidation detaches the fills under way, and a reader who joined one and gets less than
it had heard asks again for itself.

Left out: the right to serve at all (`leases`), locks and waiting (the front end's shell). `heard`
holds one number a stock that ever changed, so it is bounded by the catalog's size.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from bazaar.core.types import Version


class Versioned(Protocol):
    """What the cache keeps: a stock, with whatever the shell adds to it."""

    @property
    def name(self) -> str:
        """The stock's name."""

    @property
    def version(self) -> Version:
        """The stock's version."""


S = TypeVar("S", bound=Versioned)


@dataclass(eq=False, slots=True)
class Fill:
    """One request for a stock that is under way, for the readers that share it."""

    stock_name: str
    is_detached: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    One reader's place in a fill.

    `floor` is the version heard when the reader began.
    """

    fill: Fill
    is_owner: bool
    floor: Version

    def admits(self, stock: Versioned) -> bool:
        """Tell whether this reader may be given the fill's answer (I7)."""
        return self.is_owner or stock.version >= self.floor


@dataclass(slots=True)
class StockCache(Generic[S]):
    """The decisions of one holder's cache; one lock around each call."""

    size_max: int
    entries: OrderedDict[str, S] = field(default_factory=OrderedDict)
    heard: dict[str, Version] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    hits: int = 0
    misses: int = 0
    evictions: int = 0

    def get(self, stock_name: str) -> S | None:
        """Return a stock from memory and make it the most recently used."""
        stock = self.entries.get(stock_name)
        if stock is None:
            self.misses += 1
            return None
        self.touch(stock_name)
        return stock

    def touch(self, stock_name: str) -> None:
        """
        Count a hit and make the stock the most recently used, if it is still there.

        The one call that needs no lock: a race costs a count or an order of use, never an answer.
        """
        self.hits += 1
        try:  # noqa: SIM105 - suppress() costs as much as a whole hit
            self.entries.move_to_end(stock_name)
        except KeyError:
            pass

    def join(self, stock_name: str) -> Ticket:
        """Join the fill under way for a stock, or begin one and own it."""
        floor = self.heard.get(stock_name, Version(0))
        if fill := self.fills.get(stock_name):
            return Ticket(fill, is_owner=False, floor=floor)
        fill = self.fills[stock_name] = Fill(stock_name)
        return Ticket(fill, is_owner=True, floor=floor)

    def finish(self, fill: Fill, stock: S | None) -> bool:
        """End a fill with its answer, if any; tell whether the answer was stored."""
        if self.fills.get(fill.stock_name) is fill:
            del self.fills[fill.stock_name]
        if stock is None or fill.is_detached:
            return False
        if stock.version < self.heard.get(stock.name, 0):
            return False
        self.entries[stock.name] = stock
        self.entries.move_to_end(stock.name)
        while len(self.entries) > self.size_max:
            self.entries.popitem(last=False)
            self.evictions += 1
        return True

    def invalidate(self, stock_name: str, version: Version) -> None:
        """Forget a stock below `version`; answers that are under way will not be kept."""
        self.heard[stock_name] = max(version, self.heard.get(stock_name, Version(0)))
        kept = self.entries.get(stock_name)
        if kept is not None and kept.version < version:
            del self.entries[stock_name]
        self._detach(stock_name)

    def remove(self, stock_name: str) -> bool:
        """Forget a stock whatever its version; tell whether it was in memory."""
        self._detach(stock_name)
        return self.entries.pop(stock_name, None) is not None

    def clear(self) -> None:
        """Forget every stock: the lease ended, so changes may have been missed."""
        self.entries.clear()
        for stock_name in tuple(self.fills):
            self._detach(stock_name)

    def _detach(self, stock_name: str) -> None:
        if fill := self.fills.pop(stock_name, None):
            fill.is_detached = True
