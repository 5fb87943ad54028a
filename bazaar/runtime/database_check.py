"""The database in `manage.py check`; a role looks at its own when it starts."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.utils import DatabaseError

from bazaar.runtime.damage import is_damage
from bazaar.runtime.database import has_database


@register("bazaar")
def check_database(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error of the system check when the database cannot be opened."""
    if not has_database():
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        if not is_damage(error):  # which is for those who read it
            name = settings.DATABASES[DEFAULT_DB_ALIAS].get("NAME")
            fault = f"BAZAAR_DATA_DIR: the database {name} cannot be used: {error}."
            return [Error(fault, id="bazaar.E001")]
    return []
