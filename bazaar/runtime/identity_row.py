"""The identity of a cluster in each of its databases (docs/adr/0031)."""

from django.db import models


class IdentityRow(models.Model):
    """The one row that says to which cluster a database belongs."""

    IS_IDENTITY = True
    """By this `settle_identity` finds the row of whatever role."""
    cluster_id = models.UUIDField(null=True)

    class Meta:
        """No table of its own, and nothing that staff may do to it."""

        abstract = True
        default_permissions = ()

    def __str__(self) -> str:
        return f"cluster {self.cluster_id}"
