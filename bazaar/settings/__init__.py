"""
Django settings: one module for each role; `env` reads the environment.

A process names one of them in DJANGO_SETTINGS_MODULE, and its role's `wiring` reads them through
`django.conf.settings`. `env` loads none of Django's machinery; `bazaar.cluster` and all above may
use it, the roles only its types (`Limits`, `SettingsError`). May import `bazaar.topology`.
"""
