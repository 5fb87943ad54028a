"""The identity of a cluster in each of its databases (docs/adr/0031)."""

from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import models

from bazaar.protocol import identity
from bazaar.settings.env import SettingsError


class IdentityRow(models.Model):
    """The one row that says to which cluster a database belongs; a base of the rooms' models."""

    cluster_id = models.UUIDField(null=True)

    class Meta:
        """No table of its own."""

        abstract = True

    def __str__(self) -> str:
        return f"cluster {self.cluster_id}"


def settle_identity() -> None:
    """
    Compare the database's identity with that of the data folder; write the one that is missing.

    Raises SettingsError: the database is of another cluster.
    """
    wanted: UUID | None = settings.BAZAAR_CLUSTER_ID
    for model in apps.get_models():
        if issubclass(model, IdentityRow):
            rows: models.Manager[IdentityRow] = model._default_manager  # noqa: SLF001 - Django's
            row, _ = rows.get_or_create(pk=1)
            if row.cluster_id is None and wanted is not None:
                rows.filter(pk=1).update(cluster_id=wanted)
            elif wanted is None:
                wanted = row.cluster_id
            elif row.cluster_id != wanted:
                name = settings.DATABASES["default"]["NAME"]
                raise SettingsError(
                    f"{name} is a database of the cluster {row.cluster_id}, but this is the "
                    f"cluster {wanted} (cluster.id in {settings.BAZAAR_DATA_DIR}). Put the "
                    "database of this cluster in its place."
                )
    identity.note_cluster(str(wanted or ""))
