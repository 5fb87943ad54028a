"""Disks that come back with the wrong contents: I1, I8 (docs/DESIGN.md 4.2)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bazaar.core.replica import ReplicaState
from bazaar.core.types import Entry, Order
from tests.core.memory_log import MemoryLog
from tests.sim.cluster import Shape, SimCluster
from tests.sim.trader import SimTrader

History = list[Entry]


def make_trading_cluster(seed: int) -> SimCluster:
    """Return a cluster of which a client asks for trades all the time."""
    cluster = SimCluster(seed, Shape(clients=0))
    trader = SimTrader("trader", cluster.network, cluster.checks, trades=0)
    trader.meet(cluster.frontends, cluster.replicas, cluster.catalog)
    trader.start()
    cluster.run_for(2.0)
    return cluster


def put_back(log: MemoryLog, history: History) -> None:
    """Give a disk the contents of another one, whose digests are right in themselves."""
    other = MemoryLog(history)
    log.entries, log.heads = other.entries, other.heads
    log.orders, log.by_key = other.orders, other.by_key


def change_one(history: History) -> History:
    """Return a history in which one order is another."""
    at = len(history) // 2
    return [*history[:at], _change(history[at]), *history[at + 1 :]]


def change_last(history: History) -> History:
    """Return a history whose last order is another."""
    return [*history[:-1], _change(history[-1])]


def _change(entry: Entry) -> Entry:
    if isinstance(entry, Order):
        return replace(entry, quantity=entry.quantity + 1)
    return replace(entry, issued=entry.issued + 1)


@pytest.mark.parametrize("replica", [0, 1, 2])
@pytest.mark.parametrize("damage", [change_one, change_last], ids=["one", "last"])
def test_a_replica_with_another_history_stays_out(
    replica: int, damage: Callable[[History], History]
) -> None:
    """I8: it does not serve, is neither elected nor waited for, and the others trade on."""
    cluster = make_trading_cluster(seed=replica)
    broken = cluster.replicas[replica]
    broken.crash()
    put_back(broken.log, damage(broken.log.entries))
    kept = list(broken.log.entries)
    placed = cluster.checks.last
    cluster.run_for(1.0)
    broken.start()
    cluster.run_for(3.0)
    assert broken.machine.state is ReplicaState.CORRUPT
    assert broken.log.entries == kept, "the evidence stays"
    assert cluster.catalog.leadership.leader != broken.id
    assert cluster.checks.last > placed + 20


def test_a_ledger_restored_from_an_old_copy_reuses_no_number() -> None:
    """I1: every replica that has more than the ledger stays out, loudly, and trades stop."""
    cluster = make_trading_cluster(seed=2)
    placed = cluster.checks.last
    put_back(cluster.catalog.ledger, cluster.catalog.ledger.entries[:-3])
    cluster.run_for(3.0)
    assert cluster.checks.last == placed
    assert {replica.machine.state for replica in cluster.replicas} <= {
        ReplicaState.AHEAD,
        ReplicaState.FOLLOWING,
    }
    assert not any(replica.outbox for replica in cluster.replicas)
