"""
Django settings: one module for each role; `env` reads the environment.

A process names one of them in DJANGO_SETTINGS_MODULE, and its role's `wiring` reads them through
`django.conf.settings`. `database_file` says what is wrong with a database, `typed` which command
mends it. `env` and those two load none of Django's machinery; `bazaar.cluster` and all above may
use them, the roles only the types (`Limits`, `SettingsError`). May import `bazaar.topology` and
`bazaar.protocol`.
"""
