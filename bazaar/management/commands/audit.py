"""`manage.py audit`: what is wrong with a cluster, in words."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from bazaar.cluster.arguments import list_urls, read_choice, read_environ
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.plan import FrontEndAccess
from bazaar.loadtest.prove import audit
from bazaar.management.one_line import OneLineCommand, describe
from bazaar.proof.records import HistoryError
from bazaar.proof.verdict import as_json, lines

_HELP = """
Compare every order log with the ledger, and the stocks with both; with a history also what clients
were told. Exit status: 0 every promise holds, 2 wrong usage, 3 a promise is broken,
4 not everything could be reached.
"""


class Command(OneLineCommand):
    """Parse, then call `bazaar.proof`."""

    help = _HELP

    def declare(self, parser: CommandParser) -> None:
        """Declare the options."""
        add = parser.add_argument
        add("--data", metavar="DIR", help="data folder (BAZAAR_DATA_DIR, var/)")
        add("--offline", action="store_true", help="read the database files, ask no process")
        add("--history", metavar="FILE", help="what a load run's clients were told (--history)")
        add("--url", action="append", default=[], help="a front end to read orders back from")
        add("-o", "--output", default="text", help="text or json")

    def run(self, options: dict[str, Any]) -> int:
        """Audit and print. Raises CommandFailed, SettingsError."""
        read_choice("--output", options["output"], ("text", "json"))
        if options["url"] and not options["history"]:
            raise CommandFailed("--url is where the orders of a --history are read back from.")
        environ = read_environ(os.environ, options)
        history = Path(options["history"]) if options["history"] else None
        is_offline = options["offline"]
        try:
            access = None
            if history and (options["url"] or not is_offline):
                access = FrontEndAccess(urls=list_urls(environ, options["url"]))
            data = DataDir.of(environ)
            verdict = audit(history, data=data, is_offline=is_offline, access=access)
        except HistoryError as error:
            raise CommandFailed(f"--history: {error}") from error
        except OSError as error:
            raise CommandFailed(describe(error)) from error
        for line in (as_json(verdict),) if options["output"] == "json" else lines(verdict):
            self.stdout.write(line)
        return verdict.exit
