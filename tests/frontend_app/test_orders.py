"""Orders from memory, or from any replica in turn."""

import threading

import msgspec
import pytest

from bazaar.core.failures import NotServing, UnknownOrder, Unreachable
from bazaar.core.types import OrderNo, ReplicaId
from bazaar.protocol.http1 import Reply
from frontend_app import wiring
from frontend_app.leader import LeaderWatch
from frontend_app.orders import AWAY_S, OrderCache
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.fakes import FakeCatalog
from tests.support.hearing import Hearing
from tests.support.histories import make_trade
from tests.support.listeners import Listener
from tests.support.waits import WAIT_S, in_thread, start_together, wait_until

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
    order_cache = OrderCache(watch, msgspec.structs.replace(LIMITS, cache_orders_max=2))
    for number in (1, 2):
        order_cache.place(make_trade(number))
    assert order_cache.hit(FIRST)
    order_cache.place(make_trade(3))
    assert list(order_cache.entries) == [1, 3]


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
    monkeypatch.setattr(order_cache, "_now_s", lambda: now_s)
    replicas[TWO].down = failure
    for _ in range(6):
        order_cache.fetch(FIRST)
    assert len(replicas[TWO].looked_up) == 1
    now_s += AWAY_S
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


def test_an_unknown_order_is_the_word_of_the_ledger_and_is_not_kept(
    order_cache: OrderCache, replicas: Replicas, catalog: FakeCatalog
) -> None:
    with pytest.raises(UnknownOrder):
        order_cache.fetch(OrderNo(99))
    assert (asked(replicas), catalog.asked_last) == ([], 1)
    assert OrderNo(99) not in order_cache.entries


def test_a_replica_that_failed_is_asked_once(order_cache: OrderCache, replicas: Replicas) -> None:
    for replica in replicas.values():
        replica.die()
    assert call().status == 503
    assert len(asked(replicas)) == 3


def test_an_order_that_was_heard_of_is_asked_of_a_replica_only(
    order_cache: OrderCache, watch: LeaderWatch, replicas: Replicas, catalog: FakeCatalog
) -> None:
    watch.note_order(FIRST)
    order_cache.fetch(FIRST)
    assert (len(asked(replicas)), catalog.asked_last) == (1, 0)


def test_a_thousand_numbers_beyond_the_newest_cost_few_questions(
    order_cache: OrderCache, replicas: Replicas, catalog: FakeCatalog
) -> None:
    """One question answers all that wait for it, and none reaches a replica."""
    clients, each = 32, 32

    def look_up() -> None:
        for number in range(each):
            with pytest.raises(UnknownOrder):
                order_cache.fetch(OrderNo(10 + number))

    for one in start_together([look_up] * clients):
        one.result(WAIT_S)
    assert asked(replicas) == []
    assert each <= catalog.asked_last < clients * each / 8


def test_a_look_up_that_begins_during_a_question_waits_for_the_next_one(
    order_cache: OrderCache, catalog: FakeCatalog, watch: LeaderWatch
) -> None:
    """I3: its order may have been acknowledged after the question was answered."""
    release = threading.Event()
    catalog.on_ask = lambda: _wait(release)
    early = in_thread(lambda: order_cache.fetch(OrderNo(2)))
    wait_until(lambda: catalog.asked_last == 1)
    watch.place(make_trade(2, 7))
    late = in_thread(lambda: order_cache.fetch(OrderNo(2)))
    wait_until(lambda: order_cache._ledger_end._batcher._waiting)
    release.set()
    assert type(early.exception(WAIT_S)) is UnknownOrder
    assert late.result(WAIT_S).order.order_no == 2


def _wait(release: threading.Event) -> None:
    assert release.wait(WAIT_S)


def test_without_the_catalog_a_replica_may_know(
    order_cache: OrderCache, replicas: Replicas, catalog: FakeCatalog
) -> None:
    """A catalog that did not answer is not asked again for a while."""
    catalog.failure = Unreachable()
    for _ in range(3):
        assert order_cache.fetch(FIRST)
        order_cache._watch.newest = OrderNo(0)
    assert (len(asked(replicas)), catalog.asked_last) == (3, 1)


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
    assert not order_cache.entries


def test_hits_and_misses_are_counted_apart(order_cache: OrderCache) -> None:
    hearing = Hearing()
    for _ in range(4):
        call()
    assert hearing.requests() == {"GET /orders hit": (3, 0, 0), "GET /orders miss": (1, 0, 0)}
