#!/usr/bin/env python3
"""`manage.py COMMAND --settings bazaar.settings.ROLE`: any command, any role."""

import os
import sys


def main() -> int:
    """Run the command; Ctrl-C ends it at any time without a word of Python's."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.base")
    try:
        return _run()
    except KeyboardInterrupt:
        return 130


def _run() -> int:
    """Run the command; a wrong setting is one sentence and exit status 2."""
    # Loading these takes longer than a hand needs to find Ctrl-C.
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    from bazaar.settings.env import SettingsError  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
