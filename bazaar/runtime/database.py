"""The database of this process: its checks, migrations and size."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError

from bazaar.runtime.damage import is_damage

_FILE_ENDINGS = ("", "-wal")
"""Of the database's file and its write-ahead log."""


@register("bazaar")
def check_database(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error of the system check when the database cannot be opened."""
    if not has_database():
        return []
    name = settings.DATABASES[DEFAULT_DB_ALIAS].get("NAME")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        if is_damage(error):  # for those who read it
            return []
        return [
            Error(
                f"BAZAAR_DATA_DIR: the database {name} cannot be used: {error}.", id="bazaar.E001"
            )
        ]
    return []


def has_database() -> bool:
    """Tell whether the role has one; Django has a dummy engine for a role without."""
    return str(connection.settings_dict["ENGINE"]) != "django.db.backends.dummy"


def find_missing_migrations() -> list[str]:
    """Return the migrations that the role's database lacks; none without a database."""
    if not has_database():
        return []
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def database_bytes() -> int | None:
    """Return the size of the database in bytes; None where there is no file."""
    name = connection.settings_dict["NAME"]
    if not has_database() or not Path(name).is_file():
        return None
    return sum(file_bytes(Path(f"{name}{ending}")) for ending in _FILE_ENDINGS)


def wal_bytes() -> int:
    """Return the size of the write-ahead log in bytes; 0 when there is none."""
    return file_bytes(Path(f"{connection.settings_dict['NAME']}-wal"))


def file_bytes(path: Path) -> int:
    """Return the size of a file in bytes; 0 when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:  # SQLite removes the log when the last connection is closed
        return 0
