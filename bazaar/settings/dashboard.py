"""The dashboard: stores users, sessions, events and an audit."""

import os

from bazaar.settings import client_access, env
from bazaar.settings.admin import *  # noqa: F403
from bazaar.settings.admin import (
    ADMIN_APPS,
    ADMIN_MIDDLEWARE,
    ADMIN_TEMPLATES,
)
from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import INSTALLED_APPS, database
from bazaar.topology import Role

BAZAAR_ROLE = Role.DASHBOARD
BAZAAR_NODE = env.read_node(os.environ, BAZAAR_ROLE)
BAZAAR_SECRET = env.read_secret(os.environ)
env.begin_tls(env.read_topology(os.environ), env.read_data_dir(os.environ))
SECRET_KEY = env.derive(BAZAAR_SECRET, BAZAAR_ROLE)
INSTALLED_APPS = [*ADMIN_APPS, *INSTALLED_APPS]
MIDDLEWARE = ADMIN_MIDDLEWARE
TEMPLATES = ADMIN_TEMPLATES
DATABASES = database(BAZAAR_ROLE, BAZAAR_NODE)
ROOT_URLCONF = "bazaar.urls.dashboard"
BAZAAR_ENDPOINTS = "dashboard.own_endpoints"
BAZAAR_WIRING = "dashboard.wiring"
BAZAAR_TOKEN = client_access.read_token(os.environ)
# Loaded by its name, because the dashboard may not import bazaar.cluster (docs/adr/0019).
BAZAAR_FAULT_INJECTOR = "bazaar.cluster.fault_injection.FaultInjector"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BAZAAR_NODE.scheme == "https"
if env.read_flag(os.environ, "BAZAAR_HTTPS"):
    # A proxy in front speaks HTTPS and sets this header.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
