"""
`cluster up`: start everything, say what happens, and stop everything in the end.

However this command ends, nothing survives it: asked to end, it stops all processes and waits;
killed, the kernel tells its supervisor (`tie`), which stops them; with the supervisor killed as
well, the kernel tells each of them.
"""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from rich.console import Console

from bazaar import clock
from bazaar.cluster import init, ports, stopping, tables
from bazaar.cluster.errors import ClusterError, Interrupted
from bazaar.cluster.events import events
from bazaar.cluster.init import Wish
from bazaar.cluster.launch import SERVERS
from bazaar.cluster.locks import hold
from bazaar.cluster.operations import Cluster
from bazaar.cluster.snapshot import Snapshot
from bazaar.cluster.starting import Starter, StartFailed, has_leader, stages
from bazaar.cluster.supervisor_config import (
    supervisor_command,
    supervisor_environment,
    write_config,
)
from bazaar.cluster.waits import wait_until
from bazaar.settings import env

LOOK_S = 1.0
SUPERVISOR_TIMEOUT_S = 10.0
LEADER_TIMEOUT_S = 5.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, however often they come."""
    wished = threading.Event()
    is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup: outlive the terminal
    numbers = [number for number in _ENDING if not (is_deaf and number is signal.SIGHUP)]
    before = {number: signal.signal(number, lambda *_: wished.set()) for number in numbers}
    try:
        yield wished
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def up(wish: Wish, environ: Mapping[str, str], console: Console) -> int:
    """
    Run a cluster until it is to end; return 0, or 1 when its supervisor was lost.

    Raises ClusterError, SettingsError: it cannot be started; then nothing is left running.
    """
    init.check_wish(wish)
    if wish.server not in SERVERS:
        raise ClusterError(f"--server must be {' or '.join(SERVERS)}, not {wish.server!r}.")
    env.read_limits(environ)
    wish.data.make()
    with ending_signals() as wished, hold(wish.data) as lock:
        running = Running(wish, environ, console, wished)
        try:
            running.prepare()
            running.begin(lock)
            return running.watch()
        except Interrupted:
            return 0
        finally:
            running.end()


@dataclass
class Running:
    """One run of `cluster up`."""

    wish: Wish
    environ: Mapping[str, str]
    console: Console
    wished: threading.Event
    """Set when the operator wants it to end."""
    supervisor: subprocess.Popen[bytes] | None = None
    last: Snapshot | None = field(default=None, init=False)

    def say(self, line: str) -> None:
        """Print one event with its time."""
        self.console.print(f"{_now()} {line}", markup=False, soft_wrap=True)

    def pause(self, seconds: float) -> None:
        """Wait, but not after the operator wants to end. Raises Interrupted."""
        if self.wished.wait(seconds):
            raise Interrupted

    def prepare(self) -> None:
        """Make files and databases, and see that every port is free."""
        found = init.describe(self.wish, self.environ)
        for name, node in found.nodes():
            ports.check_free(name, node)
        for line in init.fill(self.wish, found, self.environ):
            self.say(line)
        self.pause(0)

    def begin(self, lock: IO[bytes]) -> None:
        """Start the supervisor, then all roles in their order; print the table of addresses."""
        cluster = Cluster(self.wish.data, self.environ)
        write_config(
            self.wish.data,
            cluster.topology,
            self.wish.server,
            is_restarting=self.wish.is_restarting,
        )
        self.say(f"starting {len(cluster.observer.nodes)} processes")
        self._start_supervisor(cluster, lock)
        starter = Starter(cluster.data, cluster.observer, cluster.supervisor, self.pause)
        for names in stages(cluster.topology):
            self._report(names, starter.start(names))
        wait_until(lambda: has_leader(cluster.look()), LEADER_TIMEOUT_S, self.pause)
        self.last = cluster.look()
        self.console.print(tables.addresses(self.last, cluster.data))
        self.say(f"up, {tables.sentence(self.last)}")

    def watch(self) -> int:
        """Print one line an event until the cluster is to end, or has ended."""
        cluster = Cluster(self.wish.data, self.environ)
        while not self.wished.wait(LOOK_S):
            if self.supervisor is not None and (status := self.supervisor.poll()) is not None:
                self.say("stopped" if status == 0 else "the supervisor was lost; stopping all")
                return 0 if status == 0 else 1
            now = cluster.look()
            if self.last and now.is_supervised:
                for line in events(self.last, now):
                    self.say(line)
                self.last = now
        return 0

    def end(self) -> None:
        """Stop everything that is left; wait until it is gone."""
        if self.supervisor is None:
            return
        if self.supervisor.poll() is None:
            self.console.print("stopping ...")
            stopped = stopping.stop_cluster(self.wish.data, self.supervisor.pid)
            self.console.print(f"stopped {', '.join(stopped) or 'the supervisor'}")
        if self.last:
            stopping.end_all(view.pid for view in self.last.processes if view.pid)
        self.supervisor.wait()

    def _start_supervisor(self, cluster: Cluster, lock: IO[bytes]) -> None:
        errors = (cluster.data.logs / "supervisord.err").open("w+b")
        with errors:
            self.supervisor = subprocess.Popen(
                supervisor_command(cluster.data),
                env=supervisor_environment(cluster.data, self.environ),
                cwd=env.ROOT,
                stdin=lock,  # the one file that it keeps open: the lock ends with both of us
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for us
            )
            process = self.supervisor
            wait_until(
                lambda: cluster.supervisor.is_running() or process.poll() is not None,
                SUPERVISOR_TIMEOUT_S,
                self.pause,
            )
            if not cluster.supervisor.is_running():
                errors.seek(0)
                text = errors.read().decode(errors="replace").strip()
                raise ClusterError(f"The supervisor did not start: {text or 'no reason given'}")

    def _report(self, names: tuple[str, ...], failures: list[StartFailed]) -> None:
        """Say what did not start; raise the first when the cluster cannot do without it."""
        is_needed = not all(name.startswith("order-") for name in names)
        if failures and (is_needed or len(failures) == len(names)):
            raise failures[0]
        for failure in failures:
            self.say(str(failure))


def _now() -> str:
    return tables.local_time(clock.wall_s())[-8:]
