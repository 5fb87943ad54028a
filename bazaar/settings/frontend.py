"""A front end: serves stocks from its cache, forwards trades; stores nothing."""

import os

from bazaar.settings import env
from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import INSTALLED_APPS
from bazaar.topology import Role

BAZAAR_ROLE = Role.FRONT_END
BAZAAR_NODE = env.read_node(os.environ, BAZAAR_ROLE)
BAZAAR_SECRET = env.read_secret(os.environ)
env.begin_tls(env.read_topology(os.environ), env.read_data_dir(os.environ))
SECRET_KEY = env.derive(BAZAAR_SECRET, f"{BAZAAR_ROLE}-{BAZAAR_NODE.id}")
INSTALLED_APPS = [*INSTALLED_APPS, "frontend_app", "drf_spectacular_sidecar"]
ROOT_URLCONF = "bazaar.urls.frontend"
BAZAAR_CONTROL_URLCONF = "bazaar.urls.frontend_control"
BAZAAR_ENDPOINTS = "frontend_app.views"
BAZAAR_WIRING = "frontend_app.wiring"
