"""
Django's admin in the dashboard: apps, middleware, sign-in, policy, theme.

The tests install the same apps; no other role has users.
"""

from typing import Any

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL
from django.urls import reverse_lazy

ADMIN_APPS = [
    "unfold.apps.BasicAppConfig",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "csp",
    "dashboard",
]
ADMIN_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ADMIN_TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "admin:login"
SIGN_IN_FAILURES_MAX = 5
SIGN_IN_PAUSE_S = 300

SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_NAME = "bazaar_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_NAME = "bazaar_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# No 'unsafe-inline' anywhere. Alpine, which Unfold's menus are written in, evaluates the
# expressions in its attributes, hence 'unsafe-eval' (docs/adr/0019).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE, UNSAFE_EVAL],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}


def _page(title: str, icon: str, name: str, permission: str = "") -> dict[str, Any]:
    """Return a line of the navigation, for users with its permission."""
    line: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}")}
    if permission:
        line["permission"] = lambda request: request.user.has_perm(permission)
    return line


UNFOLD = {
    "SITE_TITLE": "Bazaar",
    "SITE_HEADER": "Bazaar",
    "SITE_SYMBOL": "storefront",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "/static/dashboard/icon.svg"},
    ],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [
        *("/static/dashboard/colours.css", "/static/dashboard/dashboard.css"),
        *("/static/dashboard/endpoints.css", "/static/dashboard/trace.css"),
    ],
    "SCRIPTS": ["/static/dashboard/dashboard.js"],
    "SIDEBAR": {
        "navigation": [
            {
                "items": [
                    _page("Cluster", "hub", "index"),
                    _page("Cache", "memory", "cache"),
                    _page("Stocks", "sell", "stocks"),
                    _page("Orders", "receipt_long", "orders"),
                    _page("Trace", "timeline", "trace"),
                    _page("Events", "notifications", "events"),
                    _page("Traffic", "monitoring", "traffic"),
                    _page("API", "api", "api", "dashboard.browse_api"),
                ]
            },
            {
                "title": "Administration",
                "separator": True,
                "items": [
                    _page("Users", "group", "auth_user_changelist", "auth.view_user"),
                    _page(
                        "Audit",
                        "fact_check",
                        "dashboard_auditentry_changelist",
                        "dashboard.view_auditentry",
                    ),
                ],
            },
        ]
    },
}
