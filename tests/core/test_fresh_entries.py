"""What a log takes of a page that comes to it: I1, I8 (docs/DESIGN.md 4.2)."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.digest import chain, link
from bazaar.core.failures import DamagedPage, Diverged, Failure, GapFound
from bazaar.core.ledger import Page
from bazaar.core.replication import fresh_entries
from bazaar.core.types import START, Digest, Entry, Order, Position
from tests.core.garbling import garble
from tests.core.history import histories, make_order, make_orders, make_trade
from tests.core.memory_log import MemoryLog


def make_page(orders: tuple[Order, ...], after: int = 0) -> Page:
    """Return a page as an honest sender makes it: what a history has after an order."""
    return MemoryLog(orders).page(after)


def take(log: MemoryLog, page: Page) -> tuple[Entry, ...]:
    """Return the entries that a log would take."""
    return tuple(entry for entry, _ in fresh_entries(page, log.head, log))


@given(orders=histories(), data=st.data())
def test_a_log_takes_exactly_what_it_lacks(orders: tuple[Order, ...], data: st.DataObject) -> None:
    """I8: whatever the page repeats, the log becomes a longer prefix of the same history."""
    last = data.draw(st.integers(0, len(orders)))
    after = data.draw(st.integers(0, last))
    limit = data.draw(st.integers(0, len(orders)))
    log = MemoryLog(orders[:last])
    fresh = fresh_entries(MemoryLog(orders).page(after, limit), log.head, log)
    log.append(fresh)
    end = max(last, min(after + limit, len(orders)))
    assert log.orders == list(orders[:end])
    assert log.head == chain(START, orders[:end])


@given(orders=histories(), data=st.data())
def test_a_gap_before_the_page_is_reported(orders: tuple[Order, ...], data: st.DataObject) -> None:
    """I8, with how far the log has come, so that the sender can rewind."""
    after = data.draw(st.integers(0, len(orders)))
    log = MemoryLog(orders[: data.draw(st.integers(0, after))])
    page = make_page(orders, after)
    if after == log.last:
        assert take(log, page) == orders[after:]
        return
    with pytest.raises(GapFound) as gap:
        take(log, page)
    assert gap.value.last == log.last


@given(orders=histories(), data=st.data())
def test_a_damaged_page_is_never_stored(orders: tuple[Order, ...], data: st.DataObject) -> None:
    """I1, I8: what is taken from a page that was damaged on its way is what was sent."""
    last = data.draw(st.integers(0, len(orders)))
    log = MemoryLog(orders[:last])
    sent = make_page(orders, data.draw(st.integers(0, last)))
    came = garble(Random(data.draw(st.integers(0, 99))), sent)
    assert isinstance(came, Page)
    assert came != sent
    with pytest.raises(DamagedPage):
        take(log, came)


@pytest.mark.parametrize("count", [0, 2])
def test_damage_is_not_taken_for_a_second_history(count: int) -> None:
    """A damaged `previous` would otherwise make a healthy replica call itself corrupt."""
    orders = make_orders(3 + count)
    page = make_page(orders, 3)
    page = replace(page, after=replace(page.after, digest=Digest("f" * 64)))
    with pytest.raises(DamagedPage):
        take(MemoryLog(orders[:3]), page)


def test_another_history_before_the_page_is_found() -> None:
    """I1."""
    mine = (make_order(1), make_order(2, make_trade(77)))
    with pytest.raises(Diverged):
        take(MemoryLog(mine), make_page(make_orders(4), 2))


def test_another_history_inside_the_page_is_found() -> None:
    """I1, also when the log is longer than the page."""
    mine = (make_order(1), make_order(2, make_trade(77)), make_order(3, make_trade(78)))
    for count in (2, 3, 5):
        with pytest.raises(Diverged):
            take(MemoryLog(mine), make_page(make_orders(count), 1))


def test_a_difference_after_the_page_is_not_its_business() -> None:
    mine = (make_order(1), make_order(2, make_trade(77)))
    assert take(MemoryLog(mine), make_page(make_orders(1), 0)) == ()


def test_a_heartbeat_brings_nothing() -> None:
    orders = make_orders(3)
    assert take(MemoryLog(orders), make_page(orders, 3)) == ()


def test_a_heartbeat_of_another_history_is_found() -> None:
    """I1: an empty append still compares digests."""
    with pytest.raises(Diverged):
        take(MemoryLog(make_orders(2)), make_page((make_order(1), make_order(2, make_trade(7))), 2))


def test_a_page_with_a_hole_is_damaged_even_when_its_digest_fits() -> None:
    """I1: numbers are dense."""
    orders = (make_order(1), make_order(3))
    page = Page(START, orders, chain(START, orders).digest, Position(3))
    with pytest.raises(DamagedPage):
        take(MemoryLog(), page)


def test_fresh_entries_come_with_their_digests() -> None:
    orders = make_orders(4)
    log = MemoryLog(orders[:2])
    assert fresh_entries(make_page(orders), log.head, log) == tuple(link(START, orders))[2:]


def test_every_failure_of_a_page_is_definite() -> None:
    """I9: nothing was stored."""
    failures: tuple[type[Failure], ...] = (GapFound, Diverged, DamagedPage)
    assert all(failure.is_definite for failure in failures)
