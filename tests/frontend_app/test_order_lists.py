"""Lists of orders: from any replica, with all that was acknowledged before (I3)."""

import pytest

from bazaar.core.failures import NotServing, Unreachable
from bazaar.core.types import OrderNo, ReplicaId
from frontend_app import wiring
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from tests.frontend_app.conftest import Replicas
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import make_trade


@pytest.fixture
def order_cache(watch: LeaderWatch) -> OrderCache:
    """Make the orders of a front end; three were placed, and it has seen none of them."""
    for number in (1, 2, 3):
        watch.place(make_trade(number))
    return wiring.orders()


def numbers(order_cache: OrderCache, before: int = 0) -> list[int]:
    page = order_cache.list_newest(
        before=OrderNo(before), limit=10, stock_name=None, trade_type=None
    )
    return [one.order_no for one in page.orders]


def upto(replicas: Replicas) -> list[int]:
    """Return from where on the replicas were asked."""
    return [wanted.upto for replica in replicas.values() for wanted in replica.listed]


def test_a_list_begins_at_the_end_of_the_ledger(
    order_cache: OrderCache, replicas: Replicas, catalog: FakeCatalog
) -> None:
    """Whatever this front end has heard of: another one may have placed an order."""
    assert numbers(order_cache) == [3, 2, 1]
    assert (upto(replicas), catalog.asked_last) == ([3], 1)


def test_a_page_behind_the_newest_known_asks_no_catalog(
    order_cache: OrderCache, replicas: Replicas, catalog: FakeCatalog
) -> None:
    numbers(order_cache)
    assert numbers(order_cache, before=3) == [2, 1]
    assert numbers(order_cache, before=1) == []
    assert (sorted(upto(replicas)), catalog.asked_last) == ([2, 3], 1)


def test_a_page_beyond_the_end_begins_at_the_end(order_cache: OrderCache) -> None:
    assert numbers(order_cache, before=99) == [3, 2, 1]


def test_before_the_first_order_nobody_is_asked(watch: LeaderWatch, replicas: Replicas) -> None:
    assert numbers(wiring.orders()) == []
    assert upto(replicas) == []


def test_without_the_catalog_a_list_has_what_was_heard_of(
    order_cache: OrderCache, replicas: Replicas, catalog: FakeCatalog
) -> None:
    catalog.failure = Unreachable()
    order_cache._watch.note_order(OrderNo(2))
    for _ in range(2):
        assert numbers(order_cache) == [2, 1]
    assert (upto(replicas), catalog.asked_last) == ([2, 2], 1)


@pytest.mark.parametrize("failure", [Unreachable(), NotServing()])
def test_a_replica_that_cannot_tell_is_passed_over(
    order_cache: OrderCache, replicas: Replicas, failure: Unreachable | NotServing
) -> None:
    replicas[ReplicaId(1)].down = replicas[ReplicaId(2)].down = failure
    for _ in range(3):
        assert numbers(order_cache) == [3, 2, 1]
    replicas[ReplicaId(3)].down = failure
    with pytest.raises(type(failure)):
        numbers(order_cache)
