"""The dialects beside the seed's: what is asked for, and what is sent."""

import msgspec

from bazaar.client.client_dialects import CLIENT_DIALECTS, COURSE
from bench import dialects, trading
from bench.results import CACHED, LOOK_UP, TRADE
from tests.bench.made import cell


def test_a_stock_and_a_trade_are_held_to_nine_tenths_of_the_seeds_rate() -> None:
    cells = [
        *(cell(CACHED, "seed", 1000, 2000, 10), cell(CACHED, "v1", 900, 1900, 1)),
        *(cell(LOOK_UP, "seed", 1000), cell(LOOK_UP, "v1", 1)),
        *(cell(TRADE, "seed", 1000), cell(TRADE, "course", 890)),
    ]
    found = {one.what: (one.measured, one.is_reached) for one in dialects.judge(cells)}
    assert found == {
        "cached stock, 32 clients: v1 / seed": ("0.9 (0.1 to 0.95)", True),
        "trade, 32 clients: course / seed": ("0.89", False),
    }


def test_a_dialect_is_compared_with_the_seeds_of_as_many_clients() -> None:
    cells = [
        *(cell(CACHED, "seed", 1000, clients=1), cell(CACHED, "v1", 1000, clients=1)),
        *(cell(CACHED, "seed", 4000), cell(CACHED, "v1", 2000)),
    ]
    _, rows = dialects.table_of(cells)
    assert [row[6] for row in rows] == ["", "1.000", "", "0.500"]


def test_every_client_trades_in_the_dialect_that_is_measured() -> None:
    for name, dialect in CLIENT_DIALECTS.items():
        spec = trading.Spec(url="http://127.0.0.1:1", clients=1, seconds=1, dialect=name)
        claim = trading.Trades(spec).claim(0, 0.0)
        assert claim is not None
        request = claim[1].question.request
        assert request.target == dialect.trade_target
        assert set(msgspec.json.decode(request.body)) == set(dialect.trade_fields)


def test_orders_are_looked_up_by_the_paths_of_their_dialect() -> None:
    assert dialects.list_order_paths(COURSE)[:2] == ["/orders/1", "/orders/2"]


def test_nobody_keeps_a_share_when_the_time_is_over() -> None:
    trades = trading.Trades(trading.Spec(url="http://127.0.0.1:1", clients=2, seconds=1))
    assert trades.claim(0, 0.0), "it buys"
    assert trades.claim(0, 9.0), "it sells"
    assert trades.claim(0, 9.0) is None
    assert trades.claim(1, 9.0) is None
