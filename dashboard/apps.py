"""The dashboard as a Django app."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Nothing happens at start: what runs begins in `wiring.start`."""

    name = "dashboard"
    default_auto_field = "django.db.models.BigAutoField"
