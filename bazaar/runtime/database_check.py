"""The database in `manage.py check`; a role looks at its own when it starts."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from bazaar.runtime.database import find_database_fault


@register("bazaar")
def check_database(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error of the system check when the database cannot be opened."""
    fault = find_database_fault()
    return [Error(fault, id="bazaar.E001")] if fault else []
