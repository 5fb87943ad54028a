"""
granian as a manager of processes: `python -m bazaar.web.granian_main`.

It starts the workers, respawns them and passes signals on; each worker serves with our own server
on a socket of granian's (docs/adr/0027). It begins again itself when its only worker asks for it
(`bazaar.runtime.restart`).
"""

import argparse
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import WorkerProcess

from bazaar.runtime.restart import STATUS

BACKLOG = 1024
"""Connections that may wait to be accepted."""


class RestartableServer(Granian):  # type: ignore[misc, valid-type]
    """granian, which notes how its workers ended."""

    is_restart_wanted = False

    def shutdown(self, exit_code: int = 0) -> None:
        """End what is left. Raises SystemExit when a worker has failed."""
        self.is_restart_wanted = any(worker.inner.exitcode == STATUS for worker in self.wrks)
        super().shutdown(exit_code)


def serve_worker(_id: int, application: Callable[..., Any], sock: Any, *_: object) -> None:
    """
    Serve in a worker process.

    sock: granian's description of the socket, and one that all workers share.
    """
    serve = import_module("bazaar.web.serving").serve  # Django is for the worker only
    description, shared = sock
    holder = description.build() if description is not None else shared
    listener = socket.socket(fileno=os.dup(holder.get_fd()))
    listener.listen(BACKLOG)
    serve(application, [listener])


def resolve(host: str, port: int) -> str:
    """Return the first address of a host: granian takes no names. Raises OSError."""
    _, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return str(address[0])


def make_log_config(name: str) -> dict[str, Any]:
    """Return what makes granian's own log lines JSON; name: of this process."""
    make_formatter = import_module("bazaar.runtime.log_lines").make_formatter
    role, _, number = name.partition("-")
    describe = partial(dict[str, Any], role=role, id=int(number or 1))
    line = {"()": make_formatter, "style": "json", "describe": describe}
    return {"formatters": {"generic": line, "access": line}}


def main() -> None:
    """Run the workers until a signal ends them."""
    parser = argparse.ArgumentParser(prog="granian_main", description="Serve one role.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kill-timeout", type=int, required=True, help="seconds after SIGTERM")
    parser.add_argument("--json-name", default="", help="of this process; log lines are JSON")
    parser.add_argument("application")
    options = parser.parse_args()
    server = RestartableServer(
        options.application,
        address=resolve(options.host, options.port),
        port=options.port,
        interface=Interfaces.WSGI,
        workers=options.workers,
        # One worker of several may die alone; with a single one its death is the process's.
        respawn_failed_workers=options.workers > 1,
        workers_kill_timeout=options.kill_timeout,
        websockets=False,
        backlog=BACKLOG,
        log_level=LogLevels.error,
        log_dictconfig=make_log_config(options.json_name) if options.json_name else None,
    )
    wrap: Callable[..., Any] = WorkerProcess.wrap_target
    try:
        server.serve(spawn_target=wrap(serve_worker))
    except SystemExit:
        if not server.is_restart_wanted:
            raise
        line = [sys.executable, "-m", "bazaar.web.granian_main", *sys.argv[1:]]
        os.execv(line[0], line)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
