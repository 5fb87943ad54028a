"""The dashboard: shows the whole cluster on one page; keeps nothing yet."""

import os

from bazaar.settings import env
from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import INSTALLED_APPS

BAZAAR_ROLE = "dashboard"
BAZAAR_NODE = env.read_node(os.environ, BAZAAR_ROLE)
BAZAAR_SECRET = env.read_secret(os.environ)
SECRET_KEY = env.derive(BAZAAR_SECRET, BAZAAR_ROLE)
INSTALLED_APPS = [*INSTALLED_APPS, "dashboard"]
ROOT_URLCONF = "bazaar.urls.dashboard"
BAZAAR_WIRING = "dashboard.wiring"
