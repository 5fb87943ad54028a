"""I4 in the database itself: it refuses wrong rows, whoever writes them."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from bazaar.core.types import GENESIS
from catalog_app.models import Entry, HolderRegistration, Leadership, Stock
from tests.support.databases import refusal
from tests.support.histories import STOCK

pytestmark = pytest.mark.usefixtures("catalog")

GOOD_STOCK = {**asdict(STOCK), "name": "New"}
GOOD_ENTRY: dict[str, Any] = {
    "order_no": 1,
    "key": UUID(int=1),
    "stock_id": STOCK.name,
    "trade_type": "buy",
    "quantity": 1,
    "term": 1,
    "digest": GENESIS,
    "version": 2,
}


def refuses(model: type[Any], reason: str, **fields: Any) -> None:
    """Check that the database takes no such row, for one constraint's sake."""

    def create() -> None:
        with transaction.atomic():
            model.objects.create(**fields)
            connection.check_constraints()

    with pytest.raises(IntegrityError, match=reason):
        create()


def test_good_rows_are_taken() -> None:
    Stock.objects.create(**GOOD_STOCK)
    Entry.objects.create(**GOOD_ENTRY)
    connection.check_constraints()


ISSUED, OPENING = "stock_quantity_within_issued", "stock_opening_within_issued"
VOLUME = "stock_bought_and_sold_not_negative"


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        (ISSUED, {"quantity": -1, "trade_volume": 1001}),
        (ISSUED, {"quantity": 2001, "trade_volume": 1001}),
        (ISSUED, {"issued": 999, "opening": 999, "trade_volume": 1}),
        (OPENING, {"opening": -1, "trade_volume": 1001}),
        (OPENING, {"opening": 2001, "trade_volume": 1001}),
        (VOLUME, {"quantity": 999}),  # one bought, but no volume
        (VOLUME, {"quantity": 1001}),  # one sold, but no volume
        (VOLUME, {"quantity": 990, "trade_volume": 9}),
        (VOLUME, {"quantity": 1010, "trade_volume": 9}),
        (VOLUME, {"trade_volume": -1}),
        ("stock_price_positive", {"price": 0}),
        ("stock_price_positive", {"price": -1}),
        ("stock_version_positive", {"version": 0}),
        (refusal("UNIQUE", "name"), {"name": STOCK.name}),
        (refusal("NOT NULL", "name"), {"name": None}),
        (refusal("NOT NULL", "price"), {"price": None}),
        (refusal("NOT NULL", "quantity"), {"quantity": None}),
    ],
)
def test_a_wrong_stock_is_refused(reason: str, wrong: dict[str, Any]) -> None:
    refuses(Stock, reason, **{**GOOD_STOCK, **wrong})


@pytest.mark.parametrize("wrong", [{"quantity": -1}, {"quantity": 2001}, {"quantity": 999}])
def test_a_stock_cannot_be_changed_into_a_wrong_one(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Stock.objects.filter(name=STOCK.name).update(**wrong)


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("entry_order_no_from_1", {"order_no": 0}),
        ("entry_order_no_from_1", {"order_no": -1}),
        ("entry_quantity_from_1", {"quantity": 0}),
        ("entry_quantity_from_1", {"quantity": -1}),
        ("entry_trade_type_known", {"trade_type": "hold"}),
        ("entry_trade_type_known", {"trade_type": "BUY"}),
        ("entry_trade_type_known", {"trade_type": ""}),
        ("(?i)foreign key", {"stock_id": "NoSuchCo"}),
        (refusal("NOT NULL", "key"), {"key": None}),
        (refusal("NOT NULL", "digest"), {"digest": None}),
        (refusal("NOT NULL", "term"), {"term": None}),
    ],
)
def test_a_wrong_entry_is_refused(reason: str, wrong: dict[str, Any]) -> None:
    refuses(Entry, reason, **{**GOOD_ENTRY, **wrong})


@pytest.mark.parametrize("same", ["order_no", "key"])
def test_a_number_and_a_key_are_used_once(same: str) -> None:
    """I1 and I2, even if the code above were wrong."""
    Entry.objects.create(**GOOD_ENTRY)
    other = {**GOOD_ENTRY, "order_no": 2, "key": UUID(int=2)}
    refuses(Entry, refusal("UNIQUE", same), **{**other, same: GOOD_ENTRY[same]})


def test_a_stock_with_orders_cannot_be_removed() -> None:
    Entry.objects.create(**GOOD_ENTRY)
    with pytest.raises(ProtectedError):
        Stock.objects.filter(name=STOCK.name).delete()


def test_there_is_one_leadership_row_only() -> None:
    """I6: two rows would be two leaders."""
    refuses(Leadership, "leadership_is_one_row", pk=2, term=9, leader=1)
    assert Leadership.objects.count() == 1


def test_rows_name_themselves_in_the_words_of_the_design() -> None:
    assert str(Stock(name="x")) == "x"
    assert str(Entry(**GOOD_ENTRY)) == "1: buy 1 MenhirCo"
    assert str(Leadership(term=3, leader=2)) == "term 3, leader 2"
    row = HolderRegistration(holder_id=UUID(int=1), host="h", control_port=2)
    assert str(row) == f"{UUID(int=1)} at h:2"
