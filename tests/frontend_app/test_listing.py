"""A front end knows the listing, and asks for no other names (I7)."""

from dataclasses import replace

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import UnknownStock
from bazaar.core.types import NO_EPOCH, VERSION_FIRST
from frontend_app import stocks
from frontend_app.stocks import StockReader
from tests.frontend_app.conftest import LIMITS
from tests.frontend_app.fakes import FakeCatalog
from tests.frontend_app.test_stocks import hold, version
from tests.support.histories import STOCK
from tests.support.waits import WAIT_S, in_thread, wait_until


def read_listing(reader: StockReader, catalog: FakeCatalog) -> None:
    """Let the reader renew its lease, and read all names."""
    catalog.listed = len(catalog.stocks)
    reader.keep_lease()


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_name_that_is_not_listed_never_reaches_the_catalog(
    reader: StockReader, catalog: FakeCatalog, *, is_fresh: bool
) -> None:
    read_listing(reader, catalog)
    for _ in range(2):
        with pytest.raises(UnknownStock):
            reader.read("NewCo", is_fresh=is_fresh)
    with pytest.raises(UnknownStock):
        reader.hit("NewCo", monotonic_s())
    assert catalog.asked == []
    assert version(reader) == 1


def test_a_stock_that_is_about_to_be_listed_is_asked_for(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    """I7: the catalog tells before it commits; whether it did, only the catalog knows."""
    read_listing(reader, catalog)
    reader.invalidate(NO_EPOCH, [("NewCo", VERSION_FIRST)])
    with pytest.raises(UnknownStock):
        reader.read("NewCo")
    catalog.stocks["NewCo"] = replace(STOCK, name="NewCo")
    assert version(reader, "NewCo") == 1
    assert catalog.asked == ["NewCo", "NewCo"]


def test_without_a_lease_a_name_may_have_been_listed(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    """I7."""
    read_listing(reader, catalog)
    catalog.stocks["NewCo"] = replace(STOCK, name="NewCo")
    reader.lease.lost()
    assert version(reader, "NewCo") == 1
    catalog.registered.clear()
    catalog.listed = 0
    reader.keep_lease()
    assert version(reader, "NewCo") == 1
    assert catalog.asked == ["NewCo", "NewCo"]


def test_a_long_listing_is_read_in_pages_and_then_only_what_is_new(
    reader: StockReader, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stocks, "NAMES_MAX", 2)
    catalog.stocks = {name: replace(STOCK, name=name) for name in "abcde"}
    read_listing(reader, catalog)
    assert (catalog.pages, len(reader.listing)) == ([0, 2, 4], 5)
    reader.keep_lease()
    catalog.stocks["f"] = replace(STOCK, name="f")
    read_listing(reader, catalog)
    assert (catalog.pages, len(reader.listing)) == ([0, 2, 4, 5], 6)


def test_a_lease_is_renewed_before_a_long_listing_is_read(
    reader: StockReader, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stocks, "NAMES_MAX", 1)
    catalog.stocks = {name: replace(STOCK, name=name) for name in "abc"}
    now_s = monotonic_s()
    monkeypatch.setattr(reader, "_now_s", lambda: now_s + len(catalog.pages) * LIMITS.renewal_s)
    read_listing(reader, catalog)
    assert (catalog.pages, len(reader.listing)) == ([0], 0)
    monkeypatch.undo()
    reader.keep_lease()
    assert (catalog.pages, len(reader.listing)) == ([0, 1], 3)


def test_a_reader_that_heard_of_a_listing_does_not_share_that_there_is_no_stock(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    """I7: the fill began before the commit, and this reader after it."""
    reader.invalidate(NO_EPOCH, [("NewCo", VERSION_FIRST)])
    release = hold(catalog)
    owner = in_thread(lambda: version(reader, "NewCo"))
    wait_until(lambda: catalog.asked)
    catalog.on_ask = lambda: None
    catalog.stocks["NewCo"] = replace(STOCK, name="NewCo")
    joined = in_thread(lambda: version(reader, "NewCo"))
    wait_until(lambda: reader.cache.misses == 2)
    release.set()
    assert type(owner.exception(WAIT_S)) is UnknownStock
    assert joined.result(WAIT_S) == 1
