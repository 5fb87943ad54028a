"""Who may answer from memory, until when, and who is notified of a change (I7, docs/adr/0015)."""

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.cache import StockCache, Ticket
from bazaar.core.coherence import Lease, LeaseTable
from bazaar.core.failures import UnknownHolder
from bazaar.core.types import Version

LEASE_S = 2.0
HOLDERS = ("a", "b", "c")
STOCKS = ("x", "y")
STEPS = 80
times_s = st.floats(0, 1000, allow_nan=False)
delays_s = st.floats(0, 10, allow_nan=False)


def test_a_holder_may_not_serve_before_its_first_renewal() -> None:
    assert not Lease(LEASE_S).is_valid(0.0)


def test_a_lease_counts_from_the_moment_the_renewal_was_sent() -> None:
    """I7: an answer that took long does not make the lease longer."""
    lease = Lease(LEASE_S)
    lease.renewed(sent_s=10.0)
    assert lease.is_valid(11.9)
    assert not lease.is_valid(12.0)


def test_answers_that_overtake_each_other_shorten_nothing() -> None:
    lease = Lease(LEASE_S)
    lease.renewed(sent_s=10.5)
    lease.renewed(sent_s=10.0)
    assert lease.is_valid(12.4)


def test_a_lost_lease_is_over_at_once() -> None:
    lease = Lease(LEASE_S)
    lease.renewed(sent_s=10.0)
    lease.lost()
    assert not lease.is_valid(10.1)


@given(begin_s=times_s, calls=st.lists(st.tuples(delays_s, delays_s, delays_s), max_size=8))
def test_a_holder_stops_before_the_catalog_stops_waiting(
    begin_s: float, calls: list[tuple[float, float, float]]
) -> None:
    """I7: whenever the holder thinks it may serve, the catalog would still wait for it."""
    table, lease = LeaseTable(LEASE_S), Lease(LEASE_S)
    table.register("one", begin_s)
    lease.renewed(begin_s)
    now_s = begin_s
    for pause_s, way_s, back_s in calls:
        sent_s = now_s + pause_s
        received_s, now_s = sent_s + way_s, sent_s + way_s + back_s
        try:
            table.renew("one", received_s)
        except UnknownHolder:
            lease.lost()
            return
        lease.renewed(sent_s)
        assert lease.valid_until_s <= table.leases["one"].expires_s
        if lease.is_valid(now_s):
            assert table.drop_expired(now_s) == ()


def make_table(*holder_ids: str) -> LeaseTable:
    """Return a table whose holders registered at time 0 and may have stock x."""
    table = LeaseTable(LEASE_S)
    for holder_id in holder_ids:
        table.register(holder_id, 0.0)
        assert table.subscribe(holder_id, "x")
    return table


def test_a_lease_that_is_over_is_dropped_with_its_subscriptions() -> None:
    table = make_table("old")
    table.register("new", 1.5)
    assert table.drop_expired(1.9) == ()
    assert table.drop_expired(2.0) == ("old",)
    assert list(table.leases) == ["new"]
    assert table.begin_change(["x"]) == ()


def test_a_renewal_prolongs_a_lease() -> None:
    table = make_table("one")
    table.renew("one", 1.9)
    assert table.drop_expired(3.8) == ()


@pytest.mark.parametrize("now_s", [2.0, 2.1])
def test_a_lease_that_ran_out_cannot_be_renewed(now_s: float) -> None:
    """I7: its holder may have missed changes; it clears its cache and registers."""
    with pytest.raises(UnknownHolder):
        make_table("one").renew("one", now_s)


def test_an_unknown_holder_cannot_renew() -> None:
    with pytest.raises(UnknownHolder):
        LeaseTable(LEASE_S).renew("one", 0.0)


def test_a_silent_holder_is_waited_for_until_its_lease_ends_and_cannot_renew() -> None:
    """docs/DESIGN.md 4.4: it may still answer from memory, but it cannot prolong the wait."""
    table = make_table("one")
    assert table.not_acknowledged("one", 0.5) == 1.5
    with pytest.raises(UnknownHolder):
        table.renew("one", 1.0)
    assert table.not_acknowledged("one", 2.0) == 0.0
    table.drop("one")
    assert table.not_acknowledged("one", 2.0) == 0.0


def test_a_holder_that_registers_again_is_a_new_one() -> None:
    """It can renew, and has nothing in memory."""
    table = make_table("one")
    table.not_acknowledged("one", 0.0)
    table.register("one", 1.0)
    table.renew("one", 2.0)
    assert table.drop_expired(3.9) == ()
    assert table.begin_change(["x"]) == ()


def test_only_subscribers_are_notified_of_a_change() -> None:
    """docs/adr/0015."""
    table = make_table("a", "b", "c")
    table.unsubscribe("b", "x")
    assert table.subscribe("b", "y")
    assert table.begin_change(["x"]) == ("a", "c")
    assert table.begin_change(["y"]) == ("b",)


def test_a_holder_that_has_forgotten_a_stock_is_not_notified_again() -> None:
    table = make_table("a", "b")
    table.begin_change(["x"])
    table.acknowledged("a", ["x"])
    table.end_change()
    assert table.begin_change(["x"]) == ("b",)


def test_a_stock_is_not_subscribed_to_while_it_changes() -> None:
    """I7: the holder would keep the old version and never hear of the change."""
    table = make_table("a")
    table.begin_change(["x"])
    assert not table.subscribe("a", "x")
    assert table.subscribe("a", "y")
    table.end_change()
    assert table.subscribe("a", "x")


def test_nothing_is_subscribed_to_without_a_lease() -> None:
    """I10: nobody fills the catalog's memory with names."""
    table = LeaseTable(LEASE_S)
    assert not table.subscribe("nobody", "x")
    assert table.subscribers == {}


def test_a_holder_from_before_a_restart_is_notified_of_everything() -> None:
    table = LeaseTable(LEASE_S)
    table.honour("old", 0.0)
    for _ in range(2):
        assert table.begin_change(["x"]) == ("old",)
        table.acknowledged("old", ["x"])
        table.end_change()
    with pytest.raises(UnknownHolder):
        table.renew("old", 0.1)


def test_nothing_is_left_of_a_dropped_holder() -> None:
    """I10: the table is no longer than holders times stocks."""
    table = make_table(*map(str, range(100)))
    for number in range(100):
        table.drop(str(number))
    assert (table.leases, table.subscribers) == ({}, {})


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

    def __init__(self, seed: int) -> None:
        self.rng, self.now_s = Random(seed), 0.0
        self.table = LeaseTable(LEASE_S)
        self.committed = dict.fromkeys(STOCKS, Version(1))
        self.caches = {name: StockCache[Held](10) for name in HOLDERS}
        self.leases = {name: Lease(LEASE_S) for name in HOLDERS}
        self.under_way: list[FillUnderWay] = []
        self.change = ""
        """The stock that is changing."""
        self.unacknowledged: set[str] = set()
        """The holders that have yet to forget it."""
        for holder in HOLDERS:
            self.renew(holder)

    def step(self) -> None:
        """Let one thing happen, and check what may be served (I7)."""
        holder, stock = self.rng.choice(HOLDERS), self.rng.choice(STOCKS)
        notified = self.rng.choice(sorted(self.unacknowledged) or [""])
        match self.rng.randrange(20):
            case 0 | 1:
                self.now_s += self.rng.choice((0.1, 0.5, LEASE_S))
            case 2:
                self.restart()
            case 3 | 4:
                self.renew(holder)
            case 5 | 6 | 7:
                self.arrive()
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
        may_keep = self.table.subscribe(holder, stock)
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

    def notify(self, holder: str) -> None:
        """Notify one holder; its answer may be lost."""
        version = Version(self.committed[self.change] + 1)
        self.caches[holder].invalidate(self.change, version)
        if self.rng.random() < 0.2:
            self.table.not_acknowledged(holder, self.now_s)
            return
        self.unacknowledged.remove(holder)
        self.table.acknowledged(holder, [self.change])

    def stay_silent(self, holder: str) -> None:
        """Lose a notification; a holder whose lease is over is not waited for any more."""
        if self.table.not_acknowledged(holder, self.now_s) == 0:
            self.table.drop(holder)
            self.unacknowledged.remove(holder)

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
        sent_s = self.now_s - self.rng.choice((0.0, 0.5))
        try:
            self.table.renew(holder, self.now_s)
        except UnknownHolder:
            self.leases[holder].lost()
            self.caches[holder].clear()
            if self.change:
                return  # a registration waits until the change is over
            self.table.register(holder, self.now_s)
        self.leases[holder].renewed(sent_s)

    def restart(self) -> None:
        """Restart the catalog: the table is lost, the leases may still run."""
        self.change, self.unacknowledged, self.table = "", set(), LeaseTable(LEASE_S)
        for holder in HOLDERS:
            self.table.honour(holder, self.now_s)


@pytest.mark.parametrize("begin", range(0, 2000, 500))
def test_no_reader_gets_an_old_stock_whatever_is_late_or_lost(begin: int) -> None:
    """I7: a failing seed is in the message."""
    for seed in range(begin, begin + 500):
        bazaar = SimBazaar(seed)
        try:
            for _ in range(STEPS):
                bazaar.step()
        except AssertionError as error:
            error.add_note(f"seed {seed} fails")
            raise
