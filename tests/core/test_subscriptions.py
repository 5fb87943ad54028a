"""Only who may have a stock is told of its change, and nobody reads an old one (I7, ADR 0015)."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bazaar.core.cache import StockCache, Ticket
from bazaar.core.subscriptions import Subscriptions
from bazaar.core.types import Version

HOLDERS = ("a", "b", "c")
STOCKS = ("x", "y")
holders, stocks = st.sampled_from(HOLDERS), st.sampled_from(STOCKS)


@dataclass(frozen=True, slots=True)
class Held:
    """A stock in memory."""

    name: str
    version: Version


@dataclass(slots=True)
class Asked:
    """A fill whose answer is on its way, perhaps for long."""

    holder: str
    ticket: Ticket
    answer: Held
    may_keep: bool
    joined: list[tuple[Ticket, Version]] = field(default_factory=list)
    """Readers that share it, each with the version that was acknowledged when it began."""


class Bazaar(RuleBasedStateMachine):
    """A catalog with its list and three caches; messages take as long as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribers = Subscriptions()
        self.committed = dict.fromkeys(STOCKS, Version(1))
        self.caches = {name: StockCache[Held](10) for name in HOLDERS}
        self.under_way: list[Asked] = []
        self.change: tuple[str, set[str]] | None = None
        """The stock that is changing, and who has yet to be told."""

    @rule(holder=holders, stock=stocks)
    def read(self, holder: str, stock: str) -> None:
        """Answer from memory, join a fill, or ask the catalog; the answer comes later."""
        cache = self.caches[holder]
        if kept := cache.get(stock):
            assert kept.version >= self.committed[stock], "I7: memory is old"
            return
        ticket = cache.join(stock)
        if not ticket.is_owner:
            (fill,) = (one for one in self.under_way if one.ticket.fill is ticket.fill)
            fill.joined.append((ticket, self.committed[stock]))
            return
        may_keep = self.subscribers.admit(holder, stock)
        answer = Held(stock, self.committed[stock])
        self.under_way.append(Asked(holder, ticket, answer, may_keep))

    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """Let one of the answers arrive."""
        if not self.under_way:
            return
        one = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        shared = one.answer if one.may_keep else None
        self.caches[one.holder].finish(one.ticket.fill, shared)
        for ticket, known in one.joined:
            if shared is not None and ticket.admits(shared):
                assert shared.version >= known, "I7: a reader was given less than was acknowledged"

    @rule(stock=stocks)
    def begin(self, stock: str) -> None:
        """Begin a change: look up who must be told."""
        if self.change is None:
            self.change = (stock, self.subscribers.begin([stock]))

    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        """Tell one of them."""
        if self.change and self.change[1]:
            stock, left = self.change
            holder = data.draw(st.sampled_from(sorted(left)))
            self.caches[holder].invalidate(stock, Version(self.committed[stock] + 1))
            left.remove(holder)
            self.subscribers.told(holder, [stock])

    @rule(is_committed=st.booleans())
    def end(self, *, is_committed: bool) -> None:
        """Commit the change once all are told, or give it up at any time."""
        if self.change is None or (is_committed and self.change[1]):
            return
        if is_committed:
            self.committed[self.change[0]] = Version(self.committed[self.change[0]] + 1)
        self.subscribers.end()
        self.change = None

    @rule(holder=holders)
    def begin_anew(self, holder: str) -> None:
        """Let a holder whose lease is over register with an empty cache; never during a change."""
        if self.change is None:
            self.caches[holder].clear()
            self.subscribers.drop(holder)

    @rule()
    def restart(self) -> None:
        """Let the catalog die and come back without its list; the leases may still run."""
        self.change, self.subscribers = None, Subscriptions()
        for holder in HOLDERS:
            self.subscribers.suspect(holder)

    @invariant()
    def memory_is_never_old(self) -> None:
        """I7: whatever is in memory is what was committed last."""
        for cache in self.caches.values():
            for name, held in cache.entries.items():
                assert held.version >= self.committed[name]


Bazaar.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestBazaar = Bazaar.TestCase


def test_a_change_is_told_to_keepers_only() -> None:
    subscribers = Subscriptions()
    assert subscribers.admit("a", "x")
    assert subscribers.admit("b", "y")
    assert subscribers.begin(["x"]) == {"a"}


def test_nothing_is_left_of_who_is_gone() -> None:
    """I10: the list is no longer than holders times stocks."""
    subscribers = Subscriptions()
    for number in range(100):
        subscribers.admit(str(number), "x")
        subscribers.drop(str(number))
    assert subscribers.by_stock == {}
