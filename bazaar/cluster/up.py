"""
`cluster up`: start everything, report events, stop everything in the end.

However this command ends, nothing outlives it. On Ctrl-C or SIGTERM it stops all processes and
waits. If it is killed, the kernel signals its supervisor (`parent_death`), which stops them. If the
supervisor is killed as well, the kernel kills each of them.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster import databases, hosts, init, ports, stopping, tables
from bazaar.cluster.events import list_events
from bazaar.cluster.exits import ClusterError, Interrupted
from bazaar.cluster.init import InitOptions
from bazaar.cluster.locks import hold
from bazaar.cluster.operations import Cluster
from bazaar.cluster.parent_death import is_interrupted_make
from bazaar.cluster.snapshot import Snapshot
from bazaar.cluster.starting import StartFailed, stages, start
from bazaar.cluster.supervisor_config import (
    supervisor_command,
    supervisor_environment,
    write_config,
)
from bazaar.settings import env
from bazaar.topology import Role, role_of

SNAPSHOT_S = 1.0
SUPERVISOR_TIMEOUT_S = 10.0
LEADER_TIMEOUT_S = 5.0
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def catch_end_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set, however often they come."""
    is_ending = threading.Event()
    is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup: outlive the terminal
    numbers = [number for number in _END_SIGNALS if not (is_deaf and number is signal.SIGHUP)]
    before = {number: signal.signal(number, lambda *_: is_ending.set()) for number in numbers}
    try:
        yield is_ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def up(options: InitOptions, environ: Mapping[str, str], output: Any) -> int:
    """
    Run a cluster until a signal ends it; return 0, or 1: its supervisor was lost.

    output: a text file. Raises ClusterError, SettingsError: it cannot be started; then nothing is
    left running.
    """
    env.read_limits(environ)
    options.data.make()
    with catch_end_signals() as is_ending, hold(options.data) as lock:
        run = ClusterRun(options, environ, output, is_ending)
        try:
            run.prepare()
            run.start(lock)
            return run.watch()
        except Interrupted:
            return 0
        finally:
            run.end()


@dataclass
class ClusterRun:
    """One run of `cluster up`."""

    options: InitOptions
    environ: Mapping[str, str]
    output: Any
    """A text file."""
    is_ending: threading.Event
    """Set when the operator wants it to end."""
    supervisor: subprocess.Popen[bytes] | None = None
    last: Snapshot | None = field(default=None, init=False)

    def report(self, line: str) -> None:
        """Print one event with its time."""
        now = tables.local_time(clock.wall_s())[-8:]
        self.show(f"{now} {line}")

    def show(self, line: str) -> None:
        """Print a line; an output whose disk is full ends nothing."""
        with contextlib.suppress(OSError):
            self.output.write(f"{line}\n")
            self.output.flush()

    def pause(self, seconds: float) -> None:
        """Wait, but not once the operator wants to end. Raises Interrupted."""
        if is_interrupted_make(os.getppid()):
            self.is_ending.set()
        if self.is_ending.wait(seconds):
            raise Interrupted

    def prepare(self) -> None:
        """Make files and databases, and check that every port is free."""
        data, stocks = self.options.data, self.options.stocks
        is_new = data.is_new
        found = init.make_files(self.options, self.environ)
        for name, node in hosts.read_part(data, found).items():
            ports.check_free(name, node)
        for line in databases.prepare_all(data, found, stocks, self.environ, is_new=is_new):
            self.report(line)
        self.pause(0)

    def start(self, lock: IO[bytes]) -> None:
        """Start the supervisor, then all stages; print the table of addresses."""
        cluster = Cluster(self.options.data, self.environ)
        write_config(
            self.options.data,
            cluster.part,
            self.options.server,
            is_restarting=self.options.is_restarting,
        )
        elsewhere = len(cluster.nodes) - len(cluster.part)
        others = f"; {elsewhere} are other hosts'" if elsewhere else ""
        self.report(f"starting {len(cluster.part)} processes{others}")
        self._start_supervisor(cluster, lock)
        for names in stages(cluster.part):
            self._report_failures(cluster, start(cluster, names, self.pause))
        wait_until(lambda: cluster.take_snapshot().leader is not None, LEADER_TIMEOUT_S, self.pause)
        self.last = cluster.take_snapshot()
        with contextlib.suppress(OSError):
            addresses = tables.make_address_table(self.last, cluster.data)
            tables.open_console(self.output).print(addresses, markup=False)
        self.report(f"up, {tables.describe_health(self.last)}")

    def watch(self) -> int:
        """
        Report events until the cluster ends; return exit status.

        Raises Interrupted: a signal came.
        """
        cluster = Cluster(self.options.data, self.environ)
        while True:
            self.pause(SNAPSHOT_S)
            if self.supervisor is not None and (status := self.supervisor.poll()) is not None:
                self.report("stopped" if status == 0 else "the supervisor was lost; stopping all")
                return 0 if status == 0 else 1
            now = cluster.take_snapshot()
            if self.last and now.is_supervised:
                for line in list_events(self.last, now):
                    self.report(line)
                self.last = now

    def end(self) -> None:
        """Stop everything that is left; wait until it is gone."""
        if self.supervisor is None:
            return
        if self.supervisor.poll() is None:
            self.show("stopping ...")
            stopped = stopping.stop_cluster(self.options.data, self.supervisor.pid)
            self.show(f"stopped {', '.join(stopped) or 'the supervisor'}")
        if self.last:
            stopping.end_all(view.pid for view in self.last.processes if view.pid)
        self.supervisor.wait()

    def _start_supervisor(self, cluster: Cluster, lock: IO[bytes]) -> None:
        with (cluster.data.logs / "supervisord.err").open("w+b") as errors:
            self.supervisor = process = subprocess.Popen(
                supervisor_command(cluster.data),
                env=supervisor_environment(cluster.data, self.environ),
                cwd=env.ROOT,
                stdin=lock,  # its only inherited file: the lock ends with both processes
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for this process
            )
            wait_until(
                lambda: cluster.supervisor.is_running() or process.poll() is not None,
                SUPERVISOR_TIMEOUT_S,
                self.pause,
            )
            if not cluster.supervisor.is_running():
                errors.seek(0)
                text = errors.read().decode(errors="replace").strip()
                raise ClusterError(f"The supervisor did not start: {text or 'no reason given'}")

    def _report_failures(self, cluster: Cluster, failures: list[StartFailed]) -> None:
        """Report what did not start; raise the first the cluster cannot do without."""
        replicas = {name for name in cluster.nodes if role_of(name) is Role.ORDER}
        can_do_without = replicas if replicas - {failure.name for failure in failures} else set()
        for failure in failures:
            if failure.name not in can_do_without:
                raise failure
        for failure in failures:
            self.report(str(failure))
