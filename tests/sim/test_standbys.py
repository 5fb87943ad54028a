"""Several catalogs on one database, whatever fails: every invariant, and how long it takes."""

from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from tests.sim import standby_faults
from tests.sim.cluster import Shape
from tests.sim.shared_cluster import SharedCluster, count_happenings, run_seed
from tests.sim.trader import SimTrader

SEEDS = 8
CHUNK = 4
TRACED_SEED = 9
"""It has all that storms are to bring about."""
PLANTED_SEEDS = 10
"""So many seeds are enough to find a fault."""
HAPPENINGS = frozenset(
    {"has epoch", "is over", "outcome", "is replaced", " pauses", " crashes", "dies at", "cut "}
)
"""What has to be seen in a storm, or it is too weak to find anything."""


@pytest.mark.parametrize("begin", range(0, SEEDS, CHUNK))
def test_every_invariant_holds_while_catalogs_take_over(begin: int) -> None:
    """I1-I9, I11, I12, and no end of waiting (I10), whatever is killed, paused or cut off."""
    happened = Counter[str]()
    for seed in range(begin, begin + CHUNK):
        cluster = run_seed(seed)
        happened.update(read=cluster.checks.reads, epochs=cluster.checks.active.epoch)
    assert happened["epochs"] > 2 * CHUNK, "hardly anybody took over"
    assert happened["read"] > 0, "nothing was read"


@pytest.fixture(scope="module", name="history")
def _history() -> list[str]:
    history: list[str] = []
    run_seed(TRACED_SEED, trace=history)
    return history


def test_a_seed_is_a_history_of_takeovers(history: list[str]) -> None:
    """What failed once fails again."""
    again: list[str] = []
    run_seed(TRACED_SEED, trace=again)
    assert again == history


def test_a_storm_brings_about_what_catalogs_are_made_for(history: list[str]) -> None:
    assert count_happenings(history, HAPPENINGS).keys() == HAPPENINGS


@pytest.mark.parametrize(
    ("plant", "finds", "only", "begin"),
    [
        (standby_faults.compare_no_epoch, "I5", ["pause_active"] * 3, 109),
        (standby_faults.read_the_epoch_only, "I5", ["pause_active"] * 3, 109),
        (standby_faults.grant_without_proof, "I7", ["strand"], 7),
        (standby_faults.wait_for_no_holder, "I7", ["strand"], 1),
        (standby_faults.go_on_with_an_older_epoch, "I7", ["crash_active"] * 3, 0),
        (standby_faults.go_on_with_an_earlier_life, "I7", ["crash_active"] * 3, 2),
    ],
)
def test_a_planted_fault_of_a_standby_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    finds: str,
    only: list[str],
    begin: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A simulation that misses a fault it was made for proves nothing.

    finds: the invariant that does. only: what has to happen. begin: a seed that finds it, or one
    shortly before.
    """
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=finds):
        _run_seeds(range(begin, begin + PLANTED_SEEDS), only)


def test_an_active_that_goes_on_in_doubt_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another catalog would take over so soon that nothing was seen of it, so there is none."""
    standby_faults.go_on_in_doubt(monkeypatch)
    with pytest.raises(AssertionError, match="liveness"):
        _run_seeds(range(3, 3 + PLANTED_SEEDS), ["lose_answers"] * 3, catalogs=1)


def _run_seeds(seeds: Iterable[int], only: list[str], catalogs: int | None = None) -> None:
    for seed in seeds:
        run_seed(seed, only=only, catalogs=catalogs)


Fault = Callable[[SharedCluster], None]


def kill_active(cluster: SharedCluster) -> None:
    """Kill the active for good."""
    cluster.storm.active().crash()


def pause_active(cluster: SharedCluster) -> None:
    """Stop the active."""
    cluster.storm.active().pause()


def kill_active_and_front_end(cluster: SharedCluster) -> None:
    """Kill the active and a front end, whose lease has to be waited for."""
    cluster.frontends[-1].crash()
    kill_active(cluster)


def fail_over(cluster: SharedCluster) -> None:
    """Kill the node of the database that takes writes."""
    cluster.database.fail_over(FAILOVER_S, 0.5)
    cluster.database.other(cluster.database.primary).crash()


FAILOVER_S = 1.0
BOUNDS_S: dict[str, tuple[Fault, float]] = {
    "active killed": (kill_active, 0.5),
    "active paused": (pause_active, 1.0),
    "active and a front end killed": (kill_active_and_front_end, 3.0),
    "database node killed": (fail_over, FAILOVER_S + 0.5),
}


@pytest.mark.parametrize("name", BOUNDS_S)
def test_a_trade_is_acknowledged_soon_after_a_takeover(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/DESIGN.md 5."""
    fault, bound_s = BOUNDS_S[name]
    for seed in range(2):
        cluster = SharedCluster(seed, monkeypatch, catalogs=2, shape=Shape(clients=0))
        cluster.run_for(1.0)
        trader = SimTrader("trader", cluster.network, cluster.checks, trades=0)
        trader.meet(cluster.frontends[:1], cluster.replicas, cluster.catalog)
        trader.start()
        cluster.run_for(2.5 + 0.3 * cluster.network.rng.random())
        begin_s = cluster.events.now_s
        fault(cluster)
        cluster.run_for(bound_s + 0.5)
        waited_s = trader.longest_wait_s(begin_s, begin_s + bound_s + 0.5)
        cluster.tasks.close()
        assert waited_s <= bound_s, f"seed {seed}: {waited_s:.3f} s"
