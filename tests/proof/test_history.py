"""Histories as lines of JSON: read back as written, and a bad line is named (issue 3, part 7)."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.types import TradeType
from bazaar.proof.history import HistoryError, Kind, Operation, read_operations, write_operations
from tests.proof.registers import run

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS)
def test_a_history_is_read_back_as_it_was_written(seed: int) -> None:
    history = run(random.Random(seed), 20)
    assert list(read_operations(write_operations(history))) == history


def test_a_line_holds_only_what_there_is_to_tell() -> None:
    trade = Operation(
        *(1, Kind.TRADE, "BoarCo", 13, 1.5), order_no=7, trade_type=TradeType.BUY, shares=2
    )
    read = Operation(2, Kind.READ, "BoarCo", 13, 1.0, 2.5, is_stale=True, price=Decimal("1.50"))
    first, second = write_operations([trade, read])
    assert first == (
        '{"client":1,"kind":"trade","stock_name":"BoarCo","version":13,"start_s":1.5,'
        '"order_no":7,"trade_type":"buy","shares":2}'
    )
    assert second == (
        '{"client":2,"kind":"read","stock_name":"BoarCo","version":13,"start_s":1.0,"end_s":2.5,'
        '"is_stale":true,"price":"1.50"}'
    )


GOOD = '"client":1,"kind":"read","stock_name":"S","version":1,"start_s":1,"end_s":2'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON: Expecting property name"),
        ("[" * 100_000, "recursion"),
        ("[1]", "not a JSON object"),
        ('{"kind":"read","stock_name":"S"}', "client is missing"),
        ('{"client":1,"kind":"trade","stock_name":"S"}', "start_s is missing"),
        ('{"client":1,"kind":"gift","stock_name":"S","start_s":1}', "kind: 'gift' is none of"),
        ('{"client":1,"kind":"read","stock_name":"S","start_s":1,"end_s":2}', "needs a version"),
        (f'{{{GOOD},"prize":1}}', "'prize' is not a field"),
        (f'{{{GOOD},"quantity":true}}', "quantity: true is of the wrong type"),
        (f'{{{GOOD},"quantity":NaN}}', "NaN is not a number"),
        (f'{{{GOOD},"price":"1,5"}}', "price: '1,5' is not a number"),
        (f'{{{GOOD},"price":"NaN"}}', "price: 'NaN' is not a number"),
        (f'{{{GOOD},"end_s":1e999}}', "end_s: inf is out of range"),
        (f'{{{GOOD},"start_s":3}}', "it ends (2) before it begins (3)"),
        (f'{{{GOOD},"version":0}}', "version 0 is less than 1"),
        (f'{{{GOOD},"kind":"price","is_stale":true}}', "a price cannot be stale"),
        (f'{{{GOOD},"trade_type":"buy"}}', "trade_type and shares go together"),
        (f'{{{GOOD},"trade_type":"buy","shares":1}}', "1 shares in a read"),
        (f'{{{GOOD},"trade_type":"lend"}}', "trade_type: 'lend' is none of buy, sell"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(line: str, reason: str) -> None:
    lines = iter([f"{{{GOOD}}}", "", line])
    operations = read_operations(lines)
    assert next(operations).end_s == 2, "lines are read one by one"
    with pytest.raises(HistoryError) as caught:
        next(operations)
    assert str(caught.value).startswith("line 3: ")
    assert reason in str(caught.value)
