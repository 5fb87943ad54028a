"""
Settings that all roles share; also those of commands without a role.

A role's module adds what only it has. Nothing else in the project reads the environment.
"""

import os
from contextlib import suppress
from typing import Any

from bazaar.settings import client_access, data_folder, database_file, env, private
from bazaar.settings.env import DamagedDatabaseError
from bazaar.topology import Node, Role, format_host, process_name

JOURNAL_BYTES_MAX = 16 * 1024 * 1024
"""What a write-ahead log keeps on disk; it is longer only while a long read goes on."""
CHECKPOINT_PAGES = 16_384
"""
As many pages in a write-ahead log (64 MiB) make SQLite do a checkpoint by itself.

Catalog and replicas do theirs before that (`bazaar.runtime.page_verifier`), if nothing is wrong.
"""
IDLE_MARGIN_S = 0.5
"""That a session on a server may idle in a transaction beyond what one may wait for."""

env.check(os.environ)
BAZAAR_DATA_DIR = env.read_data_dir(os.environ)
BAZAAR_TOPOLOGY = env.read_topology(os.environ)
BAZAAR_LIMITS = env.read_cluster_limits(os.environ, BAZAAR_TOPOLOGY)
BAZAAR_LOG = env.read_log_style(os.environ)
BAZAAR_OTLP_ENDPOINT = env.read_otlp_endpoint(os.environ)
BAZAAR_CLUSTER_ID = env.read_cluster_id(os.environ)
BAZAAR_TOKENS_FILE = client_access.tokens_path(os.environ)
BAZAAR_TOKENS_EXPECTED = bool(os.environ.get("BAZAAR_TOKENS_FILE"))
"""Whether the file must be there: it was named."""
BAZAAR_ANONYMOUS_TRADES = client_access.read_anonymous_trades(os.environ)
BAZAAR_FAULT_BUTTONS = env.read_flag(os.environ, "BAZAAR_FAULT_BUTTONS")
BAZAAR_DATABASE_GIVEN = bool(os.environ.get("BAZAAR_DATABASE_URL"))
"""Whether this process's database was named for it alone, and not in the description."""
BAZAAR_ROLE: Role | None = None
BAZAAR_SECRET: bytes = b""
SECRET_KEY = "no role, no sessions: this key signs nothing"  # noqa: S105

DEBUG = False
ALLOWED_HOSTS = sorted(
    {"localhost", "127.0.0.1", "[::1]"}
    | {format_host(node.host) for _, node in BAZAAR_TOPOLOGY.nodes()}
    | env.read_allowed_hosts(os.environ)
)
INSTALLED_APPS = ["bazaar.apps.BazaarConfig", "rest_framework", "django.contrib.staticfiles"]
MIDDLEWARE: list[str] = []
DATABASES: dict[str, dict[str, Any]] = {}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
STATIC_URL = "/static/"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
WSGI_APPLICATION = "bazaar.wsgi.application"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024  # `web.endpoint` has the real limits

# Renderers and negotiation are chosen on `bazaar.web.view.JsonView`.
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "EXCEPTION_HANDLER": "bazaar.web.page_errors.answer_failure",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "bazaar.runtime.log_lines.make_formatter", "style": BAZAAR_LOG}},
    "filters": {"limit": {"()": "bazaar.runtime.log_lines.get_limiter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["limit"]}
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "bazaar": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # Our own mistakes, each with its traceback: who gets a 500 is told that the log has it.
        "django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        # Theirs are answered; a traceback for each would let anybody fill the disk.
        "django.security": {"level": "CRITICAL"},
    },
}


def database(role: Role, node: Node) -> dict[str, dict[str, Any]]:
    """Return the database of a role: on the server that its URL names, else SQLite."""
    os.umask(private.OWNER_ONLY)
    url = env.read_database_url(os.environ, process_name(role, node.id), node)
    if url is None:
        return {"default": _sqlite(role, node)}
    limits = BAZAAR_LIMITS
    # A transaction waits for caches, one lease at most, and for pages of replicas, one call.
    idle_s = max(limits.lease_s, limits.call_timeout_s) + IDLE_MARGIN_S
    return {"default": url.make_settings(idle_s, limits.call_timeout_s)}


def _sqlite(role: Role, node: Node) -> dict[str, Any]:
    """Return SQLite that survives a power cut."""
    path = BAZAAR_DATA_DIR / f"{process_name(role, node.id)}.sqlite3"
    does_checkpoints = role in (Role.CATALOG, Role.ORDER)
    more = f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES};" if does_checkpoints else ""
    data_folder.check_folder(path.parent)
    data_folder.keep_private(path.parent)
    with suppress(DamagedDatabaseError):  # catalog and replicas mend themselves
        database_file.check(path, role, node.id)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A transaction never starts as a read: it could not write after another one had.
            "transaction_mode": "IMMEDIATE",
            "timeout": 5.0,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                f"PRAGMA journal_size_limit={JOURNAL_BYTES_MAX};{more}"
            ),
        },
    }
