"""`manage.py cluster`: run and operate a whole cluster on this machine."""

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster import (
    certificates,
    cluster_secret,
    databases,
    exits,
    init,
    logs,
    stopping,
    tables,
)
from bazaar.cluster.arguments import read_choice, read_environ, read_whole
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.init import InitOptions
from bazaar.cluster.launch import SERVERS
from bazaar.cluster.locks import hold, is_held
from bazaar.cluster.operations import SIGNALS, Cluster
from bazaar.cluster.rolling import RollingRestart
from bazaar.cluster.supervisor import Supervisor
from bazaar.cluster.up import up
from bazaar.management.one_line import OneLineCommand
from bazaar.protocol.cluster_report import Health
from bazaar.settings import private
from bazaar.topology import REPLICAS_MAX

_EXIT = {Health.HEALTHY: exits.OK, Health.DEGRADED: exits.ERRORS}
"""Of `status`; of all other states it is 2."""
_ID = "a process, such as order-3 or catalog; a replica's number; or leader"

_HOST = "the host of the description that this is (the one whose addresses it has)"
_LOSE = "give up N entries that only this database may have; a refusal says how many"

_WHOLE = (
    *("init", "up", "status", "down", "certificates", "secret"),
    *("backup", "restore", "verify"),
)
"""The verbs that are not about one process."""
WORKERS_MAX = 64
LOSE_MAX = 10**18


class Command(OneLineCommand):
    """Parse, then call `bazaar.cluster`."""

    help = (
        "Run and operate a cluster on this machine. Every refusal is one sentence, exit status 2."
    )

    def declare(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        data = CommandParser(add_help=False)
        data.add_argument("--data", metavar="DIR", help="data folder (BAZAAR_DATA_DIR, var/)")
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        self._add_whole(verbs, data)
        self._add_single(verbs, data)
        for verb, text in (
            ("backup", "copy the catalog's database to a new file"),
            ("restore", "put a backup in the place of the catalog's database"),
            ("verify", "check a database file or a backup: 0 sound, 2 unreadable, 3 wrong"),
        ):
            verbs.add_parser(verb, parents=[data], help=text).add_argument("file", metavar="FILE")

    def _add_whole(self, verbs: Any, data: CommandParser) -> None:
        making = CommandParser(add_help=False)
        making.add_argument("--replicas", metavar="N", help="order replicas, 1 to 99 (3)")
        making.add_argument("--front-ends", metavar="N", help="front ends, 1 to 99 (1)")
        making.add_argument("--host", metavar="NAME", help=_HOST)
        making.add_argument("--stocks", help="asterix or sp500, for a new catalog (sp500)")
        verbs.add_parser("init", parents=[data, making], help="make files and databases")
        one = verbs.add_parser("up", parents=[data, making], help="start all, stay, stop all")
        one.add_argument("--server", default="granian", help="granian or gunicorn")
        one.add_argument("--workers", metavar="W", help="processes a front end, 1 to 64 (1)")
        one.add_argument("--autorestart", action="store_true", help="restart what dies")
        one = verbs.add_parser("status", parents=[data], help="0 healthy, 1 degraded, 2 no leader")
        one.add_argument("-o", "--output", default="table", help="table or json")
        one = verbs.add_parser("down", parents=[data], help="stop all")
        one.add_argument("--quiet", action="store_true", help="say nothing when nothing runs")
        one = verbs.add_parser("certificates", parents=[data], help="make a CA, and one a host")
        one.add_argument("folder", metavar="FOLDER", help="where they are written")
        one.add_argument("--days", metavar="N", default="365", help="how long they are good (365)")
        one = verbs.add_parser("secret", parents=[data], help="carry the secret to another host")
        one.add_argument("action", choices=("show", "import"), help="import reads what show prints")

    def _add_single(self, verbs: Any, data: CommandParser) -> None:
        for verb, text in (
            ("kill", "send a signal to a process and all it started"),
            ("start", "start a process"),
            ("stop", "stop a process"),
            ("restart", "stop and start a process; --all: each in turn, no request fails"),
            ("rebuild", "make a replica's or the catalog's database anew"),
            ("logs", "print the end of a process's log"),
        ):
            one = verbs.add_parser(verb, parents=[data], help=text)
            one.add_argument("id", help=_ID, **({"nargs": "?"} if verb == "restart" else {}))
            if verb == "restart":
                one.add_argument("--all", action="store_true", help="all processes, one by one")
            if verb == "kill":
                one.add_argument("--signal", default="KILL", help=", ".join(SIGNALS))
            if verb == "rebuild":
                one.add_argument("--lose-orders", metavar="N", default="0", help=_LOSE)
            if verb == "logs":
                one.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
                one.add_argument("-n", "--lines", default="20", help="how many lines (20)")

    def run(self, options: dict[str, Any]) -> int:
        """Run one verb. Raises CommandFailed, SettingsError."""
        os.umask(private.OWNER_ONLY)
        environ, verb = read_environ(os.environ, options), options["verb"]
        if verb in _WHOLE:
            return getattr(self, f"do_{verb}")(environ, options) or exits.OK
        cluster, wanted = Cluster(DataDir.of(environ), environ), options["id"]
        lines: Iterable[str] = ()
        match verb:
            case "kill":
                lines = [cluster.kill(wanted, options["signal"])]
            case "start":
                lines = [cluster.start(wanted)]
            case "stop":
                lines = [cluster.stop(wanted)]
            case "restart":
                lines = self._restart(cluster, options)
            case "rebuild":
                lose = read_whole("--lose-orders", options["lose_orders"], 0, LOSE_MAX)
                lines = cluster.rebuild(wanted, lose)
            case "logs":
                return self.do_logs(cluster, options)
        self._print(lines)
        return exits.OK

    @staticmethod
    def _restart(cluster: Cluster, options: Mapping[str, Any]) -> Iterable[str]:
        if bool(options["id"]) == options["all"]:
            raise exits.ClusterError("Name one process, or give --all for a rolling restart.")
        return RollingRestart(cluster).run() if options["all"] else cluster.restart(options["id"])

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def do_backup(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Copy the catalog's database."""
        self._print(_load("backup").make_backup(DataDir.of(environ), Path(options["file"])))

    def do_restore(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Put a backup in the place of the catalog's database."""
        self._print(_load("backup").restore(DataDir.of(environ), environ, Path(options["file"])))

    def do_verify(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Check a database file."""
        del environ
        path = Path(options["file"])
        self._print([f"{path} is sound:", *_load("sequence_file").verify(path)])

    def do_init(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Make files and databases."""
        wanted = _read_options(environ, options)
        wanted.data.make()
        with hold(wanted.data):
            data, is_new = wanted.data, wanted.data.is_new
            found = init.make_files(wanted, environ)
            self._print(databases.prepare_all(data, found, wanted.stocks, environ, is_new=is_new))
        self.stdout.write(f"{wanted.data.root} is ready for {len(found.replicas)} order replicas")

    def do_certificates(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Make a CA and a certificate for each host."""
        data, folder = DataDir.of(environ), Path(options["folder"]).absolute()
        found = init.choose_topology(InitOptions(data), environ)
        days = read_whole("--days", options["days"], 1, certificates.DAYS_MAX)
        self._print(certificates.make_certificates(found, folder, days))

    def do_secret(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Print what hosts share, or take it from the standard input."""
        data = DataDir.of(environ)
        if options["action"] == "show":
            self.stdout.write(cluster_secret.show_secret(data, environ))
            return
        text = sys.stdin.buffer.read(cluster_secret.TEXT_CHARS_MAX).decode("utf-8", "replace")
        self._print(cluster_secret.import_secret(data, environ, text))

    def do_up(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> int:
        """Run the cluster."""
        if options["workers"] is not None:
            workers = read_whole("--workers", options["workers"], 1, WORKERS_MAX)
            environ = {**environ, "BAZAAR_WORKERS": str(workers)}
        return up(_read_options(environ, options), environ, self.stdout)

    def do_status(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> int:
        """Print the state of the cluster."""
        read_choice("--output", options["output"], ("table", "json"))
        snapshot = Cluster(DataDir.of(environ), environ).take_snapshot()
        if options["output"] == "json":
            self.stdout.write(tables.as_json(snapshot))
        else:
            tables.open_console(self.stdout).print(tables.make_status_table(snapshot))
            self._print(tables.list_silences(snapshot))
            self.stdout.write(tables.describe_health(snapshot))
        return _EXIT.get(snapshot.health, exits.USAGE)

    def do_down(self, environ: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Stop the cluster."""
        data = DataDir.of(environ)
        if not is_held(data) and Supervisor(data).find_pid() is None:
            if not options["quiet"]:
                self.stdout.write("nothing is running")
            return
        stopped = stopping.stop_cluster(data)
        wait_until(lambda: not is_held(data), stopping.FORCE_TIMEOUT_S)  # `up` ends, too
        self.stdout.write(f"stopped {', '.join(stopped) or 'the supervisor'}")

    def do_logs(self, cluster: Cluster, options: Mapping[str, Any]) -> int:
        """Print the end of a log, and follow it until Ctrl-C."""
        name = cluster.resolve(options["id"])
        cluster.check_ours(name, "logs")
        path = cluster.data.log_path(name)
        if not (path.exists() or options["follow"]):
            raise exits.ClusterError(
                f"{name} has no log: {path} is not there. Its start writes one."
            )
        for line in logs.tail(path, read_whole("--lines", options["lines"], 1, logs.LINES_MAX)):
            self.stdout.write(line)
        with contextlib.suppress(KeyboardInterrupt):
            for line in logs.follow(path, clock.wait) if options["follow"] else ():
                self.stdout.write(line)
        return exits.OK


def _load(name: str) -> Any:
    """Return a module that reads databases; a cluster that starts does without it."""
    return import_module(f"bazaar.cluster.{name}")


def _read_options(environ: Mapping[str, str], options: Mapping[str, Any]) -> InitOptions:
    stocks = options["stocks"]
    return InitOptions(
        DataDir.of(environ),
        _optional("--replicas", options["replicas"]),
        _optional("--front-ends", options["front_ends"]),
        None if stocks is None else read_choice("--stocks", stocks, databases.STOCKS),
        read_choice("--server", options.get("server", "granian"), SERVERS),
        options.get("autorestart", False),
        options["host"],
    )


def _optional(option: str, text: str | None) -> int | None:
    return None if text is None else read_whole(option, text, 1, REPLICAS_MAX)
