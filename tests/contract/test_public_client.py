"""The public client against the real URLs of the front end."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from bazaar.client import exchange
from bazaar.client.answers import ClientError, NoAnswer, OrderAnswer, Refused
from bazaar.client.client_dialects import CLIENT_DIALECTS, COURSE, SEED, V1, ClientDialect
from bazaar.client.exchange import ApiCall, Attempt, T, Timeouts
from bazaar.clock import monotonic_s
from bazaar.core.election import Leadership as ElectedLeadership
from bazaar.core.types import Trade, TradeType
from bazaar.protocol.http1 import Reply
from tests.contract.conftest import ME, TERM, Cluster
from tests.support.histories import STOCK, make_trade
from tests.support.listeners import Listener

LIMITS = Timeouts()
KEY = UUID(int=77, version=4)


def ask(question: ApiCall[T], limits: Timeouts = LIMITS) -> T:
    """Ask through the router."""
    listener = Listener("bazaar.urls.frontend")

    def call(step: Attempt) -> Reply:
        request = step.request
        args = request.method, request.target, request.body, dict(request.headers)
        told = listener.call(*args)
        return Reply(told.status, told.headers, told.body)

    def pause(seconds: float) -> None:
        raise AssertionError(f"nothing here is worth repeating in {seconds} s")

    steps = exchange.attempts(question, limits, monotonic_s)
    return exchange.run(steps, call, pause)


def refusal(question: ApiCall[T], limits: Timeouts = LIMITS) -> ClientError:
    with pytest.raises(Refused) as caught:
        ask(question, limits)
    return caught.value


@pytest.fixture(params=CLIENT_DIALECTS)
def dialect(request: pytest.FixtureRequest) -> ClientDialect:
    return CLIENT_DIALECTS[request.param]


def make(shares: int = 2, name: str = STOCK.name, side: TradeType = TradeType.SELL) -> Trade:
    return Trade(KEY, name, side, shares)


@pytest.mark.usefixtures("cluster")
def test_a_stock_comes_from_the_catalog_and_then_from_memory(dialect: ClientDialect) -> None:
    asked = exchange.build_query(dialect, STOCK.name)
    found = [ask(asked), ask(asked), ask(asked)]
    assert [stock.cache for stock in found] == ["miss", "hit", "hit"]
    assert ask(exchange.build_query(dialect, STOCK.name, is_fresh=True)).cache == "request"
    (same,) = {(one.name, one.price, one.quantity, one.trade_volume) for one in found}
    assert same[:2] == (STOCK.name, STOCK.price)
    assert {stock.is_stale for stock in found} == {False}


@pytest.mark.usefixtures("cluster")
def test_a_trade_changes_the_stock_and_can_be_looked_up(dialect: ClientDialect) -> None:
    before = ask(exchange.build_query(dialect, STOCK.name))
    placed = ask(exchange.build_trade(dialect, make()))
    key = KEY if dialect is V1 else None
    assert placed == OrderAnswer(3, STOCK.name, TradeType.SELL, 2, key)
    assert ask(exchange.build_order_query(dialect, 3)) == placed
    after = ask(exchange.build_query(dialect, STOCK.name))
    assert after.quantity == before.quantity + 2
    assert after.version == before.version + 1
    if dialect is COURSE:
        assert after.trade_volume is None
    else:
        assert (after.trade_volume or 0) == (before.trade_volume or 0) + 2


@pytest.mark.usefixtures("cluster")
def test_the_same_key_is_the_same_order_and_another_body_is_refused(
    dialect: ClientDialect,
) -> None:
    trade = exchange.build_trade(dialect, make())
    assert ask(trade) == ask(trade)
    refused = refusal(exchange.build_trade(dialect, make(3)))
    assert (refused.status, refused.failure) == (422, "key_reused")


@pytest.mark.usefixtures("cluster")
def test_a_key_of_one_dialect_is_the_same_order_in_all_others() -> None:
    placed = [ask(exchange.build_trade(one, make())) for one in CLIENT_DIALECTS.values()]
    assert {one.order_no for one in placed} == {3}


@pytest.mark.usefixtures("cluster")
def test_an_order_is_shown_as_it_was_placed(dialect: ClientDialect) -> None:
    first = make_trade(1)
    shown = ask(exchange.build_order_query(dialect, 1))
    key = first.key if dialect is V1 else None
    assert shown == OrderAnswer(1, first.stock_name, first.trade_type, first.quantity, key)


@pytest.mark.usefixtures("cluster")
def test_the_leader_is_told(dialect: ClientDialect) -> None:
    leadership = ask(exchange.build_leader_query(dialect))
    assert (leadership.id, leadership.term) == (ME, TERM)
    assert leadership == ask(exchange.build_leader_query(SEED))


@pytest.mark.usefixtures("cluster")
def test_the_cluster_is_shown() -> None:
    cluster = ask(exchange.build_cluster_query())
    assert (cluster.leader, cluster.term) == (ME, TERM)
    (leader,) = [one for one in cluster.replicas if one.is_leader]
    assert (leader.replica_id, leader.is_alive) == (ME, True)


@pytest.mark.usefixtures("cluster")
def test_lists_come_page_by_page_to_their_end() -> None:
    for number in range(3):
        trade = Trade(UUID(int=100 + number, version=4), STOCK.name, TradeType.SELL, 1)
        ask(exchange.build_trade(V1, trade))
    numbers, cursor = [], None
    for _ in range(5):
        page = ask(exchange.build_order_list(None, None, cursor, 2))
        numbers += [one.order_no for one in page.orders]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert numbers == [5, 4, 3, 2, 1]
    shown = ask(exchange.build_order_query(V1, 5))
    newest = ask(exchange.build_order_list(STOCK.name, TradeType.SELL, None, 1)).orders
    assert newest == (shown,)
    (listed,) = [
        one
        for one in ask(exchange.build_stock_list(STOCK.name.upper(), None, 200)).stocks
        if one.name == STOCK.name
    ]
    asked = ask(exchange.build_query(V1, STOCK.name))
    assert (listed.price, listed.quantity, listed.version, listed.trade_volume) == (
        *(asked.price, asked.quantity, asked.version),
        asked.trade_volume,
    )


REFUSALS: dict[str, tuple[Callable[[ClientDialect], ApiCall[Any]], int, str, str]] = {
    "stock": (
        lambda one: exchange.build_query(one, "Nobody & Sons"),
        *(404, "unknown_stock", "unknown_stock"),
    ),
    "order": (
        lambda one: exchange.build_order_query(one, 99),
        *(404, "unknown_order", "unknown_order"),
    ),
    "stock of a trade": (
        lambda one: exchange.build_trade(one, make(name="Nobody")),
        *(404, "unknown_stock", "unknown_stock"),
    ),
    "too few": (
        lambda one: exchange.build_trade(one, make(10**9, side=TradeType.BUY)),
        *(404, "insufficient_quantity", "insufficient_quantity"),
    ),
    "too many": (
        lambda one: exchange.build_trade(one, make(10**9)),
        *(404, "overstock", "overstock"),
    ),
    "none": (lambda one: exchange.build_trade(one, make(0)), 400, "", "bad_request"),
    "long body": (
        lambda one: exchange.build_trade(one, make(name="x" * 70_000)),
        *(413, "", "body_too_large"),
    ),
    "blank": (lambda one: exchange.build_query(one, " "), 400, "", "bad_request"),
    "long name": (lambda one: exchange.build_query(one, "x" * 201), 400, "", "bad_request"),
}
"""A question, the status in the older dialects, the failure, and the page of the problem."""


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("name", REFUSALS)
def test_every_refusal_is_read_with_its_reason(dialect: ClientDialect, name: str) -> None:
    build, status, failure, page = REFUSALS[name]
    refused = refusal(build(dialect))
    is_conflict = dialect is V1 and failure in ("insufficient_quantity", "overstock")
    assert (refused.status, refused.failure) == (409 if is_conflict else status, failure)
    assert refused.message.isprintable()
    assert refused.problem == (f"/problems/{page}" if failure or dialect is V1 else "")


def test_a_cluster_without_a_leader_is_worth_another_attempt(
    cluster: Cluster, dialect: ClientDialect
) -> None:
    cluster.watch.elector.leadership = ElectedLeadership(TERM, None)
    with pytest.raises(NoAnswer if dialect is V1 else Refused) as caught:
        ask(exchange.build_leader_query(dialect), Timeouts(deadline_s=0.5))
    assert (caught.value.failure, caught.value.retry_s) == ("no_leader", 1.0)
