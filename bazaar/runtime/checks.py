"""System checks: what can only be said once Django is set up."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError


@register("bazaar")
def check_database(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Say when the role's database cannot be opened."""
    if not has_database():
        return []
    name = settings.DATABASES[DEFAULT_DB_ALIAS].get("NAME")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return [
            Error(
                f"BAZAAR_DATA_DIR: the database {name} cannot be used: {error}.", id="bazaar.E001"
            )
        ]
    return []


def has_database() -> bool:
    """Tell whether the role keeps one; Django puts a dummy where it does not."""
    return str(connection.settings_dict["ENGINE"]) != "django.db.backends.dummy"


def find_missing_migrations() -> list[str]:
    """Return the migrations that the role's database lacks; none without a database."""
    if not has_database():
        return []
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
