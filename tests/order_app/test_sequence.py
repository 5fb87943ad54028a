"""Orders and stock changes in one sequence on disk: dense, paged, chained (I1, I8, I11)."""

from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from bazaar.core.digest import link
from bazaar.core.types import START, Entry, OrderNo, Position, StockChange, Version
from order_app.models import LogEntry
from order_app.models import StockChange as StoredChange
from order_app.store import OrderLog
from tests.core.memory_log import MemoryLog
from tests.support.histories import make_order


def make_entries(pattern: list[bool]) -> list[Entry]:
    """Return entries, an order for each True and a stock change for each False."""
    entries: list[Entry] = []
    orders = 0
    for at, is_order in enumerate(pattern, start=1):
        if is_order:
            orders += 1
            entries.append(make_order(orders, placed_by="bob" if orders % 2 else None))
        else:
            price = Decimal(at * 25) / 100
            entries.append(StockChange(f"S{at % 3} | x", price, at, 2 * at, Version(at)))
    return entries


class SequenceTest(TestCase):
    """Whatever the mixture, disk and memory have the same sequence."""

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.booleans(), max_size=25), st.integers(0, 25), st.integers(1, 26))
    def test_a_log_has_what_was_appended(self, pattern: list[bool], cut: int, limit: int) -> None:
        entries = make_entries(pattern)
        memory, log = MemoryLog(entries), OrderLog()
        linked = tuple(link(START, entries))
        for part in (linked[:cut], linked[cut:]):
            if part:
                log.append(part)
        for one in (log, OrderLog()):
            assert one.head == memory.head
            assert one.read_head() == memory.head
            assert one.find_fault() == ""
            for after in range(len(entries) + 1):
                assert one.page(Position(after), limit) == memory.page(after, limit)
                assert one.digest_at(Position(after)) == memory.heads[after].digest
            for number in range(len(memory.orders) + 2):
                assert one.get(OrderNo(number)) == memory.get(OrderNo(number))
            stored = one.list_changes(Position(0), 100).changes
            changes = [one for one in entries if isinstance(one, StockChange)]
            assert [row.change_no for row in stored] == list(range(1, len(changes) + 1))
            assert [row.price for row in stored] == [str(one.price) for one in changes]


@pytest.fixture
def log(db: None) -> OrderLog:
    """Make a log of ten entries: 3, 6, 7 and 10 are stock changes."""
    log = OrderLog()
    pattern = [True, True, False, True, True, False, False, True, True, False]
    log.append(tuple(link(START, make_entries(pattern))))
    return log


@pytest.mark.parametrize(
    "change",
    [
        *("price = '9.99'", "opening = opening + 1", "issued = issued + 1"),
        *("version = version + 1", "stock_name = 'Y'", "digest = 'f'"),
    ],
)
@pytest.mark.parametrize("position", [3, 7, 10])
def test_an_altered_stock_change_is_found(log: OrderLog, change: str, position: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE order_app_stockchange SET {change} WHERE position = {position}")
    assert log.find_fault() == f"entry {position}"


@pytest.mark.parametrize(("position", "fault"), [(3, "order 3"), (6, "order 5"), (7, "order 5")])
def test_a_removed_stock_change_is_found(log: OrderLog, position: int, fault: str) -> None:
    StoredChange.objects.filter(position=position).delete()
    assert log.find_fault() == fault


def test_a_removed_order_between_stock_changes_is_found(log: OrderLog) -> None:
    LogEntry.objects.filter(order_no=4).delete()
    assert log.find_fault() != ""


def test_a_lost_tail_is_no_fault_of_what_is_left(log: OrderLog) -> None:
    """It is a shorter prefix, as after a restore: the ledger fills it."""
    StoredChange.objects.filter(position=10).delete()
    assert log.find_fault() == ""
    assert OrderLog().head.position == 9
