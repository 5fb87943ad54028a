"""A long history made in bulk."""

from collections import Counter
from uuid import UUID

from bazaar.core.digest import extend
from bazaar.core.types import START, Order, OrderNo, TradeType
from bench.prefill import rows

NAMES = ["A", "B", "C"]


def test_a_made_history_is_one_that_trades_could_have_left() -> None:
    head, shares, versions = START, Counter[str](), Counter[str]()
    keys = set()
    for at, row in enumerate(rows(NAMES, 20), start=1):
        order_no, key, name, side, quantity, _, linked, version = row
        assert order_no == at
        assert isinstance(key, str)
        assert isinstance(name, str)
        order = Order(OrderNo(at), UUID(key), name, TradeType(str(side)), 1)
        head = extend(head, order)
        assert (linked, quantity) == (head.digest, 1)
        shares[name] += 1 if side == "buy" else -1
        assert 0 <= shares[name] <= 1
        versions[name] += 1
        assert version == 1 + versions[name]
        keys.add(key)
    assert len(keys) == 20
    assert not any(shares.values())
