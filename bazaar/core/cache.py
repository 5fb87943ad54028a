"""
A coherent cache of stocks: one lease holder's side (docs/DESIGN.md 4.4).

Before the catalog commits version v of a stock, it invalidates all versions below v. From then on a
reader gets an answer only if its version is at least the highest one invalidated to *when that
reader began*, or if the request for it began after that reader. So readers share a fill only while
that holds (I7): an invalidation detaches the fills under way, and a reader that joined one and gets
an older version than it may have sends a request of its own.

Left out: the lease, without which nothing is served (`coherence`); locks and waiting (the front
end's shell). `versions_min` has one number for each stock that ever changed, so the catalog's size
bounds it.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from bazaar.core.types import Version


class Versioned(Protocol):
    """A cache entry: a stock, with whatever the shell adds to it."""

    @property
    def name(self) -> str:
        """The stock's name."""

    @property
    def version(self) -> Version:
        """The stock's version."""


S = TypeVar("S", bound=Versioned)


@dataclass(eq=False, slots=True)
class Fill:
    """One request for a stock under way, and the readers that share its answer."""

    stock_name: str
    is_detached: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    One reader's place in a fill.

    version_min: the version below which it may have nothing, as known when it began; 0: it may hear
    that there is no such stock.
    """

    fill: Fill
    is_owner: bool
    version_min: Version

    def admits(self, stock: Versioned) -> bool:
        """Tell whether this reader may be given the fill's answer (I7)."""
        return self.is_owner or stock.version >= self.version_min


@dataclass(slots=True)
class StockCache(Generic[S]):
    """The decisions of one holder's cache; one lock around each call."""

    size_max: int
    entries: OrderedDict[str, S] = field(default_factory=OrderedDict)
    versions_min: dict[str, Version] = field(default_factory=dict)
    """The version that each stock was invalidated below."""
    fills: dict[str, Fill] = field(default_factory=dict)
    forgotten: dict[str, S] = field(default_factory=dict)
    """What was in memory when all was forgotten, and has not been read since."""
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

    def find_old(self, stock_name: str) -> S | None:
        """Return what is known of a stock, for an answer that is marked as old."""
        return self.entries.get(stock_name) or self.forgotten.get(stock_name)

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
        version_min = self.versions_min.get(stock_name, Version(0))
        if fill := self.fills.get(stock_name):
            return Ticket(fill, is_owner=False, version_min=version_min)
        fill = self.fills[stock_name] = Fill(stock_name)
        return Ticket(fill, is_owner=True, version_min=version_min)

    def finish(self, fill: Fill, stock: S | None) -> bool:
        """End a fill with its answer, if any; tell whether the answer was stored."""
        if self.fills.get(fill.stock_name) is fill:
            del self.fills[fill.stock_name]
        if stock is None or fill.is_detached:
            return False
        if stock.version < self.versions_min.get(stock.name, 0):
            return False
        self.entries[stock.name] = stock
        self.forgotten.pop(stock.name, None)
        self.entries.move_to_end(stock.name)
        while len(self.entries) > self.size_max:
            self.entries.popitem(last=False)
            self.evictions += 1
        return True

    def invalidate(self, stock_name: str, version: Version) -> None:
        """Forget a stock below `version`; do not store answers that are under way."""
        known = self.versions_min.get(stock_name, Version(0))
        self.versions_min[stock_name] = max(version, known)
        entry = self.entries.get(stock_name)
        if entry is not None and entry.version < version:
            del self.entries[stock_name]
        self._detach(stock_name)

    def remove(self, stock_name: str) -> bool:
        """Forget a stock whatever its version; tell whether it was in memory."""
        self._detach(stock_name)
        self.forgotten.pop(stock_name, None)
        return self.entries.pop(stock_name, None) is not None

    def clear(self) -> None:
        """Forget every stock: the lease ended, so changes may have been missed."""
        if self.entries:  # else nothing was read since
            self.forgotten = dict(self.entries)
        self.entries.clear()
        for stock_name in tuple(self.fills):
            self._detach(stock_name)

    def _detach(self, stock_name: str) -> None:
        if fill := self.fills.pop(stock_name, None):
            fill.is_detached = True
