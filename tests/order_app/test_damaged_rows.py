"""What is damaged is not served, whoever asks first, and is reported (I8)."""

from uuid import UUID

import pytest

from bazaar.core.digest import link
from bazaar.core.failures import Unreachable
from bazaar.core.types import START, Digest, Head, OrderNo, Position
from bazaar.runtime.damage import damage
from order_app.store import OrderLog
from tests.order_app.test_sequence import make_entries
from tests.support.databases import execute
from tests.support.histories import make_linked, make_order

COUNT = 20
CHANGES = [
    "quantity = quantity + 1",
    "quantity = 'many'",
    "stock_name = 'BoarCo'",
    "placed_by = 'eve'",
    "trade_type = 'sell'",
    "trade_type = 'swap'",
    "digest = '0000000000000000000000000000000000000000000000000000000000000001'",
    "digest = X'00FF'",
]


@pytest.fixture
def log(db: None) -> OrderLog:
    """Make a log of 20 orders."""
    log = OrderLog()
    log.append(make_linked(COUNT))
    return log


@pytest.mark.parametrize("change", [*CHANGES, "key = 'no key'"])
def test_a_damaged_order_is_not_looked_up(log: OrderLog, change: str) -> None:
    execute(f"UPDATE order_app_logentry SET {change} WHERE order_no = 7")
    with pytest.raises(Unreachable, match="order 7"):
        log.get(OrderNo(7))
    assert damage.where == "order 7"
    assert log.get(OrderNo(6)) == make_order(6)


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_order_is_not_found_by_its_key(log: OrderLog, change: str) -> None:
    """I2: a trade is not answered with it."""
    execute(f"UPDATE order_app_logentry SET {change} WHERE order_no = 7")
    with pytest.raises(Unreachable, match="order 7"):
        log.find((UUID(int=7),))
    assert damage.where == "order 7"


@pytest.mark.parametrize("change", [*CHANGES, "key = 'no key'"])
def test_a_damaged_order_ends_no_page(log: OrderLog, change: str) -> None:
    execute(f"UPDATE order_app_logentry SET {change} WHERE order_no = 7")
    with pytest.raises(Unreachable, match="order 7"):
        log.page(Position(3), 4)
    assert damage.where == "order 7"


@pytest.mark.parametrize("change", [*CHANGES[:-2], "key = 'no key'"])
def test_a_damaged_order_is_within_no_page(log: OrderLog, change: str) -> None:
    execute(f"UPDATE order_app_logentry SET {change} WHERE order_no = 7")
    with pytest.raises(Unreachable, match="order 7"):
        log.page(Position(3), 10)
    assert damage.where == "order 7"
    assert len(log.page(Position(7), 10).entries) == 10


def test_a_page_with_a_hole_is_not_served(log: OrderLog) -> None:
    execute("DELETE FROM order_app_logentry WHERE order_no = 7")
    with pytest.raises(Unreachable, match="order 7"):
        log.page(Position(3), 10)
    with pytest.raises(Unreachable, match="order 7"):
        log.page(Position(0), COUNT)


@pytest.mark.parametrize("change", ["price = '1.5'", "price = 'x'", "version = 77", "digest = 'f'"])
def test_a_damaged_stock_change_is_in_no_page(db: None, change: str) -> None:
    log = OrderLog()
    log.append(tuple(link(START, make_entries([True, False, True]))))
    execute(f"UPDATE order_app_stockchange SET {change} WHERE position = 2")
    with pytest.raises(Unreachable, match="entry 2"):
        log.page(Position(0), 2)


def test_an_order_after_a_damaged_stock_change_is_not_looked_up(db: None) -> None:
    """Its digest cannot be checked without."""
    log = OrderLog()
    log.append(tuple(link(START, make_entries([True, False, True]))))
    assert log.get(OrderNo(2)) is not None
    execute("UPDATE order_app_stockchange SET digest = 'f' WHERE position = 2")
    with pytest.raises(Unreachable, match="order 2"):
        log.get(OrderNo(2))


def test_a_renumbered_stock_change_is_found(db: None) -> None:
    """Places of orders are counted with these numbers, which are not in the digest."""
    log = OrderLog()
    log.append(tuple(link(START, make_entries([True, False, True]))))
    execute("UPDATE order_app_stockchange SET change_no = 5 WHERE position = 2")
    assert log.find_fault() != ""


def test_the_newest_entries_are_checked_without_the_rest(log: OrderLog) -> None:
    execute("UPDATE order_app_logentry SET quantity = 9 WHERE order_no = 7")
    assert log.find_fault(COUNT - 7) == ""
    assert log.find_fault(COUNT - 6) == "order 7"
    assert log.find_fault(10 * COUNT) == "order 7"


def test_a_check_goes_on_where_it_ended(log: OrderLog) -> None:
    reached, fault = log.verify(START, 8)
    assert (reached, fault) == (make_linked(8)[-1][1], "")
    assert log.verify(reached, 100) == (make_linked(COUNT)[-1][1], "")
    beyond = Head(Position(COUNT + 1), OrderNo(COUNT + 1), Digest("f" * 64))
    assert log.verify(beyond, 100) == (beyond, f"entry {COUNT + 1}")


def test_an_end_that_is_not_what_was_written_is_continued_by_nobody(log: OrderLog) -> None:
    """I8: every digest after a damaged one would be wrong."""
    execute(f"UPDATE order_app_logentry SET digest = 'f' WHERE order_no = {COUNT}")
    with pytest.raises(Unreachable, match=f"entry {COUNT}"):
        log.confirm(log.read_head())
    assert damage.where == f"entry {COUNT}"


def test_a_table_that_is_gone_is_damage(log: OrderLog) -> None:
    execute("DROP TABLE order_app_logentry")
    with pytest.raises(Exception, match="no such table"):
        log.get(OrderNo(1))
    assert "no such table" in damage.where


def test_text_that_is_none_is_damage(log: OrderLog) -> None:
    execute("UPDATE order_app_logentry SET stock_name = CAST(X'FF41' AS TEXT) WHERE order_no = 7")
    with pytest.raises(Exception, match="UTF-8"):
        log.get(OrderNo(7))
    assert "UTF-8" in damage.where
