"""A storm in which databases are lost, put back, damaged and refuse what is written."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

from bazaar.cluster import backup, databases
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.core.types import Position
from tests.sim.catalog import SimCatalog
from tests.sim.disk import FAULTS
from tests.sim.network import Network
from tests.sim.process import Process
from tests.sim.replica import SimReplica
from tests.sim.stored_catalog import StoredCatalog
from tests.sim.stored_frontend import StoredFrontend
from tests.sim.stored_replica import StoredReplica
from tests.sim.storm import DISK_FAILING_S, DOWN_S, FUSE_POINTS_MAX, Storm
from tests.sim.threaded import ThreadedProcess

BACKUPS = 4
"""Backups that are made while a storm lasts."""
OPERATOR_S = 5.0
"""How long a catalog says that it cannot begin anew before an operator makes it anew."""


class LossStorm(Storm):
    """Draws losses, too; what it takes from one place, another one has."""

    def __init__(
        self,
        network: Network,
        catalog: StoredCatalog,
        replicas: Sequence[StoredReplica],
        frontends: Sequence[StoredFrontend],
    ) -> None:
        super().__init__(
            network,
            cast(SimCatalog, catalog),
            cast(Sequence[SimReplica], replicas),
            frontends,
        )
        self.stored, self.logs = catalog, replicas
        self.data = DataDir(catalog.disk.path.parent)
        self.backups: list[Path] = []
        self.is_over = False
        self.hindered_since_s: float | None = None
        self.happened = Counter[str]()
        (self.data.root / "backups").mkdir()
        kept = tuple(one for one in self.kinds if one[0] != self.wipe_replica)
        self.kinds = (
            *kept,
            (self.restore_catalog, 10),
            (self.wipe_catalog, 6),
            (self.lose_at_write, 8),
            (self.damage_catalog, 8),
            (self.damage_replica, 10),
            (self.fail_disk, 8),
            (self.fail_leaders_disk, 4),
        )

    def brew(self, length_s: float) -> None:
        self.back_up()
        super().brew(length_s)
        super().brew(length_s)
        for _ in range(BACKUPS):
            self.events.after(self.rng.uniform(0.0, length_s), self.back_up)

    def back_up(self) -> None:
        """Make a backup, as `cluster backup` does; none of a damaged or missing database."""
        before = set((self.data.root / "backups").iterdir())
        with suppress(ClusterError):
            backup.make_backup(self.data, self.data.root / "backups")
        made = sorted(set((self.data.root / "backups").iterdir()) - before)
        self.backups += made

    def restore_catalog(self) -> None:
        """Put a backup of an earlier moment back, as `cluster restore` does."""
        if not self.may_lose_catalog():
            return
        self.stored.crash()
        source = self.rng.choice(self.backups)
        self.network.note(f"the catalog is put back from {source.name}")
        self.happened["restored"] += 1
        self._forget_lost()
        backup.put_back(self.data, source, [replica.id for replica in self.logs])
        self.events.after(self._between(DOWN_S), self.stored.start_if_dead)

    def wipe_catalog(self) -> None:
        """Lose the catalog's files; it begins with nothing, as after `cluster rebuild catalog`."""
        if not self.may_lose_catalog():
            return
        self.stored.crash()
        self.network.note("the catalog is wiped")
        self.happened["wiped"] += 1
        databases.move_aside(self.data, "catalog")
        self.stored.disk.renew()
        self.stored.disk.forget_damage()
        self._forget_lost()
        self.events.after(self._between(DOWN_S), self.stored.start_if_dead)

    def rebuild_hindered(self) -> None:
        """Make a catalog anew that has said for long that it cannot do so by itself."""
        if not self.stored.is_up or not self.stored.repair.hindrance:
            self.hindered_since_s = None
        elif self.hindered_since_s is None:
            self.hindered_since_s = self.events.now_s
        elif self.events.now_s >= self.hindered_since_s + OPERATOR_S:
            self.happened["rebuilt"] += 1
            self.wipe_catalog()

    def lose_at_write(self) -> None:
        """Let the catalog die at a write and lose it then: nobody else may have what it wrote."""
        self.stored.fuse = self.rng.randint(1, FUSE_POINTS_MAX)
        lose = self.rng.choice((self.restore_catalog, self.wipe_catalog))
        self.events.after(self._between(DOWN_S), partial(self._do_unless_over, lose))

    def end(self) -> None:
        self.is_over = True
        super().end()

    def damage_catalog(self) -> None:
        """Change an order of the ledger, which begins anew by itself some time later."""
        order_no = self.rng.randint(1, max(1, self.stored.checks.last))
        if self.stored.is_deciding and self.stored.damage(order_no):
            self.network.note(f"order {order_no} of the ledger is changed")
            self.happened["damaged"] += 1

    def damage_replica(self) -> None:
        """Change an order of one log, while the ledger has it and no other log is damaged."""
        replica = self.rng.choice(self.logs)
        order_no = self.rng.randint(1, max(1, self.stored.checks.last))
        if not self.is_whole() or any(one.is_damaged for one in self.logs):
            return  # a ledger that is behind needs all that another log has
        if replica.damage(order_no):
            self.network.note(f"order {order_no} of {replica.name} is changed")
            self.happened["log damaged"] += 1

    def is_whole(self) -> bool:
        """Tell whether the ledger decides, and no row of it is changed."""
        checks = self.stored.checks
        if not self.stored.is_deciding or self.stored.disk.fault is not None:
            return False
        return self.stored.find_damage() == "" and len(checks.history) == self.stored.position

    def may_lose_catalog(self) -> bool:
        """Tell whether the sound logs have all that was acknowledged."""
        sound = (one for one in self.logs if not one.is_damaged and not one.disk.damage_where)
        reached = max((one.log.last for one in sound), default=0)
        return reached >= max(self.stored.checks.newest, len(self.stored.checks.tallies))

    def _forget_lost(self) -> None:
        """Let nobody expect what the catalog alone knew."""
        self.stored.given_up = Position(0)
        self.stored.checks.lost(max(max(one.log.term, one.log.refused_term) for one in self.logs))

    def _do_unless_over(self, loss: Callable[[], None]) -> None:
        if not self.is_over:
            loss()

    def _fail_disk(self, process: Process) -> None:
        assert isinstance(process, ThreadedProcess), "it has a disk"
        assert process.disk is not None, "it has a disk"
        fault = self.rng.choice(FAULTS)
        self.network.note(f"the disk of {process.name} {fault.name}")
        self.happened["failing"] += 1
        process.disk.fault = fault
        self.events.after(self._between(DISK_FAILING_S), process.heal_disk)
