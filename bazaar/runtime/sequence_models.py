"""What the tables of ledger and logs have in common, for the models of the rooms."""

from django.db import models
from django.db.models import Q

from bazaar.core.types import STOCK_NAME_CHARS_MAX, TradeType
from bazaar.runtime.row_copies import make_copy

PRICE_CHARS_MAX = 20


def order_constraints(prefix: str) -> list[models.BaseConstraint]:
    """Return the constraints of an order's columns; prefix: of their names."""
    return [
        models.CheckConstraint(name=f"{prefix}_order_no_from_1", condition=Q(order_no__gte=1)),
        models.CheckConstraint(name=f"{prefix}_quantity_from_1", condition=Q(quantity__gte=1)),
        models.CheckConstraint(
            name=f"{prefix}_trade_type_known", condition=Q(trade_type__in=list(TradeType))
        ),
    ]


class StockChangeRow(models.Model):
    """One stock change at its position; the base of the rooms' models."""

    position = models.BigIntegerField(primary_key=True)
    change_no = models.BigIntegerField(unique=True)
    """Its number among the changes, dense from 1."""
    stock_name = models.CharField(max_length=STOCK_NAME_CHARS_MAX)
    price = models.CharField(max_length=PRICE_CHARS_MAX)
    """The text that is in the digest."""
    opening = models.BigIntegerField()
    issued = models.BigIntegerField()
    version = models.BigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        """No table of its own."""

        abstract = True

    def __str__(self) -> str:
        return f"{self.position}: {self.stock_name} at {self.price}"


class VerifiedPointRow(models.Model):
    """An entry up to which the sequence was checked."""

    position = models.BigIntegerField(primary_key=True)
    order_no = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    """Of the hash chain, up to here."""
    content = models.CharField(max_length=64)
    """Of all columns since the point before, those outside the hash chain too."""
    copy = make_copy("position", "order_no", "digest", "content")

    class Meta:
        """No table of its own, and nothing that staff may do to it."""

        abstract = True
        default_permissions = ()

    def __str__(self) -> str:
        return f"verified up to {self.position}"
