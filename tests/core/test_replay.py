"""A sequence alone gives every stock: I11."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.failures import Failure
from bazaar.core.ledger import decide, describe, reprice
from bazaar.core.replay import StockReplay
from bazaar.core.types import Entry, Order, Stock, Trade, Version, tidy
from tests.core.history import NAMES, make_order, make_stock, make_trade, trades

steps = st.lists(st.one_of(trades(keys=50), st.sampled_from(NAMES)), max_size=30)
"""Trades, and names of stocks whose price changes."""


@given(steps)
def test_a_replay_ends_with_the_stocks_that_the_catalog_has(drawn: Sequence[Trade | str]) -> None:
    stocks = {name: make_stock(name) for name in NAMES}
    entries: list[Entry] = [describe(stock) for stock in stocks.values()]
    orders = 0
    for at, step in enumerate(drawn):
        if isinstance(step, str):
            stocks[step] = reprice(stocks[step], tidy(Decimal(at + 1) / 8))
            entries.append(describe(stocks[step]))
            continue
        try:
            stocks[step.stock_name] = decide(stocks[step.stock_name], step)
        except Failure:
            continue
        orders += 1
        entries.append(make_order(orders, step))
    replay = StockReplay()
    replay.take_all(entries)
    assert replay.stocks == stocks
    assert list(replay.stocks) == list(stocks)


def test_each_entry_says_the_version_it_made() -> None:
    stock = make_stock()
    dearer = reprice(stock, Decimal("11.00"))
    dearer = replace(dearer, version=Version(3))
    entries = (describe(stock), make_order(1), describe(dearer), make_order(2))
    replay = StockReplay()
    assert [replay.take(entry) for entry in entries] == [1, 2, 3, 4]


def test_stocks_that_were_listed_behind_their_orders_are_complete() -> None:
    """As in a ledger from before listings were entries of it."""
    stock = make_stock(quantity=50)
    moved = decide(decide(stock, make_trade(1, 20)), make_trade(2, 5, kind="sell"))
    replay = StockReplay()
    replay.take_all((_order(1, 20, "buy"), _order(2, 5, "sell"), describe(moved)))
    assert replay.stocks == {stock.name: moved}
    later = replay.take(_order(3, 1, "buy"))
    assert (later, replay.stocks[stock.name].quantity) == (moved.version + 1, moved.quantity - 1)


def _order(number: int, quantity: int, kind: str) -> Order:
    return make_order(number, make_trade(number, quantity, kind=kind))


def test_stocks_keep_the_order_of_their_listing() -> None:
    names = ("C", "A", "B")
    replay = StockReplay()
    replay.take_all([describe(make_stock(name)) for name in names])
    replay.take_all([describe(reprice(_named(replay, "C"), Decimal("2.00")))])
    assert tuple(replay.stocks) == names


def _named(replay: StockReplay, name: str) -> Stock:
    return replay.stocks[name]
