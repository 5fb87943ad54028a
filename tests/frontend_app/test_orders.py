"""Orders from memory, or from any replica in turn; the short way answers as the view does."""

from typing import Any

import msgspec
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from bazaar.core.failures import NotServing, UnknownOrder, Unreachable
from bazaar.core.types import OrderNo, ReplicaId
from frontend_app import orders, wiring
from frontend_app.leader import LeaderWatch
from frontend_app.lookups import LookUpPath
from frontend_app.orders import OrderDesk
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.test_hits import Recorder, unreachable
from tests.support.hearing import Hearing
from tests.support.histories import make_trade

ONE, TWO, THREE = map(ReplicaId, (1, 2, 3))
FIRST = OrderNo(1)


@pytest.fixture
def desk(watch: LeaderWatch) -> OrderDesk:
    """Make the orders of a front end; order 1 is placed, and was not seen by it."""
    watch.place(make_trade(1, 7))
    return wiring.orders()


def call(application: Any, query: str = "order_no=1", **environ: str) -> tuple[str, Any, bytes]:
    recorder = Recorder()
    request = RequestFactory().get(f"/orders?{query}")
    content = application({**request.META, **environ}, recorder)
    return recorder.status, recorder.headers, b"".join(content)


def asked(replicas: Replicas) -> list[ReplicaId]:
    """Return who was asked for orders, once for each time."""
    return [one for one, replica in replicas.items() for _ in replica.looked_up]


def test_the_short_way_and_the_view_give_the_same_answer_byte_for_byte(desk: OrderDesk) -> None:
    short = LookUpPath(unreachable, desk)
    missed = call(short)
    assert missed[1]["Cache-Status"] == "bazaar; fwd=miss; stored"
    found = call(short)
    assert found[1]["Cache-Status"] == "bazaar; hit"
    assert found == call(WSGIHandler())
    desk.bodies.clear()
    assert missed == call(WSGIHandler())


def test_an_order_in_memory_needs_no_replica(desk: OrderDesk, replicas: Replicas) -> None:
    desk.fetch(FIRST)
    for replica in replicas.values():
        replica.die()
    assert call(LookUpPath(unreachable, desk))[0] == "200 OK"
    assert (desk.hits, desk.misses) == (1, 1)


def test_an_order_placed_here_is_in_memory(watch: LeaderWatch, replicas: Replicas) -> None:
    wiring.orders().place(make_trade(1, 7))
    assert call(LookUpPath(unreachable, wiring.orders()))[2] == (
        b'{"data":{"order_no":1,"stock_name":"MenhirCo","trade_type":"buy","quantity":7}}'
    )
    assert not asked(replicas)


def test_a_demand_for_a_fresh_answer_goes_to_a_replica(desk: OrderDesk, replicas: Replicas) -> None:
    desk.fetch(FIRST)
    before = len(asked(replicas))
    answer = call(LookUpPath(unreachable, desk), HTTP_CACHE_CONTROL="no-cache")
    assert answer[1]["Cache-Status"] == "bazaar; fwd=request"
    assert len(asked(replicas)) == before + 1
    assert answer == call(WSGIHandler(), HTTP_CACHE_CONTROL="no-cache")


def test_memory_keeps_the_newest_used_and_no_more(watch: LeaderWatch) -> None:
    desk = OrderDesk(watch, msgspec.structs.replace(LIMITS, cache_orders_max=2))
    for number in (1, 2):
        desk.place(make_trade(number))
    assert desk.hit(FIRST)
    desk.place(make_trade(3))
    assert list(desk.bodies) == [1, 3]


def test_replicas_are_asked_in_turn(desk: OrderDesk, replicas: Replicas) -> None:
    for _ in range(6):
        desk.fetch(FIRST)
    assert sorted(asked(replicas)) == [ONE, ONE, TWO, TWO, THREE, THREE]


@pytest.mark.parametrize("failure", [Unreachable(), NotServing()])
def test_a_replica_that_failed_is_asked_after_the_others_for_a_while(
    desk: OrderDesk,
    replicas: Replicas,
    failure: Unreachable | NotServing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(orders, "monotonic_s", lambda: now_s)
    replicas[TWO].down = failure
    for _ in range(6):
        desk.fetch(FIRST)
    assert len(replicas[TWO].looked_up) == 1
    now_s += orders.AWAY_S
    for _ in range(3):
        desk.fetch(FIRST)
    assert len(replicas[TWO].looked_up) == 2


def test_only_the_last_replica_is_waited_for_long(desk: OrderDesk, replicas: Replicas) -> None:
    for replica in replicas.values():
        replica.die()
        replica.timeouts_s.clear()
    with pytest.raises(Unreachable):
        desk.fetch(FIRST)
    waited_s = sorted(timeout_s for one in replicas.values() for timeout_s in one.timeouts_s)
    assert waited_s == [LIMITS.ping_timeout_s, LIMITS.ping_timeout_s, LIMITS.call_timeout_s]


def test_an_unknown_order_is_the_word_of_one_replica_and_is_not_kept(
    desk: OrderDesk, replicas: Replicas
) -> None:
    with pytest.raises(UnknownOrder):
        desk.fetch(OrderNo(99))
    assert len(asked(replicas)) == 1
    assert OrderNo(99) not in desk.bodies


def test_what_the_short_way_could_not_answer_is_not_asked_again(
    desk: OrderDesk, replicas: Replicas
) -> None:
    short = LookUpPath(WSGIHandler(), desk)
    assert call(short, "order_no=99")[0].startswith("404")
    assert len(asked(replicas)) == 1
    for replica in replicas.values():
        replica.die()
    assert call(short)[0].startswith("503")
    assert len(asked(replicas)) == 4


@pytest.mark.parametrize(
    ("query", "environ"),
    [
        ("order_no=1", {"HTTP_CACHE_CONTROL": "max-age=0, no-cache"}),
        ("order_no=1", {"HTTP_ACCEPT": "text/html,*/*"}),
        ("order_no=1", {"REQUEST_METHOD": "HEAD"}),
        ("order_no=1", {"PATH_INFO": "/orders/"}),
        ("order_no=1&order_no=2", {}),
        ("order_no=", {}),
        ("order_no=-1", {}),
        ("order_no=٣", {}),
        ("order_no=" + 19 * "9", {}),
        ("", {}),
    ],
)
def test_everything_else_goes_the_long_way(
    desk: OrderDesk, query: str, environ: dict[str, str]
) -> None:
    def long_way(environ: Any, start_response: Any) -> list[bytes]:
        start_response("299 the long way", [])
        return []

    assert call(LookUpPath(long_way, desk), query, **environ)[0].startswith("299")


def test_hits_and_misses_are_counted_apart(desk: OrderDesk) -> None:
    hearing = Hearing()
    for _ in range(4):
        call(LookUpPath(unreachable, desk))
    assert hearing.requests() == {"GET /orders hit": (3, 0, 0), "GET /orders miss": (1, 0, 0)}
