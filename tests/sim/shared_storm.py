"""A storm over catalogs that share a database: each kind of fault that they are made for."""

from collections.abc import Sequence
from functools import partial
from typing import cast

from bazaar.core.activity import PROOF_INTERVAL_S
from tests.sim.catalog import SimCatalog
from tests.sim.network import Network
from tests.sim.process import Process
from tests.sim.replica import SimReplica
from tests.sim.shared_catalog import SharedCatalog
from tests.sim.shared_database import FAILOVER_S, OLD_NODE_S, SharedDatabase
from tests.sim.shared_members import SharedFrontend
from tests.sim.storm import FUSE_POINTS_MAX, Storm

PARTED_S = (0.6, 4.5)
"""Some longer than a proof and a lease together."""
STRANDED_S = (2.0, 6.0)
FIRST_S, EVERY_S = 2.1, 2.2
"""When the first fault happens that is not drawn, and each other: the active is not new then."""
LOST_MOMENTS, LOST_MOMENT_S = 8, 0.02
ACTIVE_PAUSED_S = (0.1, 4.0)


class SharedStorm(Storm):
    """Draws faults of catalogs and of their database, too."""

    only: Sequence[str] = ()
    """The faults that happen, one after the other, by their names; none: what is drawn."""

    def __init__(
        self,
        network: Network,
        database: SharedDatabase,
        catalogs: Sequence[SharedCatalog],
        replicas: Sequence[SimReplica],
        frontends: Sequence[SharedFrontend],
    ) -> None:
        super().__init__(network, cast(SimCatalog, database), replicas, frontends)
        self.database, self.catalogs = database, catalogs
        self.processes = (*database.nodes, *catalogs, *replicas, *frontends)
        left_out = (self.crash_catalog, self.crash_at_write, self.wipe_replica)
        self.kinds = (
            *(kind for kind in self.kinds if kind[0] not in left_out),
            (self.crash_active, 6),
            (self.pause_active, 8),
            (self.part_active, 10),
            (self.part_catalogs, 10),
            (self.strand, 10),
            (self.crash_catalog_at_write, 6),
            (self.fail_over, 8),
            (self.crash_node, 4),
            (self.crash_node_at_write, 4),
            (self.slow_database, 3),
        )

    def brew(self, length_s: float) -> None:
        for number, name in enumerate(self.only):
            at_s = FIRST_S + EVERY_S * number + self.rng.random()
            self.events.after(at_s, getattr(self, name))
        if not self.only:
            super().brew(length_s)
            super().brew(length_s)

    def crash_active(self) -> None:
        self._crash(self.active())

    def pause_active(self) -> None:
        """Stop the active, perhaps for so long that another one takes over."""
        active = self.active()
        active.pause()
        self.events.after(self._between(ACTIVE_PAUSED_S), active.resume_if_paused)

    def part_active(self) -> None:
        """Cut the active and some others off from the rest; the database is on either side."""
        active = self.active()
        rest = [process for process in self.processes if process is not active]
        side = [active, *(process for process in rest if self.rng.random() < 0.3)]
        other = [process for process in rest if process not in side]
        self._part(side, other, self._between(PARTED_S))

    def part_catalogs(self) -> None:
        """Cut the active off from standbys only; the database may be slow for it meanwhile."""
        active, length_s = self.active(), self._between(PARTED_S)
        standbys = [one for one in self.catalogs if one is not active]
        self._part([active], standbys, length_s)
        if self.rng.random() < 0.6:
            self._slow([active], length_s)

    def lose_answers(self) -> None:
        """Lose what the database answers to the active, for a few moments between two proofs."""
        active = self.active()
        links = [(node.name, active.name) for node in self.database.nodes]
        for at in range(LOST_MOMENTS):
            since_s = at * PROOF_INTERVAL_S + self.rng.random() * PROOF_INTERVAL_S
            self.events.after(since_s, partial(self.network.cuts.update, links))
            mend = partial(self.network.cuts.difference_update, links)
            self.events.after(since_s + LOST_MOMENT_S, mend)

    def strand(self) -> None:
        """Leave the active alone with one front end."""
        side = [self.active(), self.rng.choice(self.frontends)]
        other = [process for process in self.processes if process not in side]
        self._part(side, other, self._between(STRANDED_S))

    def crash_catalog_at_write(self) -> None:
        """Let the active die before or after a commit, whose outcome it does not hear of."""
        self._burn(self.active())

    def crash_node(self) -> None:
        self._crash(self.rng.choice(self.database.nodes))

    def crash_node_at_write(self) -> None:
        self._burn(self.database.primary)

    def fail_over(self) -> None:
        """Let the other node take writes; the one before dies, or goes on answering reads."""
        old = self.database.primary
        if self.database.fail_over(self._between(FAILOVER_S), self._between(OLD_NODE_S)):
            fate = self.rng.random()
            if fate < 0.4:
                self._crash(old)
            elif fate < 0.6:
                self._pause(old)

    def slow_database(self) -> None:
        """Let what goes to the database and comes from it take longer."""
        self._slow(self.processes, self._between(PARTED_S))

    def end(self) -> None:
        self.network.slow_s.clear()
        super().end()

    def _leader(self) -> SimReplica:
        """Return who leads the current term, or anybody."""
        leader = self.catalogs[0].checks.leadership.leader
        return self.replicas[leader - 1] if leader else self.rng.choice(self.replicas)

    def active(self) -> SharedCatalog:
        """Return who has an epoch, the newest perhaps, or anybody."""
        active = [one for one in self.catalogs if one.is_up and one.activity.has_epoch]
        return self.rng.choice(active or self.catalogs)

    def _burn(self, process: Process) -> None:
        process.fuse = self.rng.randint(1, FUSE_POINTS_MAX)
        self.events.after(self.rng.uniform(0.5, 1.7), process.start_if_dead)

    def _slow(self, processes: Sequence[Process], length_s: float) -> None:
        names = [(node.name, one.name) for node in self.database.nodes for one in processes]
        for link in (*names, *(name[::-1] for name in names)):
            self.network.slow_s[link] = self.rng.uniform(0.05, 0.4)
        self.events.after(length_s, self.network.slow_s.clear)

    def _part(self, side: Sequence[Process], other: Sequence[Process], length_s: float) -> None:
        links = [(one.name, two.name) for one in side for two in other]
        if self.rng.random() < 0.8:
            links += [(two.name, one.name) for one in side for two in other]
        self.network.note(f"cut {[one.name for one in side]} from {[one.name for one in other]}")
        self.network.cuts.update(links)
        mend = partial(self.network.cuts.difference_update, links)
        self.events.after(length_s, mend)
