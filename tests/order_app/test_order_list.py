"""A page of a list reads a page, however long the log is (I10)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from bazaar.core.digest import link
from bazaar.core.failures import UnknownOrder, Unreachable
from bazaar.core.types import START, OrderNo, TradeType
from order_app.replica import ReplicaShell
from order_app.store import LOOKED_THROUGH_MAX, OrderLog
from tests.order_app.fakes import FakeCatalog
from tests.support.histories import STOCK, make_order, make_orders
from tests.support.listeners import Listener

RARE = "Rare & Co"
LONG = 1_000_000
STEP = 1000
pytestmark = pytest.mark.django_db


@pytest.fixture
def order_log() -> OrderLog:
    """Make a log of six orders: the third sells, the fifth is of another stock."""
    orders = [
        make_order(1),
        make_order(2),
        make_order(3, trade_type=TradeType.SELL),
        make_order(4),
        make_order(5, stock_name=RARE),
        make_order(6),
    ]
    found = OrderLog()
    found.append(tuple(link(START, orders)))
    return found


def numbers(
    order_log: OrderLog, upto: int, limit: int = 10, **wanted: Any
) -> tuple[list[int], int]:
    filters = {"stock_name": None, "trade_type": None, **wanted}
    orders, first = order_log.list_newest(OrderNo(upto), limit, **filters)
    return [order.order_no for order in orders], first


def test_the_newest_are_first_and_a_full_page_says_where_it_ends(order_log: OrderLog) -> None:
    assert numbers(order_log, 6) == ([6, 5, 4, 3, 2, 1], 1)
    assert numbers(order_log, 6, 4) == ([6, 5, 4, 3], 3)
    assert numbers(order_log, 2, 4) == ([2, 1], 1)


def test_a_list_may_be_of_one_stock_and_of_one_type(order_log: OrderLog) -> None:
    assert numbers(order_log, 6, stock_name=RARE) == ([5], 1)
    assert numbers(order_log, 6, trade_type=TradeType.SELL) == ([3], 1)
    assert numbers(order_log, 6, stock_name=RARE, trade_type=TradeType.SELL) == ([], 1)
    assert numbers(order_log, 6, 2, stock_name=STOCK.name) == ([6, 4], 4)


def test_a_damaged_order_is_not_listed(order_log: OrderLog) -> None:
    """I8: what is damaged is not served."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE order_app_logentry SET quantity = 99 WHERE order_no = 4")
    with pytest.raises(Unreachable, match="order 4"):
        numbers(order_log, 6)
    assert numbers(order_log, 3) == ([3, 2, 1], 1)


def test_a_list_has_no_gap(order_log: OrderLog) -> None:
    """I8: an order that is gone is noticed by the digest of the next one."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM order_app_logentry WHERE order_no IN (1, 4)")
    for upto, missing in ((6, "entry 4|order 4"), (2, "order 1|entry 1")):
        with pytest.raises(Unreachable, match=missing):
            numbers(order_log, upto)
    assert numbers(order_log, 6, 1) == ([6], 6)


def test_a_list_says_which_token_each_order_was_placed_with() -> None:
    order_log = OrderLog()
    orders = [make_order(1), replace(make_order(2), placed_by="alice")]
    order_log.append(tuple(link(START, orders)))
    found, _ = order_log.list_newest(OrderNo(2), 10, None, None)
    assert [order.placed_by for order in found] == ["alice", None]


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Count the steps of SQLite's machine, by the thousand: what is read, on any computer."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    connection.connection.set_progress_handler(count, STEP)
    try:
        yield steps
    finally:
        connection.connection.set_progress_handler(None, 0)


@pytest.fixture
def long_log(db: None) -> OrderLog:
    """Make a log of a million orders; their digests are not looked at in vain."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE numbers(n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)"
            " INSERT INTO order_app_logentry"
            " (order_no, key, stock_name, trade_type, quantity, digest)"
            " SELECT n, printf('%%032x', n), %s, 'buy', 1, '' FROM numbers",
            [LONG, STOCK.name],
        )
    return OrderLog()


@pytest.mark.sqlite
def test_at_a_million_orders_a_page_reads_no_more_than_a_page(
    long_log: OrderLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_log, "_check", lambda row: make_order(row[0]))
    with counted_steps() as steps:
        for upto in (LONG, LONG // 2, 200):
            assert numbers(long_log, upto, 200)[0] == list(range(upto, upto - 200, -1))
    assert steps[0] * STEP < 3 * 200 * 50
    with counted_steps() as steps:
        found = numbers(long_log, LONG, 200, stock_name=RARE)
    assert found == ([], LONG - LOOKED_THROUGH_MAX + 1), "the next page begins before it"
    assert steps[0] * STEP < LOOKED_THROUGH_MAX * 20


def test_a_replica_that_is_behind_takes_what_it_lacks_before_it_lists(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    catalog.orders += make_orders(3)
    reply = Listener("bazaar.urls.order").call_signed("GET", "/list?upto=3&limit=2")
    assert b'"first":2' in reply.body
    assert leader.machine.last == 3


def test_no_list_begins_at_an_order_that_is_not_there(leader: ReplicaShell) -> None:
    reply = Listener("bazaar.urls.order").call_signed("GET", "/list?upto=9&limit=2")
    assert (reply.status, reply.headers["bazaar-failure"]) == (404, "unknown_order")
    with pytest.raises(UnknownOrder):
        leader.look_up(OrderNo(9))
