"""Listing and prices are entries of the ledger: I3, I11 (docs/DESIGN.md 4.4)."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from bazaar.core.failures import NotLeader, NotReplicated, UnknownStock
from bazaar.core.ledger import Batch
from bazaar.core.replay import StockReplay
from bazaar.core.types import Position, StockChange, TradeType, Version
from catalog_app import models, selectors, services
from catalog_app.models import Leadership, Stock
from tests.catalog_app.conftest import LEADER, TERM
from tests.catalog_app.fakes import CopyingLeader
from tests.support.histories import STOCK, make_order, make_page, make_trade

pytestmark = pytest.mark.usefixtures("lease_table")


def change(price: str) -> None:
    services.change_price(stock_name=STOCK.name, price=Decimal(price))


def trade(number: int) -> None:
    after = selectors.LEDGER.head.position
    services.place_batch(batch=Batch(TERM, LEADER, after, (make_trade(number),)))


@pytest.mark.usefixtures("catalog")
def test_a_price_is_an_entry_between_orders(leader: CopyingLeader) -> None:
    """I11; the leader has it copied before anybody is told (I3)."""
    trade(1)
    change("13")
    assert leader.replicated == [2]
    trade(2)
    page = selectors.LEDGER.page(Position(0), 10)
    price = StockChange(STOCK.name, Decimal("13.00"), STOCK.opening, STOCK.issued, Version(3))
    assert page.entries == (make_order(1), price, make_order(2))
    assert selectors.LEDGER.find_fault() == ""
    assert selectors.get_stock(stock_name=STOCK.name).version == 4


@pytest.mark.usefixtures("catalog")
def test_a_price_that_no_leader_copies_is_an_indefinite_failure(
    leader: CopyingLeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I9: it is changed, and may be lost with the catalog."""
    monkeypatch.setattr(services, "REPLICATE_TIMEOUT_S", 0.0)
    leader.failures.append(NotLeader())
    with pytest.raises(NotReplicated, match="in the ledger, but no leader has copied it") as caught:
        change("13")
    assert not caught.value.is_definite
    assert selectors.get_stock(stock_name=STOCK.name).price == Decimal(13)


@pytest.mark.usefixtures("catalog")
def test_an_election_in_between_is_waited_for(leader: CopyingLeader) -> None:
    leader.failures += [NotLeader(), NotLeader()]
    change("13")
    assert leader.replicated == [1]


@pytest.mark.usefixtures("catalog")
def test_before_the_first_leader_nobody_has_to_copy(leader: CopyingLeader) -> None:
    Leadership.objects.update(term=0, leader=None)
    change("13")
    assert leader.replicated == []


@pytest.mark.usefixtures("catalog")
def test_a_trade_without_a_leader_is_copied_too(leader: CopyingLeader) -> None:
    services.trade_directly(stock_name=STOCK.name, trade_type=TradeType.BUY, quantity=1)
    assert leader.replicated == [1]


@pytest.mark.usefixtures("catalog")
def test_a_price_of_no_stock_enters_nothing(leader: CopyingLeader) -> None:
    with pytest.raises(UnknownStock):
        services.change_price(stock_name="none", price=Decimal(1))
    assert (selectors.LEDGER.head.position, leader.replicated) == (0, [])


@pytest.mark.django_db
@pytest.mark.parametrize("name", services.STOCK_SETS)
def test_the_ledger_alone_gives_a_listed_set(name: str) -> None:
    """I11."""
    listed = services.load_stocks(name=name)
    page = selectors.LEDGER.page(Position(0), 5000)
    assert len(page.entries) == page.last == listed
    replay = StockReplay()
    replay.take_all(page.entries)
    assert list(replay.stocks) == list(Stock.objects.order_by("pk").values_list("name", flat=True))
    for found in replay.stocks.values():
        assert found == selectors.get_stock(stock_name=found.name)
    assert selectors.LEDGER.find_fault() == ""


@pytest.mark.django_db(transaction=True)
def test_a_ledger_of_before_lists_its_stocks_behind_its_orders() -> None:
    """A catalog of an earlier version starts with its data; its digests stay."""
    executor = MigrationExecutor(connection)
    executor.migrate([("catalog_app", "0003_registrations_are_remembered")])
    try:
        old: Any = executor.loader.project_state(
            [("catalog_app", "0003_registrations_are_remembered")]
        ).apps
        old.get_model("catalog_app", "Stock").objects.create(
            **{name: getattr(STOCK, name) for name in STOCK.__slots__}
        )
        with connection.cursor() as cursor:
            order = make_order(1)
            cursor.execute(
                "INSERT INTO catalog_app_entry VALUES (1, %s, 'buy', 1, 1, %s, 2, %s)",
                [order.key.hex, make_page(1).digest, STOCK.name],
            )
            cursor.execute(
                "UPDATE catalog_app_stock SET quantity = 999, trade_volume = 1, version = 2"
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    (listed,) = models.StockChange.objects.all()
    assert (listed.position, listed.change_no, listed.version, listed.price) == (2, 1, 2, "12.50")
    assert selectors.LEDGER.digest_at(Position(1)) == make_page(1).digest
    replay = StockReplay()
    replay.take_all(selectors.LEDGER.page(Position(0), 10).entries)
    assert replay.stocks[STOCK.name] == selectors.get_stock(stock_name=STOCK.name)
