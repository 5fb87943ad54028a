"""Orders from memory, or from any replica in turn."""

import msgspec
import pytest

from bazaar.core.failures import NotServing, UnknownOrder, Unreachable
from bazaar.core.types import OrderNo, ReplicaId
from bazaar.protocol.connection import Reply
from frontend_app import orders, wiring
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from frontend_app.serializers import encode_order
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.support.hearing import Hearing
from tests.support.histories import make_trade
from tests.support.listeners import Listener

ONE, TWO, THREE = map(ReplicaId, (1, 2, 3))
FIRST = OrderNo(1)


@pytest.fixture
def order_cache(watch: LeaderWatch) -> OrderCache:
    """Make the orders of a front end; order 1 is placed, and was not seen by it."""
    watch.place(make_trade(1, 7))
    return wiring.orders()


def call(query: str = "order_no=1", method: str = "GET", **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Listener("bazaar.urls.frontend").call(method, f"/orders?{query}", b"", sent)


def asked(replicas: Replicas) -> list[ReplicaId]:
    """Return who was asked for orders, once for each time."""
    return [one for one, replica in replicas.items() for _ in replica.looked_up]


@pytest.mark.usefixtures("order_cache")
def test_an_order_is_looked_up_once_and_then_in_memory() -> None:
    missed, found = call(), call()
    assert missed.headers["cache-status"] == "bazaar; fwd=miss; stored"
    assert found.headers["cache-status"] == "bazaar; hit"
    assert found.body == missed.body


def test_an_order_in_memory_needs_no_replica(order_cache: OrderCache, replicas: Replicas) -> None:
    order_cache.fetch(FIRST)
    for replica in replicas.values():
        replica.die()
    assert call().status == 200
    assert (order_cache.hits, order_cache.misses) == (1, 1)


def test_an_order_placed_here_is_in_memory(watch: LeaderWatch, replicas: Replicas) -> None:
    wiring.orders().place(make_trade(1, 7))
    assert call().body == (
        b'{"data":{"order_no":1,"stock_name":"MenhirCo","trade_type":"buy","quantity":7}}'
    )
    assert not asked(replicas)


def test_a_demand_for_a_fresh_answer_goes_to_a_replica(
    order_cache: OrderCache, replicas: Replicas
) -> None:
    order_cache.fetch(FIRST)
    before = len(asked(replicas))
    answer = call(Cache_Control="no-cache")
    assert answer.headers["cache-status"] == "bazaar; fwd=request"
    assert len(asked(replicas)) == before + 1


def test_memory_keeps_the_newest_used_and_no_more(watch: LeaderWatch) -> None:
    order_cache = OrderCache(
        watch, msgspec.structs.replace(LIMITS, cache_orders_max=2), encode_order
    )
    for number in (1, 2):
        order_cache.place(make_trade(number))
    assert order_cache.hit(FIRST)
    order_cache.place(make_trade(3))
    assert list(order_cache.bodies) == [1, 3]


def test_replicas_are_asked_in_turn(order_cache: OrderCache, replicas: Replicas) -> None:
    for _ in range(6):
        order_cache.fetch(FIRST)
    assert sorted(asked(replicas)) == [ONE, ONE, TWO, TWO, THREE, THREE]


@pytest.mark.parametrize("failure", [Unreachable(), NotServing()])
def test_a_replica_that_failed_is_asked_after_the_others_for_a_while(
    order_cache: OrderCache,
    replicas: Replicas,
    failure: Unreachable | NotServing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(orders, "monotonic_s", lambda: now_s)
    replicas[TWO].down = failure
    for _ in range(6):
        order_cache.fetch(FIRST)
    assert len(replicas[TWO].looked_up) == 1
    now_s += orders.AWAY_S
    for _ in range(3):
        order_cache.fetch(FIRST)
    assert len(replicas[TWO].looked_up) == 2


def test_only_the_last_replica_is_waited_for_long(
    order_cache: OrderCache, replicas: Replicas
) -> None:
    for replica in replicas.values():
        replica.die()
        replica.timeouts_s.clear()
    with pytest.raises(Unreachable):
        order_cache.fetch(FIRST)
    waited_s = sorted(timeout_s for one in replicas.values() for timeout_s in one.timeouts_s)
    assert waited_s == [LIMITS.ping_timeout_s, LIMITS.ping_timeout_s, LIMITS.call_timeout_s]


def test_an_unknown_order_is_the_word_of_one_replica_and_is_not_kept(
    order_cache: OrderCache, replicas: Replicas
) -> None:
    with pytest.raises(UnknownOrder):
        order_cache.fetch(OrderNo(99))
    assert len(asked(replicas)) == 1
    assert OrderNo(99) not in order_cache.bodies


def test_a_replica_that_failed_is_asked_once(order_cache: OrderCache, replicas: Replicas) -> None:
    assert call("order_no=99").status == 404
    assert len(asked(replicas)) == 1
    for replica in replicas.values():
        replica.die()
    assert call().status == 503
    assert len(asked(replicas)) == 4


@pytest.mark.parametrize(
    "query",
    [
        "order_no=1&order_no=2",
        "order_no=",
        "order_no=-1",
        "order_no=%D9%A3",
        "order_no=" + 20 * "9",
        "",
    ],
)
def test_what_is_no_number_is_refused(order_cache: OrderCache, query: str) -> None:
    assert call(query).status == 400
    assert not order_cache.bodies


def test_hits_and_misses_are_counted_apart(order_cache: OrderCache) -> None:
    hearing = Hearing()
    for _ in range(4):
        call()
    assert hearing.requests() == {"GET /orders hit": (3, 0, 0), "GET /orders miss": (1, 0, 0)}
