"""
granian as a manager of processes: `python -m bazaar.web.granian_main`.

It starts the workers, respawns them and passes signals on; each worker serves with our own server
(docs/adr/0027). This process has the socket of the port, so the port outlives a worker: SIGHUP
replaces the workers without a request that fails (docs/adr/0039).
"""

import argparse
import os
import signal
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from mmap import mmap
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels, logger
from granian.server.mp import WorkerProcess

from bazaar.clock import wait_until
from bazaar.web.bound_port import BACKLOG, bind_port
from bazaar.web.port_share import ABSENT, PortShare

START_TIMEOUT_S = 30.0
"""How long a new worker may take until it serves; then the old one stays."""
DRAIN_TIMEOUT_S = 40.0
"""How long an old worker may take to end: longer than a trade, and than its own limit."""


class SharedSocket:
    """The socket of the port, which each worker duplicates."""

    def __init__(self, address: str, port: int, workers: int) -> None:
        """Bind it; the first worker that is ready listens. Raises OSError."""
        self._sock = bind_port(address, port)
        # Anonymous and shared: workers are forked, and see what any of them writes.
        self.counts = memoryview(mmap(-1, 4 * workers)).cast("I")
        """How many connections each worker has; see `PortShare`."""
        for index in range(workers):
            self.counts[index] = ABSENT

    def get_fd(self) -> int:
        """Return its file descriptor."""
        return self._sock.fileno()


class RestartableServer(Granian):  # type: ignore[misc, valid-type]
    """granian, which replaces its workers one by one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what granian takes."""
        super().__init__(*arguments, **options)
        self._is_serving = threading.Event()
        """Set when a worker has begun to serve."""

    def note_serving(self, *_: object) -> None:
        """Note that a worker serves; a signal handler."""
        self._is_serving.set()

    def _init_shared_socket(self) -> None:
        """Have one socket for all workers, not one for each: what it has queued is never lost."""
        self._ssp, self._sso = None, None
        self._shd = SharedSocket(self.bind_addr, self.bind_port, self.workers)
        self._sfd = self._shd.get_fd()

    def _reload(self, spawn_target: Any, target_loader: Any) -> None:
        """Replace the workers, one after another (SIGHUP)."""
        self.reload_signal = False
        self.main_loop_interrupt.clear()
        for index in range(len(self.wrks)):
            if self.interrupt_signal or not self._replace(index, spawn_target, target_loader):
                return

    def _replace(self, index: int, spawn_target: Any, target_loader: Any) -> bool:
        """Replace a worker; return False, with the old one in its place, when it cannot be."""
        old = self.wrks[index]
        new = self._spawn_worker(idx=index, target=spawn_target, callback_loader=target_loader)
        new.interrupt_by_parent = True  # if it fails, the old one goes on
        self._is_serving.clear()
        new.start()
        wait_until(lambda: self._is_serving.is_set() or not new.is_alive(), START_TIMEOUT_S)
        if not (self._is_serving.is_set() and new.is_alive()):
            new.kill()
            logger.error("the new worker does not serve; the old one goes on")
            return False
        new.interrupt_by_parent, old.interrupt_by_parent = False, True
        self.wrks[index] = new
        os.kill(old.inner.pid, signal.SIGUSR2)
        wait_until(lambda: self.interrupt_signal or not old.is_alive(), DRAIN_TIMEOUT_S)
        if old.is_alive():
            old.terminate()
            old.join(self.workers_kill_timeout)
            old.kill()
        return True


def serve_worker(number: int, application: Callable[..., Any], sock: Any, *_: object) -> None:
    """
    Serve in a worker process.

    number: from 1; a worker has that of the one it replaces. sock: granian's description of a
    socket, which is None here, and the socket of the port. If another worker listens there already,
    this one begins when it is ready.
    """
    serving = import_module("bazaar.web.serving")  # Django is for the worker only
    _, shared = sock
    listener = socket.socket(fileno=os.dup(shared.get_fd()))
    if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        serving.await_ready()
    listener.listen(BACKLOG)
    os.kill(os.getppid(), signal.SIGUSR1)
    share = PortShare(shared.counts, number - 1) if len(shared.counts) > 1 else None
    serving.serve(application, [listener], share)


def resolve(host: str, port: int) -> str:
    """Return the first address of a host: granian takes no names. Raises OSError."""
    _, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return str(address[0])


def make_log_config(name: str) -> dict[str, Any]:
    """Return what makes granian's own log lines JSON; name: of this process."""
    log_lines = import_module("bazaar.runtime.log_lines")
    line = {"()": log_lines.make_named_formatter, "process": name}
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
    signal.signal(signal.SIGUSR1, server.note_serving)
    server.serve(spawn_target=wrap(serve_worker))


if __name__ == "__main__":
    main()
