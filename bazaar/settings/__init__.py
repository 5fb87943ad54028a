"""
Django settings: one module for each role; `env` reads the environment.

A process names one of them in DJANGO_SETTINGS_MODULE, and its role's `wiring` reads them through
`django.conf.settings`. `database_file` says what is wrong with a database, `data_folder` with the
folder of all, `database_url` with a database on a server, `typed` which command mends it. They and
`env` load none of Django's machinery; `bazaar.cluster` and all above may use them, the roles only
the types (`Limits`, `SettingsError`). May import `bazaar.topology` and `bazaar.protocol`.
"""
