"""One order replica; which one is in BAZAAR_REPLICA_ID."""

import os

from bazaar.settings import env
from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import INSTALLED_APPS, database
from bazaar.topology import Role

BAZAAR_ROLE = Role.ORDER
BAZAAR_NODE = env.read_node(os.environ, BAZAAR_ROLE)
BAZAAR_SECRET = env.read_secret(os.environ)
env.begin_tls(env.read_topology(os.environ), env.read_data_dir(os.environ))
SECRET_KEY = env.derive(BAZAAR_SECRET, f"{BAZAAR_ROLE}-{BAZAAR_NODE.id}")
INSTALLED_APPS = [*INSTALLED_APPS, "order_app"]
DATABASES = database(BAZAAR_ROLE, BAZAAR_NODE)
ROOT_URLCONF = "bazaar.urls.order"
BAZAAR_CONTROL_URLCONF = "bazaar.urls.order_control"
BAZAAR_ENDPOINTS = "order_app.views"
BAZAAR_WIRING = "order_app.wiring"
