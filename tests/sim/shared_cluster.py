"""A cluster whose catalogs share a database, in a storm, and what must hold (docs/adr/0048)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import cast

import pytest

from bazaar.core.activity import NO_ACTIVE, ActivityState
from bazaar.core.coherence import CLOCK_DRIFT_MAX
from bazaar.core.digest import link
from bazaar.core.election import Leadership
from bazaar.core.ledger import describe
from bazaar.core.replay import StockReplay
from bazaar.core.types import START, CatalogId, Head, ReplicaId, Stock, Term
from bazaar.settings.env import Limits
from tests.sim.catalog import SimCatalog
from tests.sim.client import SimClient
from tests.sim.cluster import Shape, SimCluster
from tests.sim.network import CALM, Weather
from tests.sim.shared_active import HEARTBEAT
from tests.sim.shared_catalog import SharedCatalog
from tests.sim.shared_checks import SharedChecks
from tests.sim.shared_database import SharedDatabase
from tests.sim.shared_members import SharedClient, SharedFrontend, SharedReplica
from tests.sim.shared_storm import SharedStorm

STORM_S = 8.0
LIMITS = Limits()


def draw_shape(rng: Random) -> Shape:
    """Return a shape: one to three replicas, and enough trades for all of the storm."""
    return Shape(
        replicas=rng.choice((1, 2, 2, 3)),
        frontends=rng.choice((2, 2, 3)),
        clients=4,
        trades=rng.choice((10, 20)),
        deadline_s=rng.choice((10.0, 1.0, 1.0)),
    )


class SharedCluster(SimCluster):
    """All processes: two database nodes, two or three catalogs, replicas, front ends."""

    storm_s = STORM_S
    checks: SharedChecks
    storm: SharedStorm
    catalogs: list[SharedCatalog]

    def __init__(
        self,
        seed: int,
        patch: pytest.MonkeyPatch,
        *,
        catalogs: int | None = None,
        shape: Shape | None = None,
        has_trace: bool = False,
    ) -> None:
        """catalogs: how many; None: the seed draws it."""
        rng = Random(seed)
        self.patch = patch
        self.catalogs_count = catalogs or rng.choice((2, 2, 3))
        super().__init__(seed, shape or draw_shape(rng), has_trace=has_trace)

    def _make_processes(self, stocks: list[Stock], shape: Shape) -> None:
        self.checks = SharedChecks(stocks)
        self.database = SharedDatabase(self.network, _make_rows(stocks))
        self.catalogs = [
            SharedCatalog(CatalogId(at), self.tasks, self.checks, LIMITS, self.database)
            for at in range(1, self.catalogs_count + 1)
        ]
        replicas = [
            SharedReplica(ReplicaId(at), self.tasks, self.checks, shape.in_sync_min)
            for at in range(1, shape.replicas + 1)
        ]
        frontends = [
            SharedFrontend(at, self.tasks, shape.deadline_s, self.checks)
            for at in range(1, shape.frontends + 1)
        ]
        SharedFrontend.wire(self.patch, self.tasks)
        self.catalog = cast(SimCatalog, self.database)
        self.replicas, self.frontends = list(replicas), list(frontends)
        self.storm = SharedStorm(
            self.network, self.database, self.catalogs, self.replicas, frontends
        )
        by_id = {catalog.id: catalog for catalog in self.catalogs}
        for catalog in self.catalogs:
            catalog.catalogs = by_id
            catalog.replicas = {replica.id: replica for replica in replicas}
            catalog.holders = {one.node.control_port: one for one in frontends}
            catalog.rate = self._draw_rate()
        for replica in replicas:
            replica.catalogs = by_id
        for frontend in frontends:
            frontend.catalogs, frontend.rate = by_id, self._draw_rate()

    def _draw_rate(self) -> float:
        """Return how fast a clock is."""
        return 1 + self.network.rng.uniform(-1, 1) * CLOCK_DRIFT_MAX

    def _start(self) -> None:
        for replica in self.replicas:
            replica.meet(self.catalog, self.replicas)
        for frontend in self.frontends:
            frontend.meet(self.catalog, self.replicas)
        for process in (*self.database.nodes, *self.catalogs, *self.replicas, *self.frontends):
            process.start()

    def _make_client(self, name: str, trades: int) -> SimClient:
        client = SharedClient(name, self.network, self.checks, trades=trades)
        client.catalogs = {catalog.id: catalog for catalog in self.catalogs}
        return client

    def _draw_weather(self) -> Weather:
        """Return a calm network for faults that are not drawn: they are to have their effect."""
        return CALM if self.storm.only else super()._draw_weather()

    def check_step(self) -> None:
        """Check what may be answered from memory (I7), who is active (I5), and the head (I12)."""
        for frontend in self.frontends:
            cast(SharedFrontend, frontend).check()
        for node in self.database.nodes:
            if node.is_up and node.is_primary:
                head: Head = node.rows["head"]
                assert node.rows["entry", head.position][1] == head, f"I12 {node.name} at {head}"
        epochs = [one.activity.known.epoch for one in self.catalogs if one.activity.has_epoch]
        assert len(epochs) == len(set(epochs)), f"I5 two catalogs have one epoch: {epochs}"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do."""
        active = [one for one in self.catalogs if one.activity.state is ActivityState.ACTIVE]
        return len(active) == 1 and super().is_settled

    def check_end(self) -> None:
        """Check what every healed cluster has to be: one history, everywhere (I1, I3, I8, I11)."""
        checks, rows = self.checks, self.database.primary.rows
        ledger = [rows["entry", at + 1] for at in range(rows["head"].position)]
        assert [entry for entry, _ in ledger] == checks.history, "I1 the ledger"
        assert [START, *(head for _, head in ledger)] == checks.heads, "I8 the ledger"
        replay = StockReplay()
        for entry in checks.history:
            replay.take(entry)
        stocks = {name: rows["stock", name] for name in checks.tallies}
        assert replay.stocks == stocks, "I11 the ledger makes other stocks"
        for stock in stocks.values():
            checks.tallies[stock.name].check(stock)
        for replica in self.replicas:
            assert replica.log.entries == checks.history, f"I1 {replica.name}"
            assert replica.log.heads == checks.heads, f"I8 {replica.name}"
        for order in checks.acknowledged.values():
            assert checks.orders[order.order_no - 1] == order, f"I3 {order}"
        for frontend in self.frontends:
            cast(SharedFrontend, frontend).check_end()

    def describe(self) -> str:
        states = {one.name: (one.activity.state.value, one.activity.known) for one in self.catalogs}
        logs = {
            replica.name: (replica.machine.state, replica.log.last) for replica in self.replicas
        }
        open_ = [client.open for client in self.clients]
        return f"{self.checks.active} {self.checks.last} {states} {logs} open trades {open_}"


def _make_rows(stocks: list[Stock]) -> dict[object, object]:
    """Return a database in which some stocks are listed, and nothing else has happened."""
    rows: dict[object, object] = {
        "active": NO_ACTIVE,
        **dict.fromkeys(HEARTBEAT, 0),
        "leadership": Leadership(Term(0), None),
        **{("stock", stock.name): stock for stock in stocks},
    }
    for entry, head in link(START, map(describe, stocks)):
        rows["entry", head.position] = (entry, head)
        rows["head"] = head
    return rows


def run_seed(
    seed: int,
    *,
    only: Sequence[str] = (),
    catalogs: int | None = None,
    trace: list[str] | None = None,
) -> SharedCluster:
    """
    Run one seed to its end; a failure names the seed.

    only: see `SharedStorm.only`. trace: gets the history.
    """
    with pytest.MonkeyPatch.context() as patch:
        cluster = SharedCluster(seed, patch, catalogs=catalogs)
        cluster.network.trace = trace
        cluster.storm.only = only
        try:
            cluster.run()
        except BaseException as failure:
            failure.add_note(f"seed {seed} fails; replay: python -m tests.sim --shared {seed}")
            raise
        finally:
            cluster.tasks.close()
    return cluster


def count_happenings(trace: Iterable[str], happenings: Iterable[str]) -> Counter[str]:
    """Count in a history what a storm is to bring about."""
    return Counter(one for line in trace for one in happenings if one in line)
