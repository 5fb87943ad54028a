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
from bazaar.settings.typed import make_ready
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
        ready = make_ready(role, settings.BAZAAR_NODE.id, settings.BAZAAR_DATA_DIR)
        raise SettingsError(
            f"BAZAAR_DATA_DIR: the database lacks {', '.join(missing)}; `{ready}` makes it ready."
        )
    with damage:
        await_storage(settle_identity)
