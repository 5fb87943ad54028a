"""
Where every server enters, and the only place where background loops begin.

Importing this module makes the process a running role: it checks the settings, opens the control
port and starts the role's loops. Commands, checks and tests never import it.
"""

import gc
import logging.config
import os
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NoReturn

from django.conf import settings

from bazaar import clock
from bazaar.cluster.exits import ClusterError
from bazaar.protocol import tracing
from bazaar.runtime import log_lines
from bazaar.runtime.database import has_database
from bazaar.runtime.imports import FOR_PAGES, put_off
from bazaar.runtime.span_ring import span_ring
from bazaar.settings.env import SettingsError
from bazaar.topology import Role
from bazaar.web import control
from bazaar.web.late import LateApplication
from bazaar.web.main_process import is_managed, main_pid
from bazaar.web.router import Router

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

REFUSED = 2
GUNICORN_BOOT_ERROR = 3
"""The status of a worker that gunicorn does not replace."""
GC_CONTAINERS_MIN = 10_000
"""New containers for which a collection looks: more than a full batch of trades has on its way."""
PARENT_CHECK_S = 0.2
"""How often a server's worker looks whether its main process is still there."""


def tie_to_parent() -> None:
    """
    End this process when the server's main process is gone.

    granian's worker outlives a killed main process, goes on serving as an orphan and holds the
    port. A process that no server's main process started (runserver --noreload, say) is left alone.
    """
    if is_managed() or os.environ.get("RUN_MAIN") == "true":
        parent = os.getppid()
        main_pid[:] = [parent]
        threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        clock.wait(PARENT_CHECK_S)
    os._exit(os.EX_UNAVAILABLE)


def build() -> Application:
    """Start the role that the settings name and return its served application."""
    tie_to_parent()
    log_lines.catch_the_rest()
    if settings.BAZAAR_ROLE is None:
        raise SettingsError(
            "DJANGO_SETTINGS_MODULE names no role; use one of "
            f"{', '.join(role.settings_module for role in Role)}."
        )
    logging.config.dictConfig(settings.LOGGING)
    if has_database():
        put_off(*FOR_PAGES)
        import_module("bazaar.cluster.own_database").open_database()
    _keep_spans()
    _export_spans()
    wiring = import_module(settings.BAZAAR_WIRING)
    endpoints = import_module(settings.BAZAAR_ENDPOINTS).SERVED_ENDPOINTS
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
    gc.freeze()  # what is loaded now stays: no collection need look at it again
    gc.set_threshold(GC_CONTAINERS_MIN, *gc.get_threshold()[1:])
    gc.enable()
    pages = LateApplication("bazaar.web.django_handlers", "make_served")
    return Router(pages, endpoints)


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


gc.disable()  # what is loaded now stays, so a collection would find nothing
try:
    application = build()
except (SettingsError, ClusterError) as _error:
    _refuse(_error)
