"""Readers, fills, changes and lost leases in any order: I7 (docs/DESIGN.md 4.4)."""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from bazaar.core.cache import Fill, StockCache, Ticket
from bazaar.core.types import Stock, Version
from tests.core.history import make_stock

NAME = "GameStart"
picks = st.integers(0, 20)


@dataclass(eq=False, slots=True)
class Reader:
    """One reader under way; `least` is what it may not undercut (I7)."""

    least: int
    ticket: Ticket


class CacheMachine(RuleBasedStateMachine):
    """One holder of one stock, with the discipline of its shell, and the catalog's side of it."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: StockCache[Stock] = StockCache(size_max=1)
        self.is_leased = True
        self.committed = 1
        self.announced = 1
        self.least = 1
        """The newest version that was acknowledged, or returned to any reader."""
        self.readers: list[Reader] = []
        self.read: dict[Fill, Stock] = {}
        """Fills whose answer has left the catalog."""

    @rule()
    def begin(self) -> None:
        """Serve a reader from memory, or through a fill; directly without a lease."""
        if not self.is_leased:
            self.give(self.least, self.stock)
        elif stock := self.cache.get(NAME):
            self.give(self.least, stock)
        else:
            self.readers.append(Reader(self.least, self.cache.join(NAME)))

    @precondition(lambda self: self.readers)
    @rule(pick=picks)
    def ask(self, pick: int) -> None:
        """Let the catalog read for a fill that is under way."""
        fill = self.readers[pick % len(self.readers)].ticket.fill
        self.read.setdefault(fill, self.stock)

    @precondition(lambda self: self.read)
    @rule(pick=picks)
    def deliver(self, pick: int) -> None:
        """Let an answer arrive: it is kept or not, and whoever may have it gets it."""
        fill = list(self.read)[pick % len(self.read)]
        stock = self.read.pop(fill)
        self.cache.finish(fill, stock)
        sharing = [reader for reader in self.readers if reader.ticket.fill is fill]
        self.readers = [reader for reader in self.readers if reader.ticket.fill is not fill]
        for reader in sharing:
            if reader.ticket.admits(stock):
                self.give(reader.least, stock)
            else:
                self.readers.append(Reader(reader.least, self.cache.join(NAME)))

    @precondition(lambda self: self.announced == self.committed)
    @rule()
    def announce(self) -> None:
        """Tell every holder with a lease, before a change is committed."""
        self.announced += 1
        if self.is_leased:
            self.cache.invalidate(NAME, Version(self.announced))

    @precondition(lambda self: self.announced > self.committed)
    @rule()
    def commit(self) -> None:
        """Commit and acknowledge the change."""
        self.committed = self.announced
        self.least = max(self.least, self.committed)

    @rule()
    def remove(self) -> None:
        """Call /rm."""
        self.cache.remove(NAME)

    @rule()
    def lose_lease(self) -> None:
        """Hear of nothing from now on, and do not serve from memory."""
        self.is_leased = False

    @precondition(lambda self: self.announced == self.committed)
    @rule()
    def register(self) -> None:
        """Begin a lease, with an empty cache; never in the middle of a change."""
        self.cache.clear()
        self.is_leased = True

    @property
    def stock(self) -> Stock:
        """What the catalog answers right now."""
        return replace(make_stock(NAME), version=Version(self.committed))

    def give(self, least: int, stock: Stock) -> None:
        """Answer a reader."""
        assert stock.version >= least, f"I7 version {stock.version} after {least}"
        self.least = max(self.least, stock.version)


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
