"""The shared ground as a Django app: it brings the commands and the system checks."""

from django.apps import AppConfig


class BazaarConfig(AppConfig):
    """Register the checks; nothing else happens at start (loops begin in `wsgi`)."""

    name = "bazaar"

    def ready(self) -> None:
        """Make the checks known to `manage.py check`."""
        from bazaar.runtime import database  # noqa: F401, PLC0415 - registers by being imported
