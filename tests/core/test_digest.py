"""The hash chain: equal digests mean equal histories (I8)."""

from dataclasses import replace
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.digest import chain, extend, link
from bazaar.core.types import GENESIS, START, Order, OrderNo, TradeType
from tests.core.history import histories, make_order, make_orders, make_trade


def test_an_empty_history_has_the_digest_it_began_with() -> None:
    assert chain(START, ()).digest == GENESIS


def test_a_digest_stays_what_it_was_in_earlier_versions() -> None:
    """A changed formula would make every stored log look corrupt (I8)."""
    expected = "dc9f4cd0b39495ae6f7c66cd2d4ca04dbfbaa0c49314e6217f5b4803c79e0406"
    assert extend(START, make_order(1)).digest == expected


def test_the_digest_of_an_order_with_a_name() -> None:
    """I8: docs/PROTOCOL.md says how it is made, and databases have it."""
    order = replace(make_order(1), placed_by="bob")
    text = f"{GENESIS}|by|bob|1|{order.key}|buy|1|GameStart"
    assert extend(START, order).digest == sha256(text.encode()).hexdigest()


@given(orders=histories(), at=st.integers(0, 12))
def test_a_history_may_be_digested_in_parts(orders: tuple[Order, ...], at: int) -> None:
    assert chain(chain(START, orders[:at]), orders[at:]) == chain(START, orders)


@given(orders=histories())
def test_linking_gives_the_digest_at_every_order(orders: tuple[Order, ...]) -> None:
    for number, (_, head) in enumerate(link(START, orders), start=1):
        assert head == chain(START, orders[:number])


@given(orders=histories(), at=st.data())
def test_a_change_of_any_field_changes_the_digest(
    orders: tuple[Order, ...], at: st.DataObject
) -> None:
    if not orders:
        return
    order = at.draw(st.sampled_from(orders))
    other_type = TradeType.SELL if order.trade_type is TradeType.BUY else TradeType.BUY
    changed = (
        replace(order, order_no=OrderNo(order.order_no + 1)),
        replace(order, key=make_trade(2000).key),
        replace(order, stock_name=order.stock_name + "|"),
        replace(order, trade_type=other_type),
        replace(order, quantity=order.quantity + 1),
        replace(order, placed_by="ann" if order.placed_by is None else None),
    )
    before = chain(START, orders)
    for other in changed:
        index = order.order_no - 1
        assert chain(START, (*orders[:index], other, *orders[index + 1 :])) != before


def test_order_matters() -> None:
    first, second = make_orders(2)
    assert chain(START, (second, first)) != chain(START, (first, second))


def test_a_name_cannot_imitate_the_fields_before_it() -> None:
    """The name is the only field that may hold the separator, and it comes last."""
    one = make_order(1, make_trade(1, quantity=1, name="2|X"))
    other = make_order(1, make_trade(1, quantity=12, name="X"))
    assert extend(START, one) != extend(START, other)


def test_a_name_of_a_stock_cannot_imitate_who_placed_the_order() -> None:
    order = make_order(1)
    named = replace(order, placed_by="bob")
    without = [
        replace(order, stock_name=name)
        for name in (f"by|bob|{order.stock_name}", f"{order.stock_name}|bob", "|by|bob|")
    ]
    assert len({extend(START, one).digest for one in (named, order, *without)}) == 5
