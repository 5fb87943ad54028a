"""The catalog: owns the stocks, the ledger and the leadership."""

import os

from bazaar.settings import env
from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import INSTALLED_APPS, database
from bazaar.topology import Role

BAZAAR_ROLE = Role.CATALOG
BAZAAR_NODE = env.read_node(os.environ, BAZAAR_ROLE)
BAZAAR_SECRET = env.read_secret(os.environ)
env.begin_tls(env.read_topology(os.environ), env.read_data_dir(os.environ))
SECRET_KEY = env.derive(BAZAAR_SECRET, BAZAAR_ROLE)
INSTALLED_APPS = [*INSTALLED_APPS, "catalog_app"]
DATABASES = database(BAZAAR_ROLE, BAZAAR_NODE)
ROOT_URLCONF = "bazaar.urls.catalog"
BAZAAR_CONTROL_URLCONF = "bazaar.urls.catalog_control"
BAZAAR_ENDPOINTS = "catalog_app.views"
BAZAAR_WIRING = "catalog_app.wiring"
