"""What clients do: as the seed's client, by a seeded chance."""

import random
from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bazaar.client.answers import OrderAnswer, StockAnswer
from bazaar.core.types import TradeType
from bazaar.loadtest.profiles import Weighted, read_profile
from bazaar.loadtest.workload import (
    CLIENTS_MAX,
    ClientBehaviour,
    Operation,
    SeedClient,
    StockChooser,
    make_keys,
)
from tests.loadtest.plans import PLAN


def make_client(seed: int = 1, p: float = 0.5, lookup: float = 0.5) -> SeedClient:
    behaviour = ClientBehaviour(stocks=PLAN.stocks, p=p, lookup=lookup)
    keys = make_keys(7, 0).__next__
    return SeedClient(behaviour, StockChooser(PLAN.stocks), random.Random(seed), keys)


def answer(operation: Operation, number: int, quantity: int = 100) -> StockAnswer | OrderAnswer:
    """Answer as a cluster in which everything works."""
    name = operation.stock_name or "BoarCo"
    if operation.kind == "query":
        return StockAnswer(name, Decimal(1), quantity, 0, 1, 0, is_stale=False, cache="hit")
    return OrderAnswer(number, name, TradeType.BUY, operation.shares or 1)


def play(client: SeedClient, steps: int, quantity: int = 100) -> list[Operation]:
    """Let a client do so many operations."""
    done = []
    for number in range(1, steps + 1):
        operation = client.next()
        client.learn(answer(operation, number, quantity), operation)
        done.append(operation)
    return done


def told(operations: list[Operation]) -> list[tuple[object, ...]]:
    return [(i.kind, i.stock_name, i.trade_type, i.shares, i.order_no) for i in operations]


@given(seed=st.integers(0, 2**32))
def test_the_same_seed_and_answers_make_the_same_choices(seed: int) -> None:
    assert told(play(make_client(seed), 50)) == told(play(make_client(seed), 50))


def test_a_trade_follows_a_look_at_its_stock_and_is_of_1_to_10_shares() -> None:
    done = play(make_client(p=1.0), 300)
    trades = [place for place, one in enumerate(done) if one.kind == "trade"]
    assert trades
    for place in trades:
        assert done[place - 1].kind == "query"
        assert done[place - 1].stock_name == done[place].stock_name
    assert {done[place].shares for place in trades} == set(range(1, 11))
    assert {done[place].trade_type for place in trades} == set(TradeType)


def test_p_is_the_share_of_queries_that_a_trade_follows() -> None:
    counts = Counter(one.kind for one in play(make_client(p=0.25, lookup=0.5), 20_000))
    assert 0.22 < counts["trade"] / counts["query"] < 0.28
    assert 0.45 < counts["order"] / counts["trade"] < 0.55


def test_a_stock_that_is_sold_out_is_sold_to_the_bazaar() -> None:
    """Else trades stand still for ever once every stock is sold out."""
    done = Counter(one.kind for one in play(make_client(p=0.5), 2000, quantity=0))
    assert 0.4 < done["trade"] / done["query"] < 0.6
    sides = {one.trade_type for one in play(make_client(p=0.5), 200, quantity=0)}
    assert sides == {TradeType.SELL, None}


def test_with_p_0_there_is_no_trade() -> None:
    assert {one.kind for one in play(make_client(p=0.0), 200)} == {"query"}


def test_only_orders_of_its_own_are_looked_up() -> None:
    done = play(make_client(p=1.0, lookup=1.0), 300)
    own = {number for number, one in enumerate(done, start=1) if one.kind == "trade"}
    looked_up = {one.order_no for one in done if one.kind == "order"}
    assert looked_up
    assert looked_up <= own


def test_a_trade_that_failed_is_not_looked_up() -> None:
    client = make_client(p=1.0, lookup=1.0)
    query = client.next()
    client.learn(answer(query, 1), query)
    trade = client.next()
    client.learn(None, trade)
    assert (trade.kind, client.next().kind) == ("trade", "query")


@given(prefixes=st.tuples(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1)))
def test_keys_of_clients_and_of_runs_never_meet(prefixes: tuple[int, int]) -> None:
    makers = [make_keys(one, n) for one in set(prefixes) for n in (0, 1, CLIENTS_MAX - 1)]
    keys = [next(maker) for maker in makers for _ in range(20)]
    assert len(set(keys)) == len(keys)
    assert {key.version for key in keys} == {4}


def test_stocks_are_chosen_by_their_weights() -> None:
    choice = StockChooser([Weighted("often", 9.0), Weighted("seldom", 1.0)])
    chance = random.Random(1)
    counts = Counter(choice.pick(chance) for _ in range(10_000))
    assert 0.88 < counts["often"] / 10_000 < 0.92


def test_the_seed_profile_is_ten_stocks_as_likely_as_each_other() -> None:
    assert len(read_profile("seed")) == 10
    assert {one.weight for one in read_profile("seed")} == {1.0}


def test_the_sp500_profile_is_by_market_value() -> None:
    found = read_profile("sp500")
    weights = [one.weight for one in found]
    assert len(found) > 400
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 100 * weights[-1]


def test_zipf_replaces_the_popularity_and_most_cuts_it() -> None:
    found = read_profile("sp500", most=4, zipf=1.0)
    assert [one.weight for one in found] == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert [one.stock_name for one in found] == [
        one.stock_name for one in read_profile("sp500")[:4]
    ]
