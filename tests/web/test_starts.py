"""What a role loads before it serves, and what comes with the first request that needs it."""

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from bazaar.cluster.data_dir import make_secret
from bazaar.settings import env
from bazaar.topology import Role
from bazaar.web.late import LateApplication
from tests.support.waits import WAIT_S, run_together

SCRIPT = """
import sys
from importlib import import_module
from django.apps import apps
from django.conf import settings
from bazaar.runtime.imports import FOR_PAGES, put_off
if settings.DATABASES:
    put_off(*FOR_PAGES)
    apps.populate(settings.INSTALLED_APPS)
import bazaar.web.control, bazaar.web.serving
import_module(settings.BAZAAR_WIRING)
import_module(settings.BAZAAR_ENDPOINTS)
print(*sys.modules)
"""
"""What `bazaar.wsgi` imports, without what it starts."""
LATE = (
    *("rest_framework.views", "rest_framework.response", "django.core.handlers.wsgi", "whitenoise"),
    *("prometheus_client", "django.db.migrations.executor", "opentelemetry", "granian"),
    *("frontend_app.openapi", "frontend_app.api_errors", "frontend_app.api_operations"),
    "rich",
)
"""Loaded with the first page, scrape, command, or question for the API's description."""
LATE_WITH_MODELS = ("django.forms.fields", "django.template", "sqlparse.engine")
"""Loaded with the first page where there are models; those of the dashboard's users load it."""


@pytest.mark.parametrize("role", Role)
def test_a_role_starts_without_what_only_pages_scrapes_and_commands_need(
    role: Role, tmp_path: Path
) -> None:
    make_secret(tmp_path / "cluster.secret")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={
            "DJANGO_SETTINGS_MODULE": role.settings_module,
            "BAZAAR_DATA_DIR": str(tmp_path),
            "BAZAAR_REPLICA_ID": "1",
            "PATH": "",
        },
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert f"{role.app}.wiring" in loaded
    assert loaded.isdisjoint(LATE), sorted(loaded & set(LATE))
    if role is not Role.DASHBOARD:
        assert loaded.isdisjoint(LATE_WITH_MODELS), sorted(loaded & set(LATE_WITH_MODELS))
    if role is Role.FRONT_END:
        assert loaded.isdisjoint(("django.db.models", "django.http")), "it has no database"


THREADS = 8
made: list[Callable[..., Iterable[bytes]]] = []
"""The applications that `make` has made."""
all_ask = threading.Event()
"""Set when every thread is about to ask for it."""


def make() -> Callable[..., Iterable[bytes]]:
    assert all_ask.wait(WAIT_S)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return [environ["PATH_INFO"].encode()]

    made.append(application)
    return application


def test_an_application_is_made_once_with_its_first_request() -> None:
    made.clear()
    all_ask.clear()
    late, asking = LateApplication(__name__, "make"), itertools.count(1)
    assert made == []

    def ask() -> Iterable[bytes]:
        if next(asking) == THREADS:
            all_ask.set()
        return late({"PATH_INFO": "/x"}, lambda *_: None)

    assert run_together([ask] * THREADS) == [[b"/x"]] * THREADS
    assert len(made) == 1
