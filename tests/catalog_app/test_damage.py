"""A damaged ledger is served to nobody, and decides nothing (I8)."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection

from bazaar.core.failures import Unreachable
from bazaar.core.ledger import Batch
from bazaar.core.types import Position
from bazaar.runtime.damage import damage
from bazaar.runtime.metrics import events
from bazaar.runtime.verifier import Verifier
from bazaar.web.endpoint import Endpoint
from catalog_app import models, selectors, services, views, wiring
from catalog_app.lease_table import LeaseTableShell
from tests.catalog_app.conftest import LEADER, TERM
from tests.support.databases import TURN_S
from tests.support.histories import STOCK, make_trade
from tests.support.routes import HEALTH, METRICS

OPEN = {"/ledger", "/find", "/rows", "/changes", "/stocks", "/status"}
OPEN |= {"/spans", "/end", "/active", *HEALTH, *METRICS}
"""
What says how it is, what an audit reads, and what ends the process.

The ledger checks its pages; rows are read as they are stored, damaged ones too.
"""


@pytest.fixture(autouse=True)
def ledger(catalog: None, lease_table: LeaseTableShell) -> None:
    """Make a ledger of two trades, and listen for damage."""
    damage.on_found = wiring.damage_found
    for number in (1, 2):
        place(number)


def place(number: int) -> None:
    after = selectors.LEDGER.head.position
    services.place_batch(batch=Batch(TERM, LEADER, after, (make_trade(number),)))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def guarded() -> list[Endpoint]:
    return [endpoint for endpoint in views.ENDPOINTS if endpoint.path not in OPEN]


@pytest.mark.parametrize("endpoint", guarded(), ids=lambda one: one.path)
def test_nothing_is_answered_from_a_damaged_ledger(endpoint: Endpoint) -> None:
    damage.report("order 1")
    for action in endpoint.actions:
        arguments = [action.example or action.request()] if action.request else []
        with pytest.raises(Unreachable, match="damaged at order 1"):
            action.handler(*arguments)


def test_the_status_says_where_it_is_damaged() -> None:
    assert (wiring.status().is_ready, wiring.status().not_deciding) == (True, "")
    damage.report("order 1")
    (ledger, disk) = wiring.list_checks()
    assert "damaged at order 1" in ledger.problem
    assert disk.is_ok
    status = wiring.status()
    assert not status.is_ready
    assert "damaged at order 1" in status.not_deciding
    newest = events.snapshot()[-1]
    assert (newest.phrase, newest.fields) == ("ledger damaged", {"at": "order 1"})


def test_the_check_in_the_background_finds_it() -> None:
    execute("UPDATE catalog_app_entry SET quantity = 7 WHERE order_no = 1")
    Verifier(selectors.POINTS, TURN_S).round()
    assert damage.where == "order 1"


def test_a_page_with_a_damaged_order_is_not_served() -> None:
    """The replicas would take themselves for the damaged ones."""
    execute("UPDATE catalog_app_entry SET quantity = 7 WHERE order_no = 2")
    with pytest.raises(Unreachable, match="order 2"):
        selectors.LEDGER.page(Position(0), 10)


def test_a_known_key_is_not_answered_with_a_damaged_order() -> None:
    """I2."""
    execute("UPDATE catalog_app_entry SET quantity = 7 WHERE order_no = 2")
    with pytest.raises(Unreachable, match="order 2"):
        place(2)
    assert damage.where == "order 2"


def place_third() -> None:
    services.place_batch(batch=Batch(TERM, LEADER, Position(2), (make_trade(3),)))


def change_price() -> None:
    services.change_price(stock_name=STOCK.name, price=Decimal(2))


@pytest.mark.parametrize("decide", [place_third, change_price])
def test_no_history_goes_on_from_a_damaged_end(decide: Callable[[], None]) -> None:
    """I1, I8: each later digest would differ from the replicas'."""
    execute("UPDATE catalog_app_entry SET digest = 'f' WHERE order_no = 2")
    with pytest.raises(Unreachable, match="entry 2"):
        decide()
    assert models.Entry.objects.count() == 2
    assert selectors.LEDGER.read_head().position == 2
    assert damage.where == "entry 2"


def test_the_end_is_checked_before_the_catalog_serves() -> None:
    execute("UPDATE catalog_app_entry SET quantity = 7 WHERE order_no = 1")
    wiring._check_end()
    assert damage.where == "order 1"


def test_a_table_that_is_gone_is_damage_at_the_start() -> None:
    execute("DROP TABLE catalog_app_entry")
    wiring._check_end()
    assert "no such table" in damage.where
