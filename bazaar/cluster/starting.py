"""Start processes and wait until they serve."""

from collections.abc import Iterable, Iterator

from bazaar import clock
from bazaar.clock import Pause, wait_until
from bazaar.cluster import logs
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.readiness import read_readiness
from bazaar.cluster.snapshot import Observer, ProcessState
from bazaar.topology import Role, role_of

START_TIMEOUT_S = 30.0
"""For a process to answer; Django's own start takes a second on a slow machine."""
READY_TIMEOUT_S = 10.0
"""For a process that answers to be ready; a replica that catches up for longer is left alone."""
SIDE_BY_SIDE_MAX = 8
"""Processes started at once; each needs a processor for a second, and all have a timeout."""
STAGES = ((Role.CATALOG, Role.ORDER, Role.FRONT_END), (Role.DASHBOARD,))
"""The roles that start together, once all before them serve; no trade waits for the last."""
LOOK_S = 0.25
"""Between two looks at processes of which none has begun to answer."""
TAIL_LINES = 8
_ENDED = (ProcessState.EXITED, ProcessState.FATAL, ProcessState.STOPPED)


class StartFailed(ClusterError):  # noqa: N818 - it is a fact about the world
    """A process ended, or did not answer in time; the message ends with its log."""

    def __init__(self, name: str, lines: Iterable[str]) -> None:
        super().__init__("\n  ".join([f"{name} did not start; its log:", *lines]))
        self.name = name


def stages(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """
    Yield those of some processes that start together, once all before them serve.

    Before it decides, the catalog asks the replicas how far their logs go; a front end waits for
    both (docs/adr/0056).
    """
    names = list(names)
    for roles in STAGES:
        yield tuple(name for name in names if role_of(name) in roles)


def start(observer: Observer, names: Iterable[str], pause: Pause = clock.wait) -> list[StartFailed]:
    """
    Start processes side by side until each serves or fails; return the failures.

    pause: how to wait; may raise Interrupted.
    """
    rest, failures = list(names), []
    while rest:
        names, rest = rest[:SIDE_BY_SIDE_MAX], rest[SIDE_BY_SIDE_MAX:]
        wave = _StartWave(observer, names)
        wait_until(wave.is_settled, READY_TIMEOUT_S, pause)
        wait_until(wave.is_answered, START_TIMEOUT_S, pause)
        failures += wave.end()
    return failures


class _StartWave:
    """The processes that were started together and do not serve yet."""

    def __init__(self, observer: Observer, names: Iterable[str]) -> None:
        self._observer, self._data = observer, observer.data
        self._data.make()  # somebody may have deleted the folder of the logs
        self._log_sizes = {name: logs.size(self._data.log_path(name)) for name in names}
        self._answering: set[str] = set()
        self._failures: list[StartFailed] = []
        self._look_s = 0.0
        """When to look at the processes themselves again."""
        for name in self._log_sizes:
            observer.supervisor.start(name)

    def is_answered(self) -> bool:
        """Drop what serves or has ended; return whether the rest answers at least."""
        return self.is_settled() or self._log_sizes.keys() <= self._answering

    def is_settled(self) -> bool:
        """
        Drop what serves or has ended; return whether nothing is left to wait for.

        Without a catalog nothing becomes ready.
        """
        found = {name: read_readiness(self._observer.nodes[name]) for name in self._log_sizes}
        self._answering |= {name for name, readiness in found.items() if readiness.has_answered}
        is_due = clock.monotonic_s() >= self._look_s
        if is_due or any(readiness.is_ready for readiness in found.values()):
            self._look({name for name, readiness in found.items() if readiness.is_ready})
            self._look_s = clock.monotonic_s() + LOOK_S
        return not self._log_sizes or self._has_no_catalog

    @property
    def _has_no_catalog(self) -> bool:
        return any(role_of(failure.name) is Role.CATALOG for failure in self._failures)

    def _look(self, ready: set[str]) -> None:
        """Ask the supervisor, and the processes for their status, which costs all of them time."""
        for view in self._observer.take_snapshot().processes:
            if view.name not in self._log_sizes:
                continue
            is_ended = view.state in _ENDED or not view.is_ours  # then somebody else's answers
            if is_ended:
                self._fail(view.name)
                continue
            if view.is_corrupt or (view.name in ready and view.state is ProcessState.RUNNING):
                del self._log_sizes[view.name]
            elif view.status:
                self._answering.add(view.name)

    def end(self) -> list[StartFailed]:
        """Return the failures; a process that never answered is one."""
        silent = () if self._has_no_catalog else self._log_sizes.keys() - self._answering
        for name in sorted(silent):
            self._fail(name)
        return self._failures

    def _fail(self, name: str) -> None:
        after = self._log_sizes.pop(name)
        lines = logs.tail(self._data.log_path(name), TAIL_LINES, after)
        self._failures.append(StartFailed(name, lines))
