"""What holds for every batch whatsoever: I1, I2, I4, I8."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.digest import chain
from bazaar.core.failures import KeyReused
from bazaar.core.types import START, Order, Trade, TradeType
from tests.core.history import make_stock, trades
from tests.core.ledger_book import MemoryLedger

batches = st.lists(st.lists(trades(keys=12), max_size=6), max_size=6)
"""Several batches in which keys repeat, with the same body and with others."""


@given(batches)
def test_every_stock_is_conserved(drawn: Sequence[Sequence[Trade]]) -> None:
    """I4, after each batch, counted from the ledger."""
    ledger = MemoryLedger()
    for batch in drawn:
        ledger.place(*batch)
        for name, stock in ledger.stocks.items():
            moves = [order for order in ledger.orders if order.stock_name == name]
            bought = sum(one.quantity for one in moves if one.trade_type is TradeType.BUY)
            sold = sum(one.quantity for one in moves if one.trade_type is TradeType.SELL)
            assert 0 <= stock.quantity <= stock.issued
            assert stock.quantity == stock.opening - bought + sold
            assert stock.trade_volume == bought + sold
            assert stock.version == make_stock().version + len(moves)


@given(batches)
def test_the_ledger_is_dense_and_has_each_key_once(drawn: Sequence[Sequence[Trade]]) -> None:
    """I1, I2."""
    ledger = MemoryLedger()
    for batch in drawn:
        ledger.place(*batch)
    assert [order.order_no for order in ledger.orders] == list(range(1, len(ledger.orders) + 1))
    assert len({order.key for order in ledger.orders}) == len(ledger.orders)
    assert ledger.head == chain(START, ledger.orders)


@given(batches)
def test_every_trade_gets_its_own_order_or_a_failure(drawn: Sequence[Sequence[Trade]]) -> None:
    """I2: an answer is of the trade that was asked for, and is in the ledger."""
    ledger = MemoryLedger()
    for batch in drawn:
        for trade, answer in zip(batch, ledger.place(*batch), strict=True):
            if isinstance(answer, Order):
                assert answer.is_of(trade)
                assert answer in ledger.orders
            else:
                assert answer.is_definite


@given(batches)
def test_repeating_accepted_trades_changes_nothing(drawn: Sequence[Sequence[Trade]]) -> None:
    """I2, I9: the same orders again, nothing to write."""
    ledger = MemoryLedger()
    asked = [trade for batch in drawn for trade in batch]
    answers = [answer for batch in drawn for answer in ledger.place(*batch)]
    placed = [
        (trade, answer)
        for trade, answer in zip(asked, answers, strict=True)
        if isinstance(answer, Order)
    ]
    again = ledger.decide([trade for trade, _ in placed])
    assert list(again.answers) == [answer for _, answer in placed]
    assert again.orders == ()
    assert again.stocks == ()
    assert again.head == ledger.head


@given(drawn=st.lists(trades(keys=12), max_size=10), at=st.integers(0, 10))
def test_how_trades_are_cut_into_batches_decides_nothing(drawn: list[Trade], at: int) -> None:
    """Group commit is invisible: one batch or two give the same answers and the same ledger."""
    whole, parts = MemoryLedger(), MemoryLedger()
    together = whole.place(*drawn)
    apart = parts.place(*drawn[:at]) + parts.place(*drawn[at:])
    assert list(map(str, together)) == list(map(str, apart))
    assert whole.orders == parts.orders
    assert whole.stocks == parts.stocks


@given(batches)
def test_a_key_belongs_to_its_first_accepted_body(drawn: Sequence[Sequence[Trade]]) -> None:
    """I2."""
    ledger = MemoryLedger()
    for batch in drawn:
        ledger.place(*batch)
    owners = {order.key: order for order in ledger.orders}
    for trade in (trade for batch in drawn for trade in batch):
        owner = owners.get(trade.key)
        if owner is not None and not owner.is_of(trade):
            assert isinstance(ledger.decide([trade]).answers[0], KeyReused)
