"""`manage.py audit`: what is wrong with a cluster, in words."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.errors import Ended
from bazaar.cluster.front_ends import list_urls
from bazaar.loadtest.prove import Subject, audit
from bazaar.management.one_line import OneLineCommand
from bazaar.proof.history import HistoryError
from bazaar.proof.output import as_json, lines
from bazaar.settings.env import SettingsError

_HELP = """
Hold every order log against the ledger, and the stocks against both; with a history also what
clients were told. Exit status: 0 every promise holds, 2 wrong usage, 3 a promise is broken,
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
        """Audit and print. Raises Ended, ClusterError."""
        if options["output"] not in ("text", "json"):
            raise Ended(f"--output must be text or json, not {options['output']!r}.")
        if options["url"] and not options["history"]:
            raise Ended("--url is where the orders of a --history are read back from.")
        environ = dict(os.environ)
        if options["data"]:
            environ["BAZAAR_DATA_DIR"] = str(Path(options["data"]).absolute())
        history = Path(options["history"]) if options["history"] else None
        is_offline = options["offline"]
        try:
            is_asking = history is not None and (options["url"] or not is_offline)
            urls = list_urls(environ, options["url"]) if is_asking else ()
            subject = Subject(data=DataDir.of(environ), is_offline=is_offline, urls=urls)
            verdict = audit(subject, history)
        except SettingsError as error:
            raise Ended(str(error)) from error
        except HistoryError as error:
            raise Ended(f"--history: {error}") from error
        except OSError as error:
            raise Ended(f"{error.filename}: {error.strerror}.") from error
        shown = (as_json(verdict),) if options["output"] == "json" else lines(verdict)
        for line in shown:
            self.stdout.write(line)
        return verdict.exit
