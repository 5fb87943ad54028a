"""`manage.py loadtest`: load a cluster, break it, measure and prove it."""

import argparse
import os
import signal
from typing import Any

from django.core.management.base import CommandParser, DjangoHelpFormatter

from bazaar.cluster import tables
from bazaar.cluster.arguments import ACCESS_HELP, read_environ
from bazaar.loadtest.evaluate import command as evaluation
from bazaar.loadtest.options import read_options
from bazaar.loadtest.run import run_load
from bazaar.management.one_line import OneLineCommand

_HELP = """
Send queries, trades and look-ups of orders, and say how they went; with --chaos under faults. In
the end every acknowledged order is held against the servers. Exit status: 0 all is well, 1 errors
over the limit, 2 wrong usage, 3 a promise was broken, 4 unreachable, 99 a threshold was missed,
130 interrupted.
"""
_SHAPE = {
    "clients": "1",
    "rate": None,
    "duration": None,
    "requests": None,
    "warmup": "0",
    "p": "0",
    "lookup": "0",
    "seed": "0",
    "profile": None,
    "stocks": None,
    "zipf": None,
}
"""What a replay takes from its history."""


class Command(OneLineCommand):
    """Parse, then call `bazaar.loadtest`."""

    help = _HELP

    def declare(self, parser: CommandParser) -> None:
        """Declare options and verbs."""
        _add_shape(parser)
        _add_rest(parser)
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", action=_VerbFirst)
        replay = verbs.add_parser("replay", help="send the operations of a history again")
        replay.add_argument("file", metavar="FILE", help="what --history has written")
        replay.set_defaults(**_SHAPE)
        _add_rest(replay)
        evaluate = verbs.add_parser("evaluate", help="measure a cluster of its own, write a page")
        evaluation.declare(evaluate)

    def run(self, options: dict[str, Any]) -> int:
        """Run a load. Raises CommandFailed, ClusterError."""
        environ = read_environ(os.environ, options)
        if options["verb"] == "evaluate":
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the cluster, too
            return evaluation.run(options, environ, self._say)
        load = read_options(options, environ)
        out = self.stderr if load.outputs.is_json_shown else self.stdout
        return run_load(load, environ, tables.open_console(out))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _VerbFirst(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001
    """Refuse options before a verb, which would be forgotten without a word."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        """Look at what came before the verb, then go on."""
        early = [
            action.option_strings[0]
            for action in parser._actions  # noqa: SLF001 - argparse keeps them nowhere else
            if action.option_strings
            and not DjangoHelpFormatter.show_last.intersection(action.option_strings)
            and hasattr(namespace, action.dest)
            and getattr(namespace, action.dest) != parser.get_default(action.dest)
        ]
        if early:
            parser.error(f"{early[0]} belongs behind {values[0]}")
        super().__call__(parser, namespace, values, option_string)


def _add_shape(parser: CommandParser) -> None:
    """Declare what makes the load."""
    add = parser.add_argument
    add("--clients", default="8", metavar="N", help="clients, a connection each (8)")
    add("--rate", metavar="R", help="operations a second, come what may (as fast as answers come)")
    add("--duration", metavar="TIME", help="such as 30s, 2m (10s)")
    add("--requests", metavar="N", help="end after so many operations")
    add("--warmup", default="0", metavar="TIME", help="before anything is measured (0)")
    add("--p", default="0.2", help="probability of a trade after a query (0.2)")
    add("--lookup", default="0.2", metavar="P", help="of an order's look-up after a trade (0.2)")
    add("--profile", metavar="NAME", help="seed: ten stocks; sp500: by market value (what fits)")
    add("--stocks", metavar="N", help="only the N most popular stocks of the profile")
    add("--zipf", metavar="S", help="popularity 1 / rank ** S instead of the profile's")
    add("--seed", default="0", metavar="N", help="of all choices (0)")


def _add_rest(parser: CommandParser) -> None:
    """Declare where it goes, what is written, what is broken and what must hold."""
    add = parser.add_argument
    add("--url", action="append", default=[], help="a front end; repeatable (the local cluster's)")
    add("--data", metavar="DIR", help="data folder of the local cluster (BAZAAR_DATA_DIR, var/)")
    add("--dialect", default="seed", metavar="NAME", help="seed, course or v1 (seed)")
    add("--token", metavar="TOKEN", help=ACCESS_HELP)
    add("--processes", default="1", metavar="N", help="processes that send (1)")
    add("--no-cache", action="store_true", help="ask past every cache")
    add("--deadline", default="30s", metavar="TIME", help="of an operation with its retries (30s)")
    add("--json", metavar="FILE", help="write the summary; - for the standard output")
    add("--csv", metavar="FILE", help="write a row for each second and kind of operation")
    add("--history", metavar="FILE", help="write every operation, a line of JSON each")
    add("--report", metavar="DIR", help="write a page with plots")
    add("--threshold", action="append", default=[], help="such as 'trade_p99<50ms'; repeatable")
    add("--error-limit", default="0", metavar="SHARE", help="operations that may fail, as 1%% (0)")
    add("--chaos", metavar="FAULTS", help="such as kill-leader,pause-leader,kill-catalog")
    add("--chaos-interval", metavar="TIME", help="between two faults (10s)")
    add("--chaos-seed", metavar="N", help="of the choice of faults (0)")
    add("--no-proof", action="store_false", dest="proof", help="do not hold the servers to it")
    add("--quiet", action="store_true", help="show the summary only")
