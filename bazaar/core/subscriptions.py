"""
Who may have which stock in memory, so that only those are told of a change (DESIGN 4.4, ADR 0015).

A holder says so when it asks for a stock in order to keep it, *before* the stock is read. A change
is *passing* from the moment its subscribers are looked up until it is committed or given up; who
asks meanwhile gets an answer it may neither keep nor share, because it would not hear of the
change. A holder leaves the list only when it has been told, or when its lease is over.

So, at every moment: a holder that may answer from memory with a version that is not the newest one
committed is on the list, or was told and has forgotten it. Left out: leases, and the telling.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Subscriptions:
    """The catalog's list; one lock around each call, one change at a time."""

    by_stock: dict[str, set[str]] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)
    """Holders that may have anything, because an earlier run of the catalog had the list."""
    passing: set[str] = field(default_factory=set)

    def admit(self, holder_id: str, stock_name: str) -> bool:
        """Note that a holder will keep a stock; False when it must not, for a change is passing."""
        if stock_name in self.passing:
            return False
        self.by_stock.setdefault(stock_name, set()).add(holder_id)
        return True

    def begin(self, stock_names: Collection[str]) -> set[str]:
        """Begin a change of some stocks and return who must be told before it counts."""
        self.passing.update(stock_names)
        return self.suspects.union(*(self.by_stock.get(name, ()) for name in stock_names))

    def told(self, holder_id: str, stock_names: Iterable[str]) -> None:
        """Note that a holder has forgotten some stocks."""
        for stock_name in stock_names:
            self.forget(holder_id, stock_name)

    def end(self) -> None:
        """End the change: it is committed, or given up."""
        self.passing.clear()

    def forget(self, holder_id: str, stock_name: str) -> None:
        """Note that a holder does not have a stock."""
        subscribers = self.by_stock.get(stock_name)
        if subscribers is not None:
            subscribers.discard(holder_id)
            if not subscribers:
                del self.by_stock[stock_name]

    def suspect(self, holder_id: str) -> None:
        """Note that a holder may have anything."""
        self.suspects.add(holder_id)

    def drop(self, holder_id: str) -> None:
        """Note that a holder has nothing: it begins anew, or its lease is over."""
        self.suspects.discard(holder_id)
        for stock_name in tuple(self.by_stock):
            self.forget(holder_id, stock_name)
