"""Processes stand still and come back (SIGSTOP, SIGCONT); control traffic waits for no trade."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import pytest

from bazaar.clock import wait_until
from bazaar.cluster.ports import free_topology
from bazaar.core.failures import Deposed, NotLeader
from bazaar.core.types import ReplicaId, Term, Trade, TradeType
from bazaar.protocol.clients import FrontEndClient, ReplicaClient
from bazaar.topology import Node
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import PROGRESS_TIMEOUT_S, Load
from tests.cluster.proof import assert_proof, ledger_keys
from tests.cluster.requests import buy, query

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


@contextmanager
def client_of(cluster: LiveCluster, name: str) -> Iterator[ReplicaClient]:
    """Give a way to a replica as other processes have it."""
    node = dict(cluster.topology.nodes())[name]
    with closing(ReplicaClient.at(node, cluster.secret, 5.0)) as client:
        yield client


def test_a_paused_leader_is_replaced_and_acknowledges_nothing_afterwards(
    cluster: LiveCluster,
) -> None:
    """I5: it wakes up deposed, its old term places nothing, and it follows."""
    with Load([cluster.base_url]) as load:
        load.await_progress()
        name = cluster.leader()
        term = cluster.look().term
        cluster.pause(name)
        cluster.wait_for(lambda snapshot: snapshot.leader is not None and snapshot.term > term)
        load.await_progress()
        cluster.resume(name)
        trade = Trade(uuid4(), "GameStart", TradeType.BUY, 1)
        # Deposed: it learned only from the ledger that its term is over.
        with client_of(cluster, name) as old, pytest.raises((NotLeader, Deposed)):
            old.trade(Term(term), [trade], 5.0)
        load.await_progress()
    assert load.errors == []
    assert_proof(cluster, load)
    assert trade.key not in ledger_keys(cluster)


def test_a_paused_follower_delays_one_batch_and_catches_up(cluster: LiveCluster) -> None:
    """I3, I10: it leaves the in-sync set after the replication timeout, and joins again."""
    leader = cluster.leader()
    follower = next(view for view in cluster.look().replicas if view.name != leader)
    with Load([cluster.base_url]) as load:
        load.await_progress()
        cluster.pause(follower.name)
        load.await_progress(50)
        in_sync = cluster.look().in_sync
        cluster.resume(follower.name)
        load.await_progress()
    assert follower.node.id not in in_sync
    assert load.errors == []
    assert_proof(cluster, load)


def test_a_paused_front_end_delays_a_trade_by_its_lease_and_reads_the_new_state(
    cluster: LiveCluster,
) -> None:
    """I7: it is waited out, then dropped; when it wakes up it does not answer from old memory."""
    before = query(cluster, "BoarCo").body
    cluster.pause("frontend-1")
    leader = cluster.leader()
    trade = Trade(uuid4(), "BoarCo", TradeType.BUY, 1)
    with client_of(cluster, leader) as client:
        client.trade(Term(cluster.look().term), [trade], 10.0)
    cluster.resume("frontend-1")
    after = query(cluster, "BoarCo").body
    assert after["quantity"] == before["quantity"] - 1
    assert after["trade_volume"] == before["trade_volume"] + 1
    assert_proof(cluster)


def test_control_traffic_is_answered_while_every_served_thread_is_busy(
    new_cluster: Callable[..., LiveCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """I10: trades hang in the front end and the leader, pings and status do not."""
    monkeypatch.setenv("BAZAAR_SERVED_THREADS", "2")
    cluster = new_cluster(nodes=free_topology(replicas=2))
    cluster.up()
    leader = cluster.leader()
    node: Node = dict(cluster.topology.nodes())[leader]
    front_end = FrontEndClient.at(cluster.topology.front_ends[0], cluster.secret, 5.0)
    cluster.pause("catalog")
    busy = [threading.Thread(target=buy, args=(cluster, "GameStart")) for _ in range(8)]
    for thread in busy:
        thread.start()
    with client_of(cluster, leader) as replica, closing(front_end):
        has_arrived = wait_until(lambda: replica.status().trades > 0, PROGRESS_TIMEOUT_S)
        assert has_arrived, "no trade has arrived"
        ping = replica.ping(1.0)
        assert ping.replica_id == ReplicaId(node.id)
        assert replica.status().id == node.id
        assert front_end.status().role == "frontend"
    cluster.resume("catalog")
    for thread in busy:
        thread.join(PROGRESS_TIMEOUT_S)
    assert_proof(cluster)
