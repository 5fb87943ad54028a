#!/usr/bin/env python3
"""Run any command in any role: `manage.py COMMAND --settings bazaar.settings.ROLE`."""

import os
import sys

from django.core.management import execute_from_command_line

from bazaar.settings.env import SettingsError


def main() -> int:
    """Run the command; a wrong setting is one sentence and exit status 2."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.base")
    try:
        execute_from_command_line(sys.argv)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
