"""
All roles in one process, for the tests, with one database and a fixed secret.

The dashboard's middleware is left to its own tests (`tests/dashboard`). A test that calls one
role's URLs picks its URLconf itself (`tests.support.listeners`). Outside of pytest, which keeps the
database in a file (`tests/conftest.py`), it is in memory; with BAZAAR_TEST_DATABASE_URL it is on a
server (`tests/engines`).
"""

import os
import tempfile

os.environ.setdefault("BAZAAR_DATA_DIR", tempfile.gettempdir())

from bazaar.settings import database_url
from bazaar.settings.admin import *  # noqa: F403
from bazaar.settings.admin import ADMIN_APPS, ADMIN_TEMPLATES
from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import BAZAAR_TOPOLOGY, INSTALLED_APPS
from bazaar.topology import Role

BAZAAR_ROLE = Role.FRONT_END
BAZAAR_NODE = BAZAAR_TOPOLOGY.front_end(1)
BAZAAR_SECRET = b"a secret that only the tests know, 32 bytes or more"
SECRET_KEY = "only for the tests"  # noqa: S105
ROOMS = [role.app for role in Role if role.app not in ADMIN_APPS]
INSTALLED_APPS = [*ADMIN_APPS, *INSTALLED_APPS, *ROOMS]
TEMPLATES = ADMIN_TEMPLATES
ROOT_URLCONF = "bazaar.urls.frontend"
BAZAAR_CONTROL_URLCONF = "bazaar.urls.frontend_control"
BAZAAR_ENDPOINTS = "frontend_app.views"
BAZAAR_WIRING = "frontend_app.wiring"
BAZAAR_TOKEN: str | None = None
BAZAAR_FAULT_BUTTONS = True
BAZAAR_FAULT_INJECTOR = "bazaar.cluster.fault_injection.FaultInjector"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            # As in a role, but nothing here must survive a power cut.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
    }
}
if _url := os.environ.get("BAZAAR_TEST_DATABASE_URL"):
    DATABASES = {"default": database_url.parse(_url).make_settings(3.5, 3.0)}
    if _url.startswith("mysql"):
        DATABASES["default"]["TEST"] = {"COLLATION": database_url.MARIADB_COLLATION}
