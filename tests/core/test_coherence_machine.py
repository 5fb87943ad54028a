"""A catalog's lease table and three caches, with messages that are late, lost or repeated (I7)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from bazaar.core.cache import StockCache, Ticket
from bazaar.core.coherence import Lease, LeaseTable
from bazaar.core.failures import UnknownHolder
from bazaar.core.types import Version

LEASE_S = 2.0
HOLDERS = ("a", "b", "c")
STOCKS = ("x", "y")
STEPS = 10_000
SEEDS = 30


@dataclass(frozen=True, slots=True)
class Held:
    """A stock in memory."""

    name: str
    version: Version


@dataclass(slots=True)
class FillUnderWay:
    """A fill whose answer is on its way, perhaps for long."""

    holder: str
    ticket: Ticket
    answer: Held
    may_keep: bool
    joined: list[tuple[Ticket, Version]] = field(default_factory=list)
    """Readers that share it, each with the version that was committed when it began."""


class SimBazaar:
    """A catalog with its lease table and three caches; messages take as long as they like."""

    def __init__(self, seed: int, make_table: Callable[[float], LeaseTable] = LeaseTable) -> None:
        self.rng, self.now_s = Random(seed), 0.0
        self.make_table, self.table = make_table, make_table(LEASE_S)
        self.registrations: list[str] = []
        """The holder of each registration that was ever sent; its place is its id."""
        self.current = dict.fromkeys(HOLDERS, -1)
        """The registration that each holder speaks of."""
        self.committed = dict.fromkeys(STOCKS, Version(1))
        self.caches = {name: StockCache[Held](10) for name in HOLDERS}
        self.leases = {name: Lease(LEASE_S) for name in HOLDERS}
        self.under_way: list[FillUnderWay] = []
        self.change = ""
        """The stock that is changing."""
        self.unacknowledged: set[str] = set()
        """The ids of the holders that have yet to forget it."""
        for holder in HOLDERS:
            self.renew(holder)

    def step(self) -> None:
        """Let one thing happen, and check what may be served (I7)."""
        holder, stock = self.rng.choice(HOLDERS), self.rng.choice(STOCKS)
        notified = self.rng.choice(sorted(self.unacknowledged) or [""])
        match self.rng.randrange(22):
            case 0 | 1:
                self.now_s += self.rng.choice((0.1, 0.5, LEASE_S))
            case 2 if self.rng.random() < 0.1:
                self.restart()
            case 3 | 4:
                self.renew(holder)
            case 5 | 6 | 7:
                self.arrive()
            case 20 | 21 if not self.change:
                self.repeat_registration()
            case 8 | 9 | 10 if not self.change:
                self.begin(stock)
            case 8 | 9 if notified:
                self.notify(notified)
            case 10 if notified:
                self.stay_silent(notified)
            case 11 | 12 | 13 if self.change:
                self.end()
            case _:
                self.read(holder, stock)
        self.check()

    def check(self) -> None:
        """Assert that memory which may be served is never old."""
        for holder, cache in self.caches.items():
            if self.leases[holder].is_valid(self.now_s):
                for name, held in cache.entries.items():
                    assert held.version >= self.committed[name], "I7: memory is old"

    def read(self, holder: str, stock: str) -> None:
        """Answer from memory, join a fill, or ask the catalog; the answer comes later."""
        cache = self.caches[holder]
        if not self.leases[holder].is_valid(self.now_s) or cache.get(stock):
            return
        ticket = cache.join(stock)
        if not ticket.is_owner:
            (fill,) = (one for one in self.under_way if one.ticket.fill is ticket.fill)
            fill.joined.append((ticket, self.committed[stock]))
            return
        may_keep = self.table.subscribe(str(self.current[holder]), stock)
        answer = Held(stock, self.committed[stock])
        self.under_way.append(FillUnderWay(holder, ticket, answer, may_keep))

    def arrive(self) -> None:
        """Let one of the answers arrive."""
        if not self.under_way:
            return
        one = self.under_way.pop(self.rng.randrange(len(self.under_way)))
        shared = one.answer if one.may_keep else None
        self.caches[one.holder].finish(one.ticket.fill, shared)
        for ticket, known in one.joined:
            if shared is not None and ticket.admits(shared):
                assert shared.version >= known, "I7: a reader got less than was committed"

    def begin(self, stock: str) -> None:
        """Begin a change."""
        self.table.drop_expired(self.now_s)
        self.change, self.unacknowledged = stock, set(self.table.begin_change([stock]))

    def notify(self, holder_id: str) -> None:
        """Notify one holder; its answer may be lost."""
        version = Version(self.committed[self.change] + 1)
        self.caches[self.registrations[int(holder_id)]].invalidate(self.change, version)
        if self.rng.random() < 0.2:
            self.table.not_acknowledged(holder_id, self.now_s)
            return
        self.unacknowledged.remove(holder_id)
        self.table.acknowledged(holder_id, [self.change])

    def stay_silent(self, holder_id: str) -> None:
        """Lose a notification; a holder whose lease is over is not waited for any more."""
        if self.table.not_acknowledged(holder_id, self.now_s) == 0:
            self.table.drop(holder_id, self.now_s)
            self.unacknowledged.remove(holder_id)

    def end(self) -> None:
        """Commit the change once nobody is waited for, or give it up at any time."""
        is_given_up = self.rng.random() < 0.2
        if self.unacknowledged and not is_given_up:
            return
        if not is_given_up:
            self.committed[self.change] = Version(self.committed[self.change] + 1)
        self.table.end_change()
        self.change, self.unacknowledged = "", set()

    def renew(self, holder: str) -> None:
        """Let a renewal arrive that was sent a while ago; if it is refused, register."""
        sent_s = self.now_s - self.rng.choice((0.0, 0.5, LEASE_S / 2))
        try:
            self.table.renew(str(self.current[holder]), self.now_s)
        except UnknownHolder:
            self.leases[holder].lost()
            self.caches[holder].clear()
            self.current[holder] = len(self.registrations)
            self.registrations.append(holder)
            if self.change or self.rng.random() < 0.2:
                return  # it waits until the change is over, or is late; the holder tries anew
            self.table.register(str(self.current[holder]), self.now_s)
        self.leases[holder].renewed(sent_s)

    def repeat_registration(self) -> None:
        """Let a registration arrive that was sent long ago, be it a copy or not."""
        newest = self.rng.choice((self.rng.choice(HOLDERS), ""))
        known = self.current.get(newest, self.rng.randrange(len(self.registrations)))
        try:
            self.table.register(str(known), self.now_s)
        except UnknownHolder:
            return

    def restart(self) -> None:
        """Restart the catalog: the table is lost, the leases may still run."""
        known, ended = tuple(self.table.leases), tuple(self.table.ended)
        self.change, self.unacknowledged, self.table = "", set(), self.make_table(LEASE_S)
        for holder_id in known:
            self.table.honour(holder_id, self.now_s)
        for holder_id in ended:
            self.table.drop(holder_id, self.now_s)


def run(seed: int, make_table: Callable[[float], LeaseTable] = LeaseTable) -> None:
    """Let one seed's history happen; a failure names the seed."""
    bazaar = SimBazaar(seed, make_table)
    try:
        for _ in range(STEPS):
            bazaar.step()
    except AssertionError as error:
        error.add_note(f"seed {seed} fails")
        raise


@pytest.mark.parametrize("begin", range(0, SEEDS, 10))
def test_no_reader_gets_an_old_stock_whatever_is_late_lost_or_repeated(begin: int) -> None:
    """I7: a failing seed is in the message."""
    for seed in range(begin, begin + 10):
        run(seed)


class ForgetfulTable(LeaseTable):
    """A lease table as it was: a registration, be it a copy, begins a lease anew."""

    def register(self, holder_id: str, now_s: float) -> bool:
        self.drop(holder_id, now_s)
        del self.ended[holder_id]
        return super().register(holder_id, now_s)


class ShortMemoryTable(LeaseTable):
    """A lease table that knows a registration only while its lease runs."""

    def register(self, holder_id: str, now_s: float) -> bool:
        self.drop_expired(now_s)
        self.ended.clear()
        return super().register(holder_id, now_s)


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("make_table", [ForgetfulTable, ShortMemoryTable])
def test_every_history_shows_what_a_copy_of_a_registration_can_do(
    seed: int, make_table: Callable[[float], LeaseTable]
) -> None:
    """Histories too weak to find a bug that we had would prove nothing."""
    with pytest.raises(AssertionError, match="I7"):
        run(seed, make_table)
