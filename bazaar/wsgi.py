"""
Where every server enters, and the only place where background loops begin.

Importing this module makes the process a running role: it checks the settings, opens the control
port and starts the role's loops. Commands, checks and tests never import it.
"""

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.wsgi import get_wsgi_application
from whitenoise import WhiteNoise

from bazaar import clock
from bazaar.cluster import ledger_guard
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.protocol import tracing
from bazaar.runtime import log_lines
from bazaar.runtime.damage import damage
from bazaar.runtime.database import find_missing_migrations
from bazaar.runtime.settling import settle_identity
from bazaar.runtime.span_ring import span_ring
from bazaar.runtime.storage import await_storage
from bazaar.settings.env import SettingsError
from bazaar.settings.typed import make_ready
from bazaar.topology import Role
from bazaar.web import control
from bazaar.web.router import Router

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

REFUSED = 2
GUNICORN_BOOT_ERROR = 3
"""The status of a worker that gunicorn does not replace."""
PARENT_CHECK_S = 0.2
"""How often a server's worker looks whether its main process is still there."""


def is_managed() -> bool:
    """Return whether this is a worker that another process started."""
    return multiprocessing.parent_process() is not None or "gunicorn.arbiter" in sys.modules


def tie_to_parent() -> None:
    """
    End this process when the server's main process is gone.

    granian's worker outlives a killed main process, goes on serving as an orphan and holds the
    port. A process that no server's main process started (runserver --noreload, say) is left alone.
    """
    if is_managed() or os.environ.get("RUN_MAIN") == "true":
        parent = os.getppid()
        threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        clock.wait(PARENT_CHECK_S)
    os._exit(os.EX_UNAVAILABLE)


def build() -> Application:
    """Start the role that the settings name and return its served application."""
    tie_to_parent()
    log_lines.catch_the_rest()
    application: Application = get_wsgi_application()
    if settings.BAZAAR_ROLE is None:
        raise SettingsError(
            "DJANGO_SETTINGS_MODULE names no role; use one of "
            f"{', '.join(role.settings_module for role in Role)}."
        )
    _check_database()
    _keep_spans()
    _export_spans()
    wiring = import_module(settings.BAZAAR_WIRING)
    limits = settings.BAZAAR_LIMITS
    if settings.BAZAAR_NODE.control_port:
        # A worker of a front end begins while the one that it replaces, or others, still serve.
        is_front_end = settings.BAZAAR_ROLE is Role.FRONT_END
        is_shared = is_front_end and (limits.workers > 1 or is_managed())
        listener = control.open_listener(limits.control_connections_max, is_shared=is_shared)
        wiring.start()
        control.serve(listener, getattr(wiring, "move", lambda _: None))
    else:
        wiring.start()
    static = WhiteNoise(application)
    for app in reversed(list(apps.get_app_configs())):  # the first one wins, as for templates
        if (folder := Path(app.path) / "static").is_dir():
            static.add_files(str(folder), prefix="static/")
    gc.collect()
    gc.freeze()  # what is loaded now stays: no collection need look at it again
    endpoints = getattr(import_module(settings.ROOT_URLCONF), "ENDPOINTS", ())
    return Router(static, endpoints)


def _check_database() -> None:
    """Check the database and what else the role needs; what is damaged, the room mends."""
    role = settings.BAZAAR_ROLE
    assert role is not None, "the settings name one"
    missing: list[str] = []
    with damage:
        missing = await_storage(find_missing_migrations)
    if faults := [fault for fault in checks.run_checks() if fault.is_serious()]:
        raise SettingsError(" ".join(str(fault.msg) for fault in faults))
    if role is Role.CATALOG:
        ledger_guard.check_files(DataDir(settings.BAZAAR_DATA_DIR), settings.BAZAAR_TOPOLOGY)
    if missing:
        ready = make_ready(role, settings.BAZAAR_NODE.id, settings.BAZAAR_DATA_DIR)
        raise SettingsError(
            f"BAZAAR_DATA_DIR: the database lacks {', '.join(missing)}; `{ready}` makes it ready."
        )
    with damage:
        await_storage(settle_identity)


def _keep_spans() -> None:
    """Have this process remember the spans of trades, so that they can be followed."""
    if spans_max := settings.BAZAAR_LIMITS.spans_kept_max:
        span_ring.limit(spans_max)
        tracing.subscribe(span_ring)


def _export_spans() -> None:
    """Begin to export spans if that is wanted; without it OpenTelemetry is not imported."""
    if endpoint := settings.BAZAAR_OTLP_ENDPOINT:
        export = import_module("bazaar.runtime.span_export")
        tracing.subscribe(export.SpanExport(endpoint), is_sampling=True)


def _refuse(error: Exception) -> NoReturn:
    """End this process with a sentence; a server that started it does not try again."""
    style = "json" if os.environ.get("BAZAAR_LOG") == "json" else "text"
    role = str(os.environ.get("DJANGO_SETTINGS_MODULE", "")).rpartition(".")[2]
    sys.stderr.write(f"{log_lines.make_line(style, str(error), role=role)}\n")
    sys.stderr.flush()
    # Not an exception: some servers print where it came from, and runserver loads us in a thread.
    os._exit(GUNICORN_BOOT_ERROR if "gunicorn.arbiter" in sys.modules else REFUSED)


try:
    application = build()
except (SettingsError, ClusterError) as _error:
    _refuse(_error)
