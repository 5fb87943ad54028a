"""A link cut between two catalogs, or others: trades go on, nobody takes turns (docs/adr/0055)."""

from collections.abc import Callable

import pytest

from bazaar.core.activity import PROOF_S, Activity
from bazaar.core.types import Epoch
from tests.sim import standby_faults
from tests.sim.cluster import Shape
from tests.sim.process import Process
from tests.sim.shared_cluster import LIMITS, SharedCluster
from tests.sim.trader import SimTrader

CUT_S = 12.0
CALM_S = 2.6
"""By then every leader and active may be replaced at once."""
SOON_S = 1.6
"""As for any cut link (docs/DESIGN.md 5), and waking up."""
HOLDER_S = LIMITS.lease_s + PROOF_S + SOON_S
"""When a front end cannot be told that its stocks are old, or an epoch is new."""
CASES: dict[str, tuple[tuple[str, str], float, int]] = {
    "active and standby": (("active", "standby"), 0.2, 0),
    "standby and a replica": (("standby", "replica 2"), 0.2, 0),
    "standby and a front end": (("standby", "front end 1"), 0.2, 0),
    "standby and database": (("standby", "primary"), 0.2, 0),
    "active and leader": (("active", "leader"), SOON_S, 0),
    "active and a front end": (("active", "front end 2"), HOLDER_S, 0),
    "active and database": (("active", "primary"), SOON_S, 1),
    "active and replicas": (("active", "replica"), SOON_S, 1),
    "active, standby and replicas": (("active", "standby|replica"), SOON_S, 1),
    "active and all but the database": (("active", "standby|replica|front end"), HOLDER_S, 1),
    "standby and all but the database": (("standby", "active|replica|front end"), 0.2, 0),
}
"""What is cut off from what, how long a trade may take then, and how many epochs it may cost."""


def find(cluster: SharedCluster, names: str) -> list[Process]:
    """Return processes by their names or by what they are."""
    active = cluster.storm.active()
    standby = next(one for one in cluster.catalogs if one is not active)
    leader = cluster.replicas[(cluster.checks.leadership.leader or 1) - 1]
    special: dict[str, Process] = {"active": active, "standby": standby, "leader": leader}
    special["primary"] = cluster.database.primary
    return [
        process
        for name in names.split("|")
        for process in ([special[name]] if name in special else cluster.storm.processes)
        if name in special or process.name.startswith(name)
    ]


def watch(seed: int, one: str, others: str, patch: pytest.MonkeyPatch) -> tuple[float, int]:
    """Cut, and return how long a client of front end 1 waits, and how many epochs are new."""
    shape = Shape(replicas=3, clients=0)
    cluster = SharedCluster(seed, patch, catalogs=2, shape=shape)
    cluster.run_for(1.0)
    trader = SimTrader("trader", cluster.network, cluster.checks, trades=0)
    trader.meet(cluster.frontends[:1], cluster.replicas, cluster.catalog)
    trader.start()
    cluster.run_for(CALM_S + 0.3 * cluster.network.rng.random())
    begin_s, epoch = cluster.events.now_s, cluster.checks.active.epoch
    (cut_off,) = find(cluster, one)
    for other in find(cluster, others):
        names = cut_off.name, other.name
        cluster.network.cuts.update((names, names[::-1]))
    cluster.run_for(CUT_S)
    waited_s = trader.longest_wait_s(begin_s, begin_s + CUT_S)
    cluster.tasks.close()
    return waited_s, Epoch(cluster.checks.active.epoch - epoch)


@pytest.mark.parametrize("name", CASES)
def test_trades_go_on_with_a_link_cut_and_few_epochs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/DESIGN.md 5; catalogs that took turns would stop trades again and again."""
    (one, others), bound_s, epochs = CASES[name]
    waited_s, claimed = watch(1, one, others, monkeypatch)
    assert waited_s <= bound_s, f"{waited_s:.3f} s, {claimed} epochs"
    assert claimed <= epochs, f"{claimed} epochs"


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (standby_faults.judge_by_own_link, "active and standby"),
        (standby_faults.ask_no_replica, "active and replicas"),
    ],
)
def test_a_standby_that_asks_nobody_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    (one, others), bound_s, epochs = CASES[name]
    waited_s, claimed = watch(1, one, others, monkeypatch)
    assert waited_s > bound_s or claimed > epochs


OUT_S = 0.9
"""Longer than a proof lasts, and shorter than a commit is waited for."""


def count_epochs_of_an_outage(seeds: range, patch: pytest.MonkeyPatch) -> int:
    """Have the database stand still for a moment; return how many epochs that costs."""
    epochs = 0
    for seed in seeds:
        cluster = SharedCluster(seed, patch, catalogs=3, shape=Shape(replicas=3, clients=1))
        cluster.run_for(CALM_S + 0.3 * cluster.network.rng.random())
        epoch, primary = cluster.checks.active.epoch, cluster.database.primary
        primary.pause()
        cluster.events.after(OUT_S, primary.resume_if_paused)
        cluster.run_for(OUT_S + CALM_S)
        epochs += cluster.checks.active.epoch - epoch
        cluster.tasks.close()
    return epochs


def test_an_active_that_comes_back_with_the_database_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All were silent for the same reason; a standby that counts that claims (docs/adr/0060)."""
    assert count_epochs_of_an_outage(range(4), monkeypatch) == 0
    monkeypatch.setattr(Activity, "looked", lambda *_, **__: None)
    assert count_epochs_of_an_outage(range(4), monkeypatch) > 0
