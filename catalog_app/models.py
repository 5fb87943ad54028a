"""The catalog's tables; the database itself refuses what I4 forbids."""

from django.db import models
from django.db.models import F, Q

from bazaar.core.access import TOKEN_NAME_CHARS_MAX
from bazaar.core.types import GENESIS, STOCK_NAME_CHARS_MAX
from bazaar.runtime.identity_row import IdentityRow
from bazaar.runtime.row_copies import make_copy
from bazaar.runtime.sequence_models import (
    StockChangeRow,
    VerifiedPointRow,
    order_constraints,
)


class Stock(models.Model):
    """One stock; quantities in shares."""

    name = models.CharField(max_length=STOCK_NAME_CHARS_MAX, unique=True)
    price = models.DecimalField(max_digits=18, decimal_places=4)
    quantity = models.BigIntegerField()
    """Shares that the catalog holds now."""
    opening = models.BigIntegerField()
    """Shares that it held when the stock was listed."""
    issued = models.BigIntegerField()
    """Shares in existence."""
    trade_volume = models.BigIntegerField(default=0)
    """Shares bought and sold since the stock was listed."""
    version = models.BigIntegerField(default=1)
    copy = make_copy("name", "price", "quantity", "opening", "issued", "trade_volume", "version")

    class Meta:
        """I4 as constraints: bought and sold are whole numbers >= 0."""

        constraints = [
            models.CheckConstraint(
                name="stock_quantity_within_issued",
                condition=Q(quantity__gte=0) & Q(quantity__lte=F("issued")),
            ),
            models.CheckConstraint(
                name="stock_opening_within_issued",
                condition=Q(opening__gte=0) & Q(opening__lte=F("issued")),
            ),
            models.CheckConstraint(
                # bought - sold = opening - quantity, bought + sold = trade_volume
                name="stock_bought_and_sold_not_negative",
                condition=Q(trade_volume__gte=F("opening") - F("quantity"))
                & Q(trade_volume__gte=F("quantity") - F("opening")),
            ),
            models.CheckConstraint(name="stock_price_positive", condition=Q(price__gt=0)),
            models.CheckConstraint(name="stock_version_positive", condition=Q(version__gte=1)),
        ]

    def __str__(self) -> str:
        return self.name


class Entry(models.Model):
    """One accepted trade at its place in the ledger."""

    order_no = models.BigIntegerField(primary_key=True)
    key = models.UUIDField(unique=True)
    stock = models.ForeignKey(
        Stock, to_field="name", db_column="stock_name", on_delete=models.PROTECT, db_index=False
    )
    trade_type = models.CharField(max_length=4)
    quantity = models.BigIntegerField()
    term = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    version = models.BigIntegerField()
    """The version that the stock has from this entry on; the audit checks reads with it."""
    placed_by = models.CharField(max_length=TOKEN_NAME_CHARS_MAX, null=True)
    """The name of the token that it was sent with."""
    decided_ms = models.BigIntegerField(null=True)
    """When it was decided, in ms since 1970; no log has it, so one taken from there has none."""

    class Meta:
        """Every entry is an order."""

        constraints = order_constraints("entry")

    def __str__(self) -> str:
        return f"{self.order_no}: {self.trade_type} {self.quantity} {self.stock_id}"


class StockChange(StockChangeRow):
    """One listing, or one price, at its place in the ledger."""


class VerifiedPoint(VerifiedPointRow):
    """How far the ledger was checked."""


class Leadership(models.Model):
    """
    The head row: term and leader (I6), and where the ledger ends (I1).

    Changed only by compare-and-set (`head_row`).
    """

    id = models.BigIntegerField(primary_key=True, default=1)
    epoch = models.BigIntegerField(default=0)
    """Of the active catalog; 0 while there can be only one."""
    active = models.IntegerField(null=True)
    """Which catalog is active in that epoch."""
    proofs = models.BigIntegerField(default=0)
    """When the active sent its newest proof, several times a second, in us on its own clock."""
    term = models.BigIntegerField()
    leader = models.IntegerField(null=True)
    in_sync = models.CharField(max_length=300, default="")
    """The replicas in sync, as the leader of the newest batch said: ids with commas."""
    position = models.BigIntegerField(default=0)
    """Of the last entry."""
    digest = models.CharField(max_length=64, default=GENESIS)
    """Up to that entry."""
    decisions = models.BigIntegerField(default=0)
    """Raised by every decision, so that each is a write."""
    copy = make_copy(
        *("epoch", "active", "term", "leader", "in_sync", "position", "digest", "decisions")
    )

    class Meta:
        """Exactly one row."""

        constraints = [models.CheckConstraint(name="leadership_is_one_row", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"term {self.term}, leader {self.leader}"


class Identity(IdentityRow):
    """The cluster of this catalog, and this life of it."""

    incarnation = models.UUIDField(null=True)
    """Made anew at each start: whoever meets another one forgets what it knew of the last."""
    copy = make_copy("cluster_id")


class HolderRegistration(models.Model):
    """
    A registration of a process that may serve stocks from memory.

    The row survives the catalog's restart, and the lease for as long as a copy may arrive.
    """

    holder_id = models.UUIDField(primary_key=True)
    host = models.CharField(max_length=253)
    control_port = models.IntegerField()
    is_over = models.BooleanField(default=False)
    """Whether the lease is over, so that nothing has to be waited for after a restart."""
    copy = make_copy("holder_id", "host", "control_port", "is_over")

    def __str__(self) -> str:
        return f"{self.holder_id} at {self.host}:{self.control_port}"
