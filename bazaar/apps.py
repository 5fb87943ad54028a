"""The shared code as a Django app: it brings the commands and the system checks."""

from django.apps import AppConfig


class BazaarConfig(AppConfig):
    """Registers the checks; starts nothing (loops start in `wsgi`)."""

    name = "bazaar"

    def ready(self) -> None:
        """Register the checks of `manage.py check`."""
        from bazaar.runtime import database_check  # noqa: F401, PLC0415 - registers by being imported
