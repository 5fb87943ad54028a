"""A holder keeps what is of one epoch of the catalog, and believes no older one (docs/adr/0048)."""

from collections.abc import Callable

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import NotActive, Unreachable
from bazaar.core.types import Epoch, Version
from frontend_app.entries import Source
from frontend_app.stocks import StockReader
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import STOCK

NAME = STOCK.name
OLD, NEW = Epoch(3), Epoch(4)


@pytest.fixture(name="reader")
def _reader(reader: StockReader, catalog: FakeCatalog) -> StockReader:
    """Return a reader with a lease of the older epoch, and a stock in memory."""
    catalog.epoch = OLD
    reader.keep_lease()
    assert reader.read(NAME).source is Source.STORED
    return reader


def has_hit(reader: StockReader) -> bool:
    return reader.hit(NAME, monotonic_s()) is not None


def hear_notice(reader: StockReader, catalog: FakeCatalog) -> None:
    """Let a catalog say that its epoch has begun."""
    reader.hear_epoch(NEW)


def read_fresh(reader: StockReader, catalog: FakeCatalog) -> None:
    """Let a catalog of the newer epoch answer a read."""
    catalog.epoch = NEW
    assert reader.read(NAME, is_fresh=True).entry.version == STOCK.version


@pytest.mark.parametrize("hear", [hear_notice, read_fresh])
def test_who_has_heard_of_a_newer_epoch_keeps_nothing_of_an_older_one(
    reader: StockReader,
    catalog: FakeCatalog,
    hear: Callable[[StockReader, FakeCatalog], None],
) -> None:
    """I7: the older catalog's changes and the newer one's are not heard of under that lease."""
    assert has_hit(reader)
    holder = reader.holder.holder_id
    hear(reader, catalog)
    assert not has_hit(reader)
    assert not reader.cache.entries
    catalog.epoch = NEW
    reader.keep_lease()
    assert reader.holder.holder_id != holder, "it has registered anew"
    assert reader.read(NAME).source is Source.STORED
    assert has_hit(reader)


def test_what_an_older_epoch_has_left_is_answered_as_old_until_the_newer_one_answers(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    reader.hear_epoch(NEW)
    catalog.failure = Unreachable()
    assert reader.read(NAME).is_stale
    catalog.epoch, catalog.failure = NEW, None
    reader.keep_lease()
    assert not reader.read(NAME).is_stale


def test_a_renewal_of_a_newer_epoch_begins_a_lease_of_it(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    holder = reader.holder.holder_id
    catalog.epoch = NEW
    reader.keep_lease()
    assert reader.lease.epoch == NEW
    assert reader.holder.holder_id != holder
    assert not reader.cache.entries
    assert reader.lease_left_s() > 0


def test_a_change_of_a_newer_epoch_is_forgotten_and_ends_no_lease(reader: StockReader) -> None:
    """Whoever can sign may say any number; only a catalog that was asked is believed."""
    reader.invalidate(Epoch(10**9), [(NAME, Version(2))])
    assert not has_hit(reader)
    assert reader.lease.epoch == OLD
    assert reader.lease_left_s() > 0


def test_what_an_older_epoch_says_is_refused(reader: StockReader, catalog: FakeCatalog) -> None:
    """I7: its lease, its answers and its invalidations are worth nothing any more."""
    catalog.epoch = NEW
    reader.keep_lease()
    reader.read(NAME)
    catalog.epoch = OLD
    left_s = reader.lease_left_s()
    with pytest.raises(NotActive):
        reader.keep_lease()
    assert reader.lease_left_s() <= left_s
    with pytest.raises(NotActive):
        reader.hear_epoch(OLD)
    with pytest.raises(NotActive):
        reader.invalidate(OLD, [(NAME, Version(9))])
    assert has_hit(reader), "it was forgotten for nobody"
    with pytest.raises(Unreachable):
        reader.read("OtherCo")


def test_a_fill_of_an_older_epoch_is_not_stored(reader: StockReader, catalog: FakeCatalog) -> None:
    """I7: it was on its way when the holder acknowledged the newer one."""
    reader.remove(NAME)
    catalog.on_ask = lambda: reader.hear_epoch(NEW)
    with pytest.raises(Unreachable):
        reader.read(NAME)
    assert not reader.cache.entries


def test_a_registration_that_an_older_catalog_answers_begins_no_lease(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    reader.hear_epoch(NEW)
    with pytest.raises(NotActive):
        reader.keep_lease()
    assert reader.lease_left_s() == 0
