"""A cluster whose databases are files of the rooms' own making, in a storm that loses them."""

import shutil
import tempfile
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from django.db import connections

from bazaar.core.replica import ReplicaState
from bazaar.core.types import ReplicaId, Stock
from bazaar.settings.env import Limits
from tests.sim.catalog import SimCatalog
from tests.sim.client import SimClient
from tests.sim.cluster import Shape, SimCluster
from tests.sim.disk import Disk, find_template, share_damage, share_models
from tests.sim.frontend import SimFrontend
from tests.sim.losses import LossStorm
from tests.sim.replica import SimReplica
from tests.sim.stored_catalog import StoredCatalog
from tests.sim.stored_checks import StoredChecks
from tests.sim.stored_frontend import ReadingClient, StoredFrontend
from tests.sim.stored_replica import StoredReplica
from tests.sim.storm import Storm

STORM_S = 6.0
LIMITS = Limits(recovery_wait_s=1.0, verify_turn_s=0.5)


def draw_shape(rng: Random) -> Shape:
    """Return a shape: mostly the default one of three replicas."""
    replicas = rng.choice((2, 3, 3, 3))
    return Shape(
        replicas=replicas,
        frontends=2,
        clients=3,
        trades=rng.choice((8, 16)),
        in_sync_min=min(replicas, rng.choice((1, 1, 2))),
        deadline_s=rng.choice((10.0, 1.0)),
    )


class StoredCluster(SimCluster):
    """All processes, on disks in one folder."""

    storm_s = STORM_S
    checks: StoredChecks

    def __init__(
        self,
        seed: int,
        folder: Path,
        template: Path,
        patch: pytest.MonkeyPatch,
    ) -> None:
        self.folder, self.template, self.patch = folder, template, patch
        super().__init__(seed, draw_shape(Random(seed)))

    def _make_processes(self, stocks: list[Stock], shape: Shape) -> None:
        self.checks = StoredChecks(stocks)
        catalog = StoredCatalog(self.tasks, self.checks, self._make_disk("catalog"), LIMITS)
        logs = [
            StoredReplica(
                ReplicaId(at),
                self.tasks,
                self.checks,
                shape.in_sync_min,
                self._make_disk(f"order-{at}"),
            )
            for at in range(1, shape.replicas + 1)
        ]
        frontends = [
            StoredFrontend(at, self.tasks, shape.deadline_s, self.checks)
            for at in range(1, shape.frontends + 1)
        ]
        self.stored = catalog
        self.catalog = cast(SimCatalog, catalog)
        self.replicas = cast(list[SimReplica], logs)
        self.frontends = cast(list[SimFrontend], frontends)
        self.losses = LossStorm(self.network, catalog, logs, frontends)
        self.storm: Storm = self.losses
        self._wire(catalog)
        catalog.list_stocks(stocks)

    def _wire(self, catalog: StoredCatalog) -> None:
        patch = self.patch
        share_damage(patch)
        share_models(patch)
        catalog.wire(patch)
        StoredReplica.wire(patch, self.tasks)
        StoredFrontend.wire(patch, self.tasks)
        patch.setattr("bazaar.runtime.anew.PAUSE_S", 0.0)
        patch.setattr("bazaar.runtime.anew.call_command", partial(_copy_template, self.template))

    def _make_disk(self, name: str) -> Disk:
        return Disk(self.folder / f"{name}.sqlite3", find_template(self.template, name))

    def _make_client(self, name: str, trades: int) -> SimClient:
        return ReadingClient(name, self.network, self.checks, trades=trades)

    def close(self) -> None:
        """End all threads, then all connections."""
        self.tasks.close()
        for disk in (self.stored.disk, *(cast(StoredReplica, one).disk for one in self.replicas)):
            disk.close()

    def check_step(self) -> None:
        for frontend in self.frontends:
            cast(StoredFrontend, frontend).check()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do, for the operator neither."""
        is_damaged = any(cast(StoredReplica, one).is_damaged for one in self.replicas)
        is_whole = self.stored.is_deciding and not is_damaged and not self.stored.find_damage()
        return is_whole and super().is_settled

    def operate(self) -> None:
        """Rebuild what says that it differs, and a catalog that cannot begin anew by itself."""
        self.losses.rebuild_hindered()
        for replica in cast(list[StoredReplica], self.replicas):
            is_out = replica.machine.state in (ReplicaState.CORRUPT, ReplicaState.AHEAD)
            if is_out and self.stored.is_deciding and not replica.is_damaged:
                replica.rebuild()

    def check_end(self) -> None:
        """Check what every healed cluster has to be: one history, everywhere (I1, I3, I8)."""
        checks = self.checks
        assert list(self.stored.read_entries()) == checks.history, "I1 the ledger"
        checks.recovered(self.stored.position, self.stored.read_stocks())
        for replica in cast(list[StoredReplica], self.replicas):
            assert list(replica.read_entries()) == checks.history, f"I1 {replica.name}"
        for order in checks.acknowledged.values():
            assert checks.orders[order.order_no - 1] == order, f"I3 {order}"
        for frontend in self.frontends:
            cast(StoredFrontend, frontend).check_end()

    def describe(self) -> str:
        reason = self.stored.recovery.reason or self.stored.disk.damage_where
        return f"{super().describe()} the catalog: {reason or 'decides'}"


def _copy_template(folder: Path, command: str, *, database: str, **_: Any) -> None:
    """Make the tables of a new database, in the place of `manage.py migrate`."""
    assert command == "migrate", f"{command} makes no tables"
    path = Path(connections.settings[database]["NAME"])
    shutil.copyfile(find_template(folder, path.name.partition(".")[0]), path)


def run_seed(seed: int, template: Path, *, trace: list[str] | None = None) -> StoredCluster:
    """Run one seed to its end; a failure names the seed. trace: gets its history."""
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="bazaar-sim-") as folder,
    ):
        cluster = StoredCluster(seed, Path(folder), template, patch)
        cluster.network.trace = trace
        try:
            cluster.run()
        except BaseException as failure:
            failure.add_note(f"seed {seed} fails; replay: python -m tests.sim --losses {seed}")
            raise
        finally:
            cluster.close()
    return cluster
