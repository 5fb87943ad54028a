"""The public client against the real URLs of the front end."""

from uuid import UUID

import pytest

from bazaar.client import exchange
from bazaar.client.answers import ClientError, Leadership, Order, Refused
from bazaar.client.exchange import Call, Limits, Question, T
from bazaar.client.reading import Reply
from bazaar.clock import monotonic_s
from bazaar.core.election import Leadership as ElectedReign
from bazaar.core.types import TradeType
from tests.contract.conftest import ME, TERM, Cluster
from tests.support.histories import STOCK, make_trade
from tests.support.listeners import Listener

LIMITS = Limits()
KEY = UUID(int=77, version=4)


def ask(question: Question[T], limits: Limits = LIMITS) -> T:
    """Ask through the router."""
    listener = Listener("bazaar.urls.frontend")

    def call(step: Call) -> Reply:
        request = step.request
        args = request.method, request.target, request.body, dict(request.headers)
        told = listener.call(*args)
        return Reply(told.status, told.headers, told.body)

    def pause(seconds: float) -> None:
        raise AssertionError(f"nothing here is worth repeating in {seconds} s")

    steps = exchange.attempts(question, limits, monotonic_s)
    return exchange.run(steps, call, pause)


def refusal(question: Question[T], limits: Limits = LIMITS) -> ClientError:
    with pytest.raises(Refused) as caught:
        ask(question, limits)
    return caught.value


@pytest.mark.usefixtures("cluster")
def test_a_stock_comes_from_the_catalog_and_then_from_memory() -> None:
    asked = exchange.ask_stock(STOCK.name)
    found = [ask(asked), ask(asked), ask(asked)]
    assert [stock.cache for stock in found] == ["miss", "hit", "hit"]
    assert ask(exchange.ask_stock(STOCK.name, is_fresh=True)).cache == "request"
    (same,) = {(one.name, one.price, one.quantity, one.trade_volume) for one in found}
    assert same[:2] == (STOCK.name, STOCK.price)
    assert {stock.is_stale for stock in found} == {False}


@pytest.mark.usefixtures("cluster")
def test_a_trade_changes_the_stock_and_can_be_looked_up() -> None:
    before = ask(exchange.ask_stock(STOCK.name))
    placed = ask(exchange.ask_trade(KEY, STOCK.name, TradeType.SELL, 2))
    assert placed == Order(3, STOCK.name, TradeType.SELL, 2)
    assert ask(exchange.ask_order(3)) == placed
    after = ask(exchange.ask_stock(STOCK.name))
    assert after.quantity == before.quantity + 2
    assert after.trade_volume == before.trade_volume + 2
    assert after.version == before.version + 1


@pytest.mark.usefixtures("cluster")
def test_the_same_key_is_the_same_order_and_another_body_is_refused() -> None:
    trade = exchange.ask_trade(KEY, STOCK.name, TradeType.SELL, 2)
    assert ask(trade) == ask(trade)
    refused = refusal(exchange.ask_trade(KEY, STOCK.name, TradeType.SELL, 3))
    assert (refused.status, refused.failure) == (422, "key_reused")


@pytest.mark.usefixtures("cluster")
def test_an_order_is_shown_as_it_was_placed() -> None:
    first = make_trade(1)
    shown = ask(exchange.ask_order(1))
    assert shown == Order(1, first.stock_name, first.trade_type, first.quantity)


@pytest.mark.usefixtures("cluster")
def test_the_leader_is_told() -> None:
    leadership = ask(exchange.ask_leader())
    assert (leadership.id, leadership.term) == (ME, TERM)
    assert isinstance(leadership, Leadership)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("question", "status", "failure"),
    [
        (exchange.ask_stock("Nobody & Sons"), 404, "unknown_stock"),
        (exchange.ask_order(99), 404, "unknown_order"),
        (exchange.ask_trade(KEY, "Nobody", TradeType.BUY, 1), 404, "unknown_stock"),
        (exchange.ask_trade(KEY, STOCK.name, TradeType.BUY, 10**9), 404, "insufficient_quantity"),
        (exchange.ask_trade(KEY, STOCK.name, TradeType.SELL, 10**9), 404, "overstock"),
        (exchange.ask_trade(KEY, STOCK.name, TradeType.SELL, 0), 400, ""),
        (exchange.ask_trade(KEY, "x" * 70_000, TradeType.SELL, 1), 413, ""),
        (exchange.ask_stock(" "), 400, ""),
        (exchange.ask_stock("x" * 201), 400, ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_refusal_is_read_with_its_reason(
    question: Question[object], status: int, failure: str
) -> None:
    refused = refusal(question)
    assert (refused.status, refused.failure) == (status, failure)
    assert refused.message.isprintable()


def test_a_cluster_without_a_leader_is_worth_another_attempt(cluster: Cluster) -> None:
    cluster.watch.elector.leadership = ElectedReign(TERM, None)
    refused = refusal(exchange.ask_leader(), Limits(deadline_s=0.5))
    assert (refused.status, refused.failure, refused.retry_s) == (503, "no_leader", 1.0)
