"""
Become the server of a role: `python -m bazaar.cluster.launch ROLE [--id N]`.

The supervisor runs it, or a person does. A mistake is reported in one sentence before any server
starts. This process becomes the server, so the supervised pid is the server's own. A role of one
process goes on in this one, which has loaded a part of it (docs/adr/0045); else the server's main
process replaces it. Nothing here imports Django's machinery: whoever serves does that, once.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module

from bazaar import clock
from bazaar.cluster import ports
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.parent_death import PARENT_VARIABLE, ParentGone, request_death_signal
from bazaar.runtime import restart
from bazaar.settings import data_folder, database_file, env, private
from bazaar.settings.env import DamagedDatabaseError, SettingsError, StorageAwayError
from bazaar.topology import Node, Role, format_address, process_name
from bazaar.web import lone_process
from bazaar.web.bound_port import BACKLOG

MODULE = "bazaar.cluster.launch"
APPLICATION = "bazaar.wsgi:application"
MANAGED_ROLES = (Role.FRONT_END, Role.DASHBOARD)
"""Those whose processes are replaced while they serve; gunicorn manages any role's."""
KILL_TIMEOUT_S = 3
"""How long a worker may take to end after SIGTERM: for requests, then for its database."""

STORAGE_RETRY_S = 0.5
"""Between two looks at a database whose disk fails."""


def granian(node: Node, workers: int = 1, json_name: str = "") -> list[str]:
    """
    Return the arguments that run the application with granian's processes.

    json_name: the process's, if log lines are JSON.
    """
    return [
        *("bazaar.web.granian_main", "--host", node.listen_host, "--port", str(node.port)),
        *("--workers", str(workers), "--kill-timeout", str(KILL_TIMEOUT_S)),
        *(("--json-name", json_name) if json_name else ()),
        APPLICATION,
    ]


def gunicorn(node: Node, workers: int = 1, json_name: str = "") -> list[str]:
    """Return the arguments that run the application with gunicorn; see `granian`."""
    json_log = ("--logger-class", "bazaar.web.gunicorn_worker.JsonLog", "--name", json_name)
    return [
        *("gunicorn", "--worker-class", "bazaar.web.gunicorn_worker.HttpWorker"),
        *("--no-control-socket", "--bind", format_address(node.listen_host, node.port)),
        *("--workers", str(workers), "--backlog", str(BACKLOG)),
        # No heartbeat: after a pause (SIGSTOP) it would take the worker for hung and kill it.
        *("--timeout", "0", "--graceful-timeout", str(KILL_TIMEOUT_S)),
        *("--log-level", "warning"),
        *(json_log if json_name else ()),
        APPLICATION,
    ]


SERVERS: Mapping[str, Callable[..., list[str]]] = {"granian": granian, "gunicorn": gunicorn}
SERVER_DEFAULT = "granian"


def check(role: Role, environ: Mapping[str, str]) -> Node:
    """
    Return the node of a role that can be started with this environment.

    Raises SettingsError, ClusterError: it cannot, and the message says why.
    """
    env.check(environ)
    node = env.read_node(environ, role)
    env.read_secret(environ)
    env.begin_tls(env.read_topology(environ), env.read_data_dir(environ))
    env.read_cluster_id(environ)
    name = process_name(role, node.id)
    path = DataDir.of(environ).database(name)
    if path and not env.read_database_url(environ, name, node):
        data_folder.check_folder(path.parent)
        with suppress(DamagedDatabaseError):  # catalog and replicas mend themselves
            database_file.check(path, role, node.id)
    ports.check_free(name, node)
    return node


def command(role: Role, server: str, environ: Mapping[str, str]) -> list[str]:
    """Return the command line that serves a role. Raises SettingsError, ClusterError."""
    if server not in SERVERS:
        raise SettingsError(f"{server!r} is not a server; servers are {', '.join(SERVERS)}.")
    node = check(role, environ)
    limits = env.read_limits(environ)
    # Only a front end may be several processes: each has a lease of its own (docs/DESIGN.md 4.4).
    workers = limits.workers if role is Role.FRONT_END else 1
    is_json = env.read_log_style(environ) == "json"
    json_name = process_name(role, node.id) if is_json else ""
    if server == SERVER_DEFAULT and role not in MANAGED_ROLES:
        alone = ("--host", node.listen_host, "--port", str(node.port))
        return [sys.executable, "-m", lone_process.MODULE, *alone]
    return [sys.executable, "-m", *SERVERS[server](node, workers, json_name)]


def await_command(role: Role, server: str, environ: Mapping[str, str]) -> list[str]:
    """
    Return what `command` returns, once the disk of the database is well.

    Raises SettingsError, ClusterError: waiting would not help.
    """
    is_told = False
    while True:
        try:
            return command(role, server, environ)
        except StorageAwayError as error:
            if not is_told:
                _say(f"waiting: {error}", role)
            is_told = True
        clock.wait(STORAGE_RETRY_S)


def _say(sentence: str, role: str) -> None:
    """Write a sentence to the log of a process that does not run yet."""
    if os.environ.get("BAZAAR_LOG") == "json":
        make_line = import_module("bazaar.runtime.log_lines").make_line
        sentence = make_line("json", sentence, role=role)
    sys.stderr.write(f"{sentence}\n")


def main(arguments: Sequence[str]) -> int:
    """Become the server of a role; return 2 when it cannot be started."""
    parser = argparse.ArgumentParser(prog="launch", description=(__doc__ or "").splitlines()[1])
    parser.add_argument("role", help=", ".join(Role))
    parser.add_argument("--id", help="which replica or front end, from 1")
    parser.add_argument("--server", default=SERVER_DEFAULT, help=" or ".join(SERVERS))
    options = parser.parse_args(arguments)
    parent_pid = int(os.environ.pop(PARENT_VARIABLE, os.getppid()))
    os.umask(private.OWNER_ONLY)
    try:
        role = env.read_role(options.role)
        os.environ["DJANGO_SETTINGS_MODULE"] = role.settings_module
        if options.id is not None and role.id_variable:
            os.environ[role.id_variable] = options.id
        # Not SIGTERM: a paused or hung server would not end, and nothing is left to kill it.
        request_death_signal(parent_pid, signal.SIGKILL)
        line = await_command(role, options.server, os.environ)
        os.chdir(env.ROOT)
        if line[2] == lone_process.MODULE:
            # Begun anew by another thread, it asks for the signal again: the kernel keeps it for
            # the thread that asked.
            restart.command_line[:] = [sys.executable, "-m", MODULE, *arguments]
            os.environ[PARENT_VARIABLE] = str(parent_pid)
            lone_process.main(line[3:])
        os.execv(line[0], line)  # noqa: S606 - no shell is the point
    except (SettingsError, ClusterError, ParentGone, OSError) as error:
        _say(str(error), options.role)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
