"""The database of a process that becomes its role: whether it can be served."""

from django.apps import apps
from django.conf import settings

from bazaar.cluster import ledger_guard
from bazaar.cluster.data_dir import DataDir
from bazaar.runtime.damage import damage
from bazaar.runtime.database import find_missing_migrations, has_file
from bazaar.runtime.settling import settle_identity
from bazaar.runtime.storage import await_storage
from bazaar.settings.env import SettingsError
from bazaar.settings.typed import make_ready, make_tables
from bazaar.topology import Role


def open_database() -> None:
    """
    Load the models, and check the database; what is damaged, the room mends.

    `django.setup` would also load what only pages need; that comes with the first of them
    (docs/adr/0045). Raises SettingsError, ClusterError: it cannot be served.
    """
    role = settings.BAZAAR_ROLE
    assert role is not None, "only a role has a database"
    apps.populate(settings.INSTALLED_APPS)
    missing: list[str] = []
    with damage:
        missing = await_storage(find_missing_migrations)
    if role is Role.CATALOG and has_file():
        ledger_guard.check_files(DataDir(settings.BAZAAR_DATA_DIR), settings.BAZAAR_TOPOLOGY)
    if missing:
        lacks, node_id = f"the database lacks {', '.join(missing)}", settings.BAZAAR_NODE.id
        if settings.BAZAAR_DATABASE_GIVEN:  # which no command for a cluster takes
            raise SettingsError(
                f"BAZAAR_DATABASE_URL: {lacks}; `{make_tables(role, node_id)}`, with this variable "
                "set, makes it ready."
            )
        ready = make_ready(role, node_id, settings.BAZAAR_DATA_DIR)
        raise SettingsError(f"BAZAAR_DATA_DIR: {lacks}; `{ready}` makes it ready.")
    with damage:
        await_storage(settle_identity)
