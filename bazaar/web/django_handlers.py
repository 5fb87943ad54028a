"""Django behind the router: pages, static files, and paths that nobody has."""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from whitenoise import WhiteNoise

from bazaar.web.dispatch import Application


class ControlRequest(WSGIRequest):
    """A request at the control port, which has a URLconf of its own."""

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self.urlconf = settings.BAZAAR_CONTROL_URLCONF


class ControlHandler(WSGIHandler):
    """Django for the control port."""

    request_class = ControlRequest


def make_served() -> Application:
    """Return Django for the served port, with the static files of all apps."""
    apps.populate(settings.INSTALLED_APPS)
    static = WhiteNoise(WSGIHandler())
    for app in reversed(list(apps.get_app_configs())):  # the first one wins, as for templates
        if (folder := Path(app.path) / "static").is_dir():
            static.add_files(str(folder), prefix="static/")
    application: Application = static
    return application


def make_control() -> Application:
    """Return Django for the control port."""
    apps.populate(settings.INSTALLED_APPS)
    application: Application = ControlHandler()
    return application
