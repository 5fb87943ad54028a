"""A storm: seeded faults on every kind of process and link, each of which ends by itself."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from tests.sim.catalog import SimCatalog
from tests.sim.events import Events
from tests.sim.frontend import SimFrontend
from tests.sim.network import Network, Weather
from tests.sim.process import Process
from tests.sim.replica import SimReplica

FAULTS_MAX = 5
DOWN_S = (0.02, 1.2)
PAUSED_S = (0.1, 1.8)
DISK_FAILING_S = (0.1, 2.5)
CUT_S = (0.1, 1.5)
FUSE_POINTS_MAX = 6


def draw_weather(rng: Random) -> Weather:
    """Return a bad network: one in four loses nothing, one in two repeats nothing, and so on."""
    return Weather(
        lost=rng.choice((0.0, 0.01, 0.05, 0.15)),
        repeated=rng.choice((0.0, 0.0, 0.05, 0.2)),
        garbled=rng.choice((0.0, 0.0, 0.0, 0.05)),
        late=rng.choice((0.0, 0.02, 0.1)),
        late_s=rng.choice((0.05, 0.8, 2.5)),
        has_twins=rng.random() < 0.3,
    )


class Storm:
    """Draws faults and lets them happen."""

    def __init__(
        self,
        network: Network,
        catalog: SimCatalog,
        replicas: Sequence[SimReplica],
        frontends: Sequence[SimFrontend],
    ) -> None:
        self.network, self.catalog = network, catalog
        self.replicas, self.frontends = replicas, frontends
        self.processes: tuple[Process, ...] = (catalog, *replicas, *frontends)
        self.kinds: tuple[tuple[Callable[[], None], int], ...] = (
            (self.crash_replica, 5),
            (self.crash_leader, 5),
            (self.crash_at_write, 6),
            (self.crash_catalog, 2),
            (self.crash_frontend, 1),
            (self.crash_all, 1),
            (self.wipe_replica, 2),
            (self.pause_leader, 4),
            (self.pause_any, 2),
            (self.cut_link, 6),
            (self.isolate, 2),
        )

    def add_failing_disks(self) -> None:
        """Draw disks that fail, too: as often as processes that crash at a write."""
        self.kinds = (*self.kinds, (self.fail_disk, 6), (self.fail_leaders_disk, 6))

    @property
    def rng(self) -> Random:
        """The one source of chance."""
        return self.network.rng

    @property
    def events(self) -> Events:
        """The one clock."""
        return self.network.events

    def brew(self, length_s: float) -> None:
        """Plan faults for the next `length_s` seconds."""
        kinds = [kind for kind, _ in self.kinds]
        weights = [weight for _, weight in self.kinds]
        for _ in range(self.rng.randint(1, FAULTS_MAX)):
            (kind,) = self.rng.choices(kinds, weights)
            self.events.after(self.rng.uniform(0.05, length_s), kind)

    def end(self) -> None:
        """Heal every link, resume and restart every process."""
        self.network.cuts.clear()
        for process in self.processes:
            process.fuse = 0
            process.heal_disk()
            if process.is_paused:
                process.resume()
            process.start_if_dead()

    def crash_replica(self) -> None:
        self._crash(self.rng.choice(self.replicas))

    def crash_leader(self) -> None:
        self._crash(self._leader())

    def crash_catalog(self) -> None:
        self._crash(self.catalog)

    def crash_frontend(self) -> None:
        self._crash(self.rng.choice(self.frontends))

    def crash_all(self) -> None:
        for process in self.processes:
            self._crash(process)

    def crash_at_write(self) -> None:
        """Let a process die before or after one of its next writes is durable."""
        process = self.rng.choice((self.catalog, *self.replicas))
        process.fuse = self.rng.randint(1, FUSE_POINTS_MAX)
        self.events.after(self._between(DOWN_S) + 0.5, process.start_if_dead)

    def wipe_replica(self) -> None:
        replica = self.rng.choice(self.replicas)
        replica.wipe()
        self.events.after(self._between(DOWN_S), replica.start_if_dead)

    def fail_disk(self) -> None:
        self._fail_disk(self.rng.choice((self.catalog, *self.replicas)))

    def fail_leaders_disk(self) -> None:
        self._fail_disk(self._leader())

    def pause_leader(self) -> None:
        self._pause(self._leader())

    def pause_any(self) -> None:
        self._pause(self.rng.choice(self.processes))

    def cut_link(self) -> None:
        """Cut between two processes, one way or both."""
        one, other = self.rng.sample(self.processes, 2)
        links = [(one.name, other.name)]
        if self.rng.random() < 0.5:
            links.append((other.name, one.name))
        self._cut(links)

    def isolate(self) -> None:
        """Cut one process off from all others, its way out, its way in, or both."""
        one = self.rng.choice(self.processes)
        others = [process for process in self.processes if process is not one]
        out = [(one.name, other.name) for other in others]
        way_in = [(other.name, one.name) for other in others]
        self._cut(self.rng.choice((out, way_in, out + way_in)))

    def _crash(self, process: Process) -> None:
        process.crash()
        self.events.after(self._between(DOWN_S), process.start_if_dead)

    def _fail_disk(self, process: Process) -> None:
        self.network.note(f"the disk of {process.name} fails")
        process.has_failing_disk = True
        self.events.after(self._between(DISK_FAILING_S), process.heal_disk)

    def _pause(self, process: Process) -> None:
        process.pause()
        self.events.after(self._between(PAUSED_S), process.resume_if_paused)

    def _cut(self, links: Sequence[tuple[str, str]]) -> None:
        self.network.note(f"cut {links}")
        self.network.cuts.update(links)
        self.events.after(self._between(CUT_S), partial(self.network.cuts.difference_update, links))

    def _between(self, bounds_s: tuple[float, float]) -> float:
        return self.rng.uniform(*bounds_s)

    def _leader(self) -> SimReplica:
        """Return who leads the current term, or anybody."""
        leader = self.catalog.leadership.leader
        return self.replicas[leader - 1] if leader else self.rng.choice(self.replicas)
