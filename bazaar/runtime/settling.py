"""Which cluster this process and its database belong to (docs/adr/0031)."""

from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings

from bazaar.protocol import identity
from bazaar.runtime.damage import damage
from bazaar.runtime.row_copies import find_wrong_row
from bazaar.settings.env import SettingsError


def settle_identity() -> None:
    """
    Compare the database's identity with that of the data folder.

    Writes the one that is missing in the database; a damaged one is none. Raises SettingsError: it
    is of another cluster.
    """
    wanted: UUID | None = settings.BAZAAR_CLUSTER_ID
    for model in apps.get_models():
        if getattr(model, "IS_IDENTITY", False):
            if where := find_wrong_row(model):
                damage.report(where)
                continue
            rows: Any = model._default_manager  # noqa: SLF001 - Django's own name for it
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
