"""What the hash chain does not cover is compared with what it was: terms, versions, times (I8)."""

import pytest

from bazaar.core.ledger import Batch
from bazaar.core.types import TradeType
from bazaar.runtime.damage import damage
from bazaar.runtime.verified_points import POINT_ENTRIES
from bazaar.runtime.verifier import Verifier
from catalog_app import selectors, services
from catalog_app.lease_table import LeaseTableShell
from catalog_app.wiring import START_VERIFY_ENTRIES
from tests.catalog_app.conftest import LEADER, TERM
from tests.support.databases import TURN_S, execute
from tests.support.histories import make_trade

ROUNDS_MAX = 40
TRADES = 100
TYPES = (TradeType.SELL, TradeType.BUY)


@pytest.fixture(autouse=True)
def _catalog(catalog: None, lease_table: LeaseTableShell) -> None:
    """Make a catalog whose leases are on a clock that stands still."""


def place(count: int) -> None:
    first = selectors.LEDGER.head.position + 1
    for number in range(first, first + count, TRADES):
        numbers = range(number, min(number + TRADES, first + count))
        trades = tuple(make_trade(one, trade_type=TYPES[one % 2]) for one in numbers)
        after = selectors.LEDGER.head.position
        services.place_batch(batch=Batch(TERM, LEADER, after, trades))


def run(verifier: Verifier) -> str:
    for _ in range(ROUNDS_MAX):
        verifier.round()
        if damage.where:
            break
    return damage.where


@pytest.mark.parametrize(
    ("column", "order_no"),
    [("term", 1), ("version", POINT_ENTRIES), ("decided_ms", POINT_ENTRIES + 5)],
)
def test_a_column_outside_the_chain_is_compared_with_what_it_was(
    column: str, order_no: int
) -> None:
    place(POINT_ENTRIES + 50)
    verifier = Verifier(selectors.POINTS, TURN_S)
    assert run(verifier) == ""
    assert selectors.POINTS.last().position == POINT_ENTRIES
    execute(f"UPDATE catalog_app_entry SET {column} = {column} + 8 WHERE order_no = {order_no}")
    assert "entries" in run(verifier)


def test_a_start_checks_what_is_after_the_last_point() -> None:
    place(POINT_ENTRIES + 50)
    assert run(Verifier(selectors.POINTS, TURN_S)) == ""
    execute("UPDATE catalog_app_entry SET quantity = 7 WHERE order_no = 5")
    assert selectors.POINTS.find_fault(START_VERIFY_ENTRIES) == ""
    number = POINT_ENTRIES + 5
    execute(f"UPDATE catalog_app_entry SET quantity = 7 WHERE order_no = {number}")
    assert selectors.POINTS.find_fault(START_VERIFY_ENTRIES) == f"order {number}"


def test_a_point_that_is_not_on_the_chain_is_damage() -> None:
    place(POINT_ENTRIES)
    assert run(Verifier(selectors.POINTS, TURN_S)) == ""
    execute("UPDATE catalog_app_verifiedpoint SET digest = 'f'")
    assert selectors.POINTS.find_fault(START_VERIFY_ENTRIES) == f"entry {POINT_ENTRIES}"
