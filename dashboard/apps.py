"""The dashboard as a Django app."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Starts nothing; `wiring.start` does."""

    name = "dashboard"
    default_auto_field = "django.db.models.BigAutoField"
