"""Start processes and wait until they serve."""

import socket
from collections.abc import Iterable, Iterator

from bazaar import clock
from bazaar.clock import Pause, wait_until
from bazaar.cluster import logs
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.snapshot import Observer, ProcessState, ProcessView, Snapshot
from bazaar.cluster.supervisor import Supervisor
from bazaar.topology import Node, Role, Topology, role_of

START_TIMEOUT_S = 30.0
"""For a process to answer; Django's own start takes a second on a slow machine."""
READY_TIMEOUT_S = 10.0
"""For a process that answers to be ready; a replica that catches up for longer is left alone."""
SIDE_BY_SIDE_MAX = 8
"""Processes started at once; each keeps a processor busy for a second, and all have a timeout."""
CONNECT_TIMEOUT_S = 0.5
TAIL_LINES = 8


class StartFailed(ClusterError):  # noqa: N818 - it is a fact about the world
    """A process ended, or did not answer in time; the message ends with its log."""


def stages(topology: Topology) -> Iterator[tuple[str, ...]]:
    """Yield the processes that start together; a stage starts once the one before it serves."""
    names = [name for name, _ in topology.nodes()]
    for roles in ((Role.CATALOG,), (Role.ORDER,), (Role.FRONT_END, Role.DASHBOARD)):
        yield tuple(name for name in names if role_of(name) in roles)


class Starter:
    """Starts processes through the supervisor and waits until they serve."""

    def __init__(
        self, data: DataDir, observer: Observer, supervisor: Supervisor, pause: Pause = clock.wait
    ) -> None:
        """pause: how to wait; may raise Interrupted."""
        self._data, self._observer, self._supervisor = data, observer, supervisor
        self._pause = pause

    def start(self, names: Iterable[str]) -> list[StartFailed]:
        """Start processes side by side, wait until each serves or fails, return the failures."""
        rest, failures = list(names), []
        while rest:
            wave, rest = rest[:SIDE_BY_SIDE_MAX], rest[SIDE_BY_SIDE_MAX:]
            failures += self._start_wave(wave)
        return failures

    def _start_wave(self, names: Iterable[str]) -> list[StartFailed]:
        waiting = _StartWave(self._data, names)
        for name in waiting.log_sizes:
            self._supervisor.start(name)
        wait_until(
            lambda: waiting.step(self._observer.take_snapshot()), READY_TIMEOUT_S, self._pause
        )
        wait_until(
            lambda: waiting.step(self._observer.take_snapshot()) or waiting.is_answered,
            START_TIMEOUT_S,
            self._pause,
        )
        return waiting.end()


class _StartWave:
    """The processes that were started together and do not serve yet."""

    def __init__(self, data: DataDir, names: Iterable[str]) -> None:
        self.log_sizes = {name: logs.size(data.log_path(name)) for name in names}
        self._data = data
        self._answering: set[str] = set()
        self._failures: list[StartFailed] = []

    @property
    def is_answered(self) -> bool:
        """Whether all that are left answer at least."""
        return self.log_sizes.keys() <= self._answering

    def step(self, snapshot: Snapshot) -> bool:
        """Drop what serves or has ended; return whether nothing is left."""
        for view in snapshot.processes:
            if view.name not in self.log_sizes:
                continue
            if is_over(view):
                self._fail(view.name)
            elif is_serving(view):
                del self.log_sizes[view.name]
            elif view.status:
                self._answering.add(view.name)
        return not self.log_sizes

    def end(self) -> list[StartFailed]:
        """Return the failures; a process that never answered is one."""
        for name in [name for name in self.log_sizes if name not in self._answering]:
            self._fail(name)
        return self._failures

    def _fail(self, name: str) -> None:
        after = self.log_sizes.pop(name)
        lines = logs.tail(self._data.log_path(name), TAIL_LINES, after)
        self._failures.append(StartFailed("\n  ".join([f"{name} did not start; its log:", *lines])))


def is_over(view: ProcessView) -> bool:
    """Return whether a process that was started has ended."""
    return view.state in (ProcessState.EXITED, ProcessState.FATAL, ProcessState.STOPPED)


def is_serving(view: ProcessView) -> bool:
    """Return whether a process is as ready as it can be: a damaged log keeps it out."""
    return view.is_corrupt or (view.is_well and is_open(view.node))


def is_open(node: Node) -> bool:
    """Return whether the served port takes connections."""
    try:
        socket.create_connection(node.address, CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True
