"""How long clients wait when something fails in an otherwise healthy cluster (docs/DESIGN.md 5)."""

from collections.abc import Callable

import pytest

from bazaar.settings.env import Limits
from tests.sim.cluster import Shape, SimCluster
from tests.sim.process import Process
from tests.sim.trader import SimTrader

SEEDS = range(5)
CALM_S = 2.2
"""Simulated time before a failure; by then every leader may be replaced at once."""
SLACK_S = 0.1
"""What waking up and sending take, on top of the bounds of docs/DESIGN.md 5."""
LEADER, OTHER, FOLLOWER = 2, 1, 0
Fault = Callable[[SimCluster], None]


def wait_s(seed: int, fault: Fault, after_s: float) -> float:
    """
    Return how long a client of the first front end waits for an acknowledgement, at most.

    after_s: how long it is watched after the fault.
    """
    cluster = SimCluster(seed, Shape(clients=0))
    cluster.run_for(1.0)
    elect_largest(cluster)
    trader = SimTrader("trader", cluster.network, cluster.checks, trades=0)
    trader.meet(cluster.frontends[:1], cluster.replicas, cluster.catalog)
    trader.start()
    cluster.run_for(CALM_S + 0.3 * cluster.network.rng.random())
    begin_s = cluster.events.now_s
    fault(cluster)
    cluster.run_for(after_s)
    return trader.longest_wait_s(begin_s, begin_s + after_s)


def elect_largest(cluster: SimCluster) -> None:
    """Let the replica with the largest id lead, whoever was first at the start."""
    for replica in cluster.replicas[:-1]:
        replica.crash()
    cluster.run_for(1.0)
    for replica in cluster.replicas[:-1]:
        replica.start()
    cluster.run_for(1.0)
    assert cluster.replicas[-1].outbox is not None, "the largest id leads"


def cut(*links: tuple[str, str]) -> Fault:
    """Return the fault that some links carry nothing."""
    return lambda cluster: cluster.network.cuts.update(links)


def both_ways(one: str, other: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return a link in both directions."""
    return (one, other), (other, one)


def crash(*replicas: int) -> Fault:
    """Return the fault that replicas die, by their place."""

    def fault(cluster: SimCluster) -> None:
        for at in replicas:
            cluster.replicas[at].crash()

    return fault


def pause(replica: int) -> Fault:
    """Return the fault that a replica is stopped, by its place."""
    return lambda cluster: cluster.replicas[replica].pause()


BOUNDS_S: dict[str, tuple[Fault, float]] = {
    "nothing": (crash(), 0.1),
    "leader killed": (crash(LEADER), 0.3),
    "leader paused": (pause(LEADER), 0.5),
    "follower killed": (crash(FOLLOWER), 0.5),
    "follower paused": (pause(FOLLOWER), 0.5),
    "two of three killed": (crash(LEADER, OTHER), 0.5),
    "both followers killed": (crash(OTHER, FOLLOWER), 0.5),
    "leader to front ends cut": (
        cut(("replica 3", "front end 1"), ("replica 3", "front end 2")),
        0.5,
    ),
    "front ends to leader cut": (
        cut(("front end 1", "replica 3"), ("front end 2", "replica 3")),
        0.5,
    ),
    "one front end and leader cut": (cut(*both_ways("front end 1", "replica 3")), 0.5),
    "leader and follower cut": (cut(*both_ways("replica 3", "replica 1")), 0.5),
    "leader to follower cut": (cut(("replica 3", "replica 1")), 0.5),
    "follower to leader cut": (cut(("replica 1", "replica 3")), 0.5),
    "leader and catalog cut": (cut(*both_ways("replica 3", "catalog")), 0.6),
    "leader to catalog cut": (cut(("replica 3", "catalog")), 0.6),
    "catalog to leader cut": (cut(("catalog", "replica 3")), 0.6),
    "two replicas and catalog cut": (
        cut(*both_ways("replica 3", "catalog"), *both_ways("replica 2", "catalog")),
        1.0 + Limits().call_timeout_s,  # the second may be elected before it knows of its cut
    ),
    "follower and catalog cut": (cut(*both_ways("replica 1", "catalog")), 0.1),
    "front end and catalog cut": (cut(*both_ways("front end 1", "catalog")), 0.1),
}


STALLS: dict[str, tuple[float, Callable[[SimCluster], list[Process]]]] = {
    "leader": (0.2, lambda cluster: [cluster.replicas[LEADER]]),
    "everything": (0.2, lambda cluster: [*cluster.storm.processes]),
    "everything for 2 s": (2.0, lambda cluster: [*cluster.storm.processes]),
    "front ends for 2 s": (2.0, lambda cluster: [*cluster.frontends]),
}
"""How long something stands still, and what."""


@pytest.mark.parametrize("name", BOUNDS_S)
def test_a_trade_is_acknowledged_soon_after(name: str) -> None:
    """docs/DESIGN.md 5, for a client whose front end has to find out by itself."""
    fault, bound_s = BOUNDS_S[name]
    for seed in SEEDS:
        waited_s = wait_s(seed, fault, bound_s + 0.5)
        assert waited_s <= bound_s + SLACK_S, f"seed {seed}: {waited_s:.3f} s"


def test_a_front_end_without_the_catalog_follows_an_election_of_another() -> None:
    """It learns from the replicas who leads now, once its own claim has timed out."""

    def fault(cluster: SimCluster) -> None:
        cut(*both_ways("front end 1", "catalog"))(cluster)
        crash(LEADER)(cluster)

    bound_s = Limits().call_timeout_s + 0.5
    for seed in SEEDS:
        assert wait_s(seed, fault, bound_s + 0.5) <= bound_s


def test_front_ends_that_see_different_replicas_do_not_depose_leaders_in_turns() -> None:
    """A leader that the catalog reaches keeps the term for a while (`is_protected`)."""

    def fault(cluster: SimCluster) -> None:
        cut(*both_ways("front end 1", "replica 3"))(cluster)
        cut(*both_ways("front end 2", "replica 2"))(cluster)

    cluster = SimCluster(1, Shape(clients=0))
    cluster.run_for(1.0)
    elect_largest(cluster)
    fault(cluster)
    before = cluster.catalog.leadership.term
    cluster.run_for(20.0)
    assert cluster.catalog.leadership.term - before <= 20.0 / 2.0 + 1


def test_a_resumed_leader_acknowledges_nothing() -> None:
    """I5: whatever it was doing when it was stopped, the term is over."""
    cluster = SimCluster(4, Shape(clients=0))
    cluster.run_for(1.0)
    elect_largest(cluster)
    trader = SimTrader("trader", cluster.network, cluster.checks, trades=0)
    trader.meet(cluster.frontends, cluster.replicas, cluster.catalog)
    trader.start()
    cluster.run_for(CALM_S)
    cluster.replicas[LEADER].pause()
    cluster.run_for(3.0)
    term = cluster.catalog.leadership.term
    cluster.replicas[LEADER].resume()
    cluster.run_for(1.0)
    assert cluster.checks.entry_term == term == cluster.catalog.leadership.term
    assert cluster.replicas[LEADER].outbox is None
    assert cluster.replicas[LEADER].log.last >= cluster.checks.last - 1


@pytest.mark.parametrize("stall", STALLS)
def test_nobody_is_deposed_for_a_stall(stall: str) -> None:
    """Issue 18: the leader alone, everything at once, or a watcher for longer than its patience."""
    length_s, find = STALLS[stall]
    for seed in SEEDS:
        cluster = SimCluster(seed, Shape(clients=0))
        cluster.run_for(1.0)
        elect_largest(cluster)
        cluster.run_for(CALM_S + 0.3 * cluster.network.rng.random())
        leadership = cluster.catalog.leadership
        stopped = find(cluster)
        for _ in range(10):
            for process in stopped:
                process.pause()
            cluster.run_for(length_s)
            for process in stopped:
                process.resume()
            cluster.run_for(0.5 + 0.1 * cluster.network.rng.random())
        assert cluster.catalog.leadership == leadership, f"seed {seed}"


def test_a_restarted_larger_id_does_not_depose_a_healthy_leader() -> None:
    """docs/DESIGN.md 4.3."""
    cluster = SimCluster(4, Shape(clients=0))
    cluster.run_for(1.0)
    elect_largest(cluster)
    cluster.replicas[LEADER].crash()
    cluster.run_for(3.0)
    leadership = cluster.catalog.leadership
    cluster.replicas[LEADER].start()
    cluster.run_for(3.0)
    assert cluster.catalog.leadership == leadership
