"""The log's own database refuses what no order can be (I1, I2, I6)."""

from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from bazaar.core.types import GENESIS
from order_app.models import HeardTerm, LogEntry
from tests.support.databases import refusal

pytestmark = pytest.mark.django_db

GOOD: dict[str, Any] = {
    "order_no": 1,
    "key": UUID(int=1),
    "stock_name": "MenhirCo",
    "trade_type": "buy",
    "quantity": 1,
    "digest": GENESIS,
}


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("log_order_no_from_1", {"order_no": 0}),
        ("log_order_no_from_1", {"order_no": -1}),
        ("log_quantity_from_1", {"quantity": 0}),
        ("log_trade_type_known", {"trade_type": "hold"}),
        ("log_trade_type_known", {"trade_type": ""}),
        (refusal("NOT NULL", "key"), {"key": None}),
        (refusal("NOT NULL", "digest"), {"digest": None}),
        (refusal("NOT NULL", "stock_name"), {"stock_name": None}),
    ],
)
def test_a_wrong_order_is_refused(reason: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=reason), transaction.atomic():
        LogEntry.objects.create(**{**GOOD, **wrong})


@pytest.mark.parametrize("same", ["order_no", "key"])
def test_a_number_and_a_key_are_used_once(same: str) -> None:
    LogEntry.objects.create(**GOOD)
    other = {**GOOD, "order_no": 2, "key": UUID(int=2), same: GOOD[same]}
    with pytest.raises(IntegrityError, match=refusal("UNIQUE", same)), transaction.atomic():
        LogEntry.objects.create(**other)


def test_one_term_is_remembered_only() -> None:
    HeardTerm.objects.create(pk=1, term=3, leader=1)
    with pytest.raises(IntegrityError, match="heard_term_is_one_row"), transaction.atomic():
        HeardTerm.objects.create(pk=2, term=4, leader=2)


def test_rows_name_themselves_in_the_words_of_the_design() -> None:
    assert str(LogEntry(**GOOD)) == "1: buy 1 MenhirCo"
    assert str(HeardTerm(term=3, leader=None)) == "term 3, leader None"
