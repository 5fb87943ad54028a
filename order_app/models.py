"""An order replica's tables: its order log and the highest term it knows."""

from django.db import models
from django.db.models import Q

from bazaar.core.access import TOKEN_NAME_CHARS_MAX
from bazaar.core.types import STOCK_NAME_CHARS_MAX
from bazaar.runtime.identity_row import IdentityRow
from bazaar.runtime.row_copies import make_copy
from bazaar.runtime.sequence_models import (
    StockChangeRow,
    VerifiedPointRow,
    order_constraints,
)


class LogEntry(models.Model):
    """One order of the log, with the digest of the history up to and including it."""

    order_no = models.BigIntegerField(primary_key=True)
    key = models.UUIDField(unique=True)
    stock_name = models.CharField(max_length=STOCK_NAME_CHARS_MAX)
    trade_type = models.CharField(max_length=4)
    quantity = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    placed_by = models.CharField(max_length=TOKEN_NAME_CHARS_MAX, null=True)
    """The name of the token that it was sent with."""

    class Meta:
        """What an order can be."""

        constraints = order_constraints("log")

    def __str__(self) -> str:
        return f"{self.order_no}: {self.trade_type} {self.quantity} {self.stock_name}"


class StockChange(StockChangeRow):
    """One listing, or one price, at its place in the log."""


class VerifiedPoint(VerifiedPointRow):
    """How far the log was checked."""


class Identity(IdentityRow):
    """The cluster of this log."""

    copy = make_copy("cluster_id")


class HeardTerm(models.Model):
    """The one row with the highest term known and its leader (I5, I6)."""

    id = models.BigIntegerField(primary_key=True, default=1)
    term = models.BigIntegerField()
    leader = models.IntegerField(null=True)
    copy = make_copy("term", "leader")

    class Meta:
        """Exactly one row."""

        constraints = [models.CheckConstraint(name="heard_term_is_one_row", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"term {self.term}, leader {self.leader}"
