#!/usr/bin/env python3
"""`manage.py COMMAND --settings bazaar.settings.ROLE`: any command, any role."""

import gc
import importlib
import os
import pathlib
import signal
import sys
import tomllib

WITHOUT_APPS = ("audit", "client", "cluster", "token")
"""Commands that use neither models nor pages."""


def main() -> int:
    """Run the command; Ctrl-C ends it at any time without a word of Python's."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.base")
    if sys.argv[1:] == ["version"] or "--version" in sys.argv[1:]:
        sys.stdout.write(f"bazaar {_read_version()}\n")
        return 0
    if {"cluster", "up"}.issubset(sys.argv[1:]):
        # A shell's job in the background starts with this one ignored; a cluster ends by it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _run()
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:  # Python 3.11 makes one of Ctrl-C while a class is made
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        return 130


def _read_version() -> str:
    """Return the version of this folder."""
    path = pathlib.Path(__file__).with_name("pyproject.toml")
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"])


def _run() -> int:
    """Run the command; a wrong setting is one sentence and exit status 2."""
    # Loading these takes longer than a hand needs to find Ctrl-C.
    from django.db.utils import DatabaseError, OperationalError  # noqa: PLC0415

    from bazaar.settings.env import SettingsError  # noqa: PLC0415

    try:
        _execute(sys.argv)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except DatabaseError as error:
        from django.db.migrations.exceptions import MigrationSchemaMissing  # noqa: PLC0415

        if not isinstance(error, MigrationSchemaMissing | OperationalError):
            raise
        # It is locked, or on a full disk.
        sys.stderr.write(f"BAZAAR_DATA_DIR: the database cannot be used now: {error}.\n")
        return 1
    return 0


def _execute(arguments: list[str]) -> None:
    """Run the command; for one of our own that uses no app, none is loaded (docs/adr/0045)."""
    if arguments[1:2] and arguments[1] in WITHOUT_APPS:
        from django.conf import settings  # noqa: PLC0415

        gc.disable()  # what is loaded stays, so a collection would find nothing
        settings.BAZAAR_LIMITS  # noqa: B018 - wrong settings are refused before wrong arguments
        module = importlib.import_module(f"bazaar.management.commands.{arguments[1]}")
        gc.freeze()
        gc.enable()
        module.Command().run_from_argv(arguments)
        return
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(arguments)


if __name__ == "__main__":
    sys.exit(main())
