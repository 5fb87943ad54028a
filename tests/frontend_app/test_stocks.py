"""Stocks from memory: hits, fills, invalidations and leases (I7, docs/DESIGN.md 4.4)."""

import threading
from dataclasses import replace

import msgspec
import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import Failure, UnknownHolder, UnknownStock, Unreachable
from bazaar.core.types import NO_EPOCH, Version
from bazaar.protocol.cache_messages import LeaseBody
from bazaar.topology import Node
from frontend_app.stocks import StockReader
from tests.frontend_app.conftest import LIMITS
from tests.frontend_app.fakes import FakeCatalog
from tests.support.hearing import Hearing
from tests.support.histories import STOCK
from tests.support.waits import WAIT_S, in_thread, start_together, wait_until

NAME = STOCK.name


def version(reader: StockReader, name: str = NAME) -> int:
    """Return the version that a reader gets."""
    return reader.read(name).entry.version


def hold(catalog: FakeCatalog) -> threading.Event:
    """Hold the catalog's answers back until the event is set; they were made before."""
    release = threading.Event()
    catalog.on_ask = lambda: _wait(release)
    return release


def _wait(release: threading.Event) -> None:
    assert release.wait(WAIT_S)


def test_a_second_read_is_answered_from_memory(reader: StockReader, catalog: FakeCatalog) -> None:
    assert [version(reader), version(reader), version(reader)] == [1, 1, 1]
    assert catalog.asked == [NAME]
    assert (reader.cache.hits, reader.cache.misses) == (2, 1)


def test_a_fresh_read_asks_the_catalog_although_memory_has_it(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    version(reader)
    catalog.change()
    assert reader.read(NAME, is_fresh=True).entry.version == 2
    assert len(catalog.asked) == 2


def test_an_unknown_stock_is_not_remembered(reader: StockReader, catalog: FakeCatalog) -> None:
    """It may be listed the next moment."""
    for _ in range(2):
        with pytest.raises(UnknownStock):
            reader.read("NewCo")
    assert catalog.asked == ["NewCo", "NewCo"]
    catalog.stocks["NewCo"] = replace(STOCK, name="NewCo")
    assert version(reader, "NewCo") == 1
    assert [entry.stock_name for entry in reader.contents()] == ["NewCo"]


def test_an_invalidated_stock_is_asked_for_again(reader: StockReader, catalog: FakeCatalog) -> None:
    version(reader)
    reader.invalidate(NO_EPOCH, [(NAME, Version(2)), ("OtherCo", Version(5))])
    assert reader.contents() == ()
    catalog.change()
    assert [version(reader), version(reader)] == [2, 2]
    assert len(catalog.asked) == 2


def test_an_older_invalidation_forgets_nothing(reader: StockReader, catalog: FakeCatalog) -> None:
    """Messages may be repeated and reordered."""
    catalog.change()
    version(reader)
    reader.invalidate(NO_EPOCH, [(NAME, Version(2))])
    assert [version(reader), len(catalog.asked)] == [2, 1]


def test_many_readers_that_miss_at_once_ask_once(reader: StockReader, catalog: FakeCatalog) -> None:
    release = hold(catalog)
    readers = start_together([lambda: version(reader)] * 50)
    wait_until(lambda: catalog.asked)
    release.set()
    assert {one.result(WAIT_S) for one in readers} == {1}
    assert catalog.asked == [NAME]


def test_readers_of_an_unknown_stock_share_the_refusal(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    release = hold(catalog)
    readers = start_together([lambda: version(reader, "NewCo")] * 8)
    wait_until(lambda: reader.cache.misses == 8)
    release.set()
    assert {type(one.exception(WAIT_S)) for one in readers} == {UnknownStock}
    assert len(catalog.asked) == 1


def test_an_answer_that_was_under_way_during_an_invalidation_is_not_kept(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    release = hold(catalog)
    early = in_thread(lambda: version(reader))
    wait_until(lambda: catalog.asked)
    reader.invalidate(NO_EPOCH, [(NAME, Version(2))])
    catalog.change()
    late = in_thread(lambda: version(reader))
    wait_until(lambda: reader.cache.misses == 2)
    catalog.on_ask = lambda: None
    release.set()
    assert late.result(WAIT_S) == 2  # began later: it does not share the old fill
    assert early.result(WAIT_S) == 1  # began earlier: the old version was current then
    assert [entry.version for entry in reader.contents()] == [2]
    assert version(reader) == 2


def test_a_reader_that_joins_a_fill_after_an_invalidation_gets_no_older_version(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    """The catalog said "forget" and has not committed yet: version 1 is still what it answers."""
    reader.invalidate(NO_EPOCH, [(NAME, Version(2))])
    release = hold(catalog)
    owner = in_thread(lambda: version(reader))
    wait_until(lambda: catalog.asked)
    joined = in_thread(lambda: version(reader))
    wait_until(lambda: reader.cache.misses == 2)
    catalog.on_ask = lambda: None
    catalog.change()
    release.set()
    assert owner.result(WAIT_S) == 1
    assert joined.result(WAIT_S) == 2


def test_an_answer_during_a_change_is_neither_kept_nor_shared(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    """docs/adr/0015: this process is not told of a change of what it did not have when it began."""
    release = hold(catalog)
    catalog.may_keep = False
    early = in_thread(lambda: version(reader))
    wait_until(lambda: catalog.asked)
    late = in_thread(lambda: version(reader))
    wait_until(lambda: reader.cache.misses == 2)
    catalog.on_ask, catalog.may_keep = (lambda: None), True
    catalog.change()  # committed and acknowledged, let us say, before `late` began
    release.set()
    assert (early.result(WAIT_S), late.result(WAIT_S)) == (1, 2)
    assert [entry.version for entry in reader.contents()] == [2]


def test_an_owners_failure_is_not_its_companions(reader: StockReader, catalog: FakeCatalog) -> None:
    release = hold(catalog)
    catalog.failure = Unreachable("cut", is_refused=True)
    owner = in_thread(lambda: version(reader))
    wait_until(lambda: catalog.asked)
    companion = in_thread(lambda: version(reader))
    wait_until(lambda: reader.cache.misses == 2)

    def recover() -> None:
        catalog.failure = None

    catalog.on_ask = recover
    release.set()
    assert isinstance(owner.exception(WAIT_S), Unreachable)
    assert companion.result(WAIT_S) == 1


def test_without_a_lease_every_read_asks_the_catalog(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    version(reader)
    reader.lease.lost()
    catalog.change()
    assert [version(reader), version(reader)] == [2, 2]
    assert len(catalog.asked) == 3


def test_a_lease_ends_by_itself(catalog: FakeCatalog) -> None:
    catalog.lease_s = 0.05
    limits = msgspec.structs.replace(LIMITS, lease_s=0.05)
    reader = StockReader(catalog, Node(port=1, control_port=2), limits)
    reader.keep_lease()
    version(reader)
    wait_until(lambda: not reader.lease.is_valid(monotonic_s()))
    catalog.change()
    assert version(reader) == 2
    assert reader.lease_left_s() == 0.0


def test_a_lease_counts_from_when_it_was_asked_for(catalog: FakeCatalog) -> None:
    """The catalog counts from when it was asked, so the holder's lease is over first."""
    asked_s: list[float] = []

    class Slow(FakeCatalog):
        def register(self, holder: object) -> LeaseBody:
            asked_s.append(monotonic_s())
            threading.Event().wait(0.05)
            return LeaseBody(lease_s=LIMITS.lease_s)

    reader = StockReader(Slow(), Node(port=1, control_port=2), LIMITS)
    reader.keep_lease()
    assert reader.lease.valid_until_s <= asked_s[0] + LIMITS.lease_s


def test_a_renewed_lease_keeps_what_is_in_memory(reader: StockReader, catalog: FakeCatalog) -> None:
    version(reader)
    reader.keep_lease()
    assert (catalog.renewed, len(catalog.registered)) == (1, 1)
    assert len(reader.contents()) == 1


def test_a_lost_lease_clears_the_memory_before_it_registers_again(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    """Changes were missed: nothing from before may be answered under the new lease."""
    version(reader)
    catalog.registered.clear()
    seen: list[tuple[int, bool]] = []
    register = catalog.register

    class Watching(FakeCatalog):
        def register(self, holder: object) -> LeaseBody:
            seen.append((len(reader.contents()), reader.lease.is_valid(monotonic_s())))
            return register(holder)  # type: ignore[arg-type]

    reader.catalog = Watching()
    reader.keep_lease()
    assert seen == [(0, False)]
    assert reader.lease.is_valid(monotonic_s())


@pytest.mark.parametrize("failure", [Unreachable("the answer is lost"), UnknownHolder()])
def test_every_registration_has_an_id_of_its_own(
    reader: StockReader, catalog: FakeCatalog, failure: Failure
) -> None:
    """I7: a copy of one that was sent before can never speak of this cache."""
    first = reader.holder.holder_id
    catalog.registered.clear()
    catalog.registration_failures = [failure, failure]
    for _ in range(2):
        with pytest.raises(type(failure)):
            reader.keep_lease()
        assert not reader.lease.is_valid(monotonic_s())
    reader.keep_lease()
    assert reader.lease.is_valid(monotonic_s())
    assert len({first, *catalog.registered}) == 4
    assert catalog.registered[-1] == reader.holder.holder_id


def test_a_fill_from_before_a_lost_lease_is_not_kept(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    release = hold(catalog)
    early = in_thread(lambda: version(reader))
    wait_until(lambda: catalog.asked)
    catalog.registered.clear()
    reader.keep_lease()
    release.set()
    early.result(WAIT_S)
    assert reader.contents() == ()


def test_a_renewal_that_fails_does_not_prolong_anything(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    before_s = reader.lease.valid_until_s
    catalog.failure = Unreachable()
    with pytest.raises(Unreachable):
        reader.keep_lease()
    assert reader.lease.valid_until_s == before_s


def test_an_old_answer_is_marked_when_the_catalog_is_away_and_the_lease_is_over(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    version(reader)
    reader.lease.lost()
    catalog.failure = Unreachable()
    reading = reader.read(NAME)
    assert (reading.entry.version, reading.is_stale) == (1, True)


def test_what_was_never_read_cannot_be_answered_without_the_catalog(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    catalog.failure = Unreachable()
    with pytest.raises(Unreachable):
        reader.read(NAME)


def test_within_its_lease_a_hit_needs_no_catalog_and_is_not_stale(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    version(reader)
    catalog.failure = Unreachable()
    assert not reader.read(NAME).is_stale


def test_a_removed_stock_is_asked_for_again(reader: StockReader, catalog: FakeCatalog) -> None:
    version(reader)
    assert reader.remove(NAME)
    assert not reader.remove(NAME)
    version(reader)
    assert len(catalog.asked) == 2


def test_memory_has_a_limit_and_drops_the_least_recently_used(catalog: FakeCatalog) -> None:
    """I10."""
    limits = msgspec.structs.replace(LIMITS, cache_stocks_max=2)
    reader = StockReader(catalog, Node(port=1, control_port=2), limits)
    reader.keep_lease()
    for name in ("A", "B", "C"):
        catalog.stocks[name] = replace(STOCK, name=name)
    for name in ("A", "B", "A", "C"):
        version(reader, name)
    assert {entry.stock_name for entry in reader.contents()} == {"A", "C"}
    assert reader.cache.evictions == 1


def test_no_reader_ever_sees_an_older_version_than_one_before(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    """I7 under threads: readers, and changes that are announced before they are committed."""
    done, committed = threading.Event(), [Version(1)]

    def read() -> int:
        while True:
            is_last, least = done.is_set(), committed[0]
            found = version(reader)
            assert found >= least
            if is_last:
                return found

    readers = start_together([read] * 8)
    for number in range(2, 300):
        reader.invalidate(NO_EPOCH, [(NAME, Version(number))])
        committed[0] = catalog.change()
    done.set()
    assert {one.result(WAIT_S) for one in readers} == {299}


def test_a_lease_that_is_lost_and_begun_anew_is_told(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    hearing, before = Hearing(), reader.holder.holder_id
    catalog.registered.clear()
    reader.keep_lease()
    assert hearing.phrases() == ["lease lost", "lease begun"]
    assert hearing.fields("lease lost") == {"holder": str(before)}
    assert hearing.fields("lease begun") == {"holder": str(reader.holder.holder_id)}


def test_a_lease_that_is_over_because_the_catalog_is_away_is_told_once(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    hearing = Hearing()
    catalog.failure = Unreachable()
    for _ in range(3):
        with pytest.raises(Unreachable):
            reader.keep_lease()
    assert hearing.phrases() == []
    for _ in range(2):
        reader.lease.lost()
        for _ in range(3):
            with pytest.raises(Unreachable):
                reader.keep_lease()
        catalog.failure = None
        reader.keep_lease()
        catalog.failure = Unreachable()
    assert hearing.phrases() == ["lease over", "lease over"]


def test_each_stock_in_memory_tells_how_often_it_was_answered(reader: StockReader) -> None:
    version(reader)
    assert [one.hits for one in reader.contents()] == [0]
    version(reader)
    assert reader.hit(STOCK.name, monotonic_s())
    assert [one.hits for one in reader.contents()] == [2]
    reader.read(STOCK.name, is_fresh=True)
    assert [one.hits for one in reader.contents()] == [2]
