"""Processes stand still and come back (SIGSTOP, SIGCONT); control traffic waits for no trade."""

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest

from bazaar.clock import wait_until
from bazaar.core.failures import NotLeader
from bazaar.core.types import ReplicaId, Term, Trade, TradeType
from bazaar.protocol.clients import FrontEndClient, ReplicaClient
from bazaar.protocol.transport import HttpTransport
from bazaar.topology import Node
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import buy, query
from tests.cluster.test_crashes import PATIENCE_S, assert_proof, await_progress, market

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def client_of(cluster: LiveCluster, name: str) -> ReplicaClient:
    return ReplicaClient.at(dict(cluster.topology.nodes())[name], cluster.secret, 5.0)


def close(client: ReplicaClient | FrontEndClient) -> None:
    for transport in (client.served, client.control):
        assert isinstance(transport, HttpTransport)
        transport.close()


def test_a_paused_leader_is_replaced_and_acknowledges_nothing_afterwards(
    cluster: LiveCluster,
) -> None:
    """I5: it wakes up deposed, its old term places nothing, and it follows."""
    with market(cluster) as trading:
        await_progress(trading)
        name = cluster.leader()
        term = cluster.look().term
        cluster.pause(name)
        cluster.wait_for(lambda snapshot: snapshot.leader is not None and snapshot.term > term)
        await_progress(trading)
        cluster.resume(name)
        old = client_of(cluster, name)
        trade = Trade(uuid4(), "GameStart", TradeType.BUY, 1)
        with pytest.raises(NotLeader):
            old.trade(Term(term), [trade], 5.0)
        close(old)
        await_progress(trading)
    assert trading.errors == []
    assert_proof(cluster, trading)


def test_a_paused_follower_delays_one_batch_and_catches_up(cluster: LiveCluster) -> None:
    """I3, I10: it leaves the in-sync set after the replication timeout, and joins again."""
    leader = cluster.leader()
    follower = next(view for view in cluster.look().replicas if view.name != leader)
    with market(cluster) as trading:
        await_progress(trading)
        cluster.pause(follower.name)
        await_progress(trading, 50)
        in_sync = cluster.look().in_sync
        cluster.resume(follower.name)
        await_progress(trading)
    assert follower.node.id not in in_sync
    assert trading.errors == []
    assert_proof(cluster, trading)


def test_a_paused_front_end_delays_a_trade_by_its_lease_and_reads_the_new_state(
    cluster: LiveCluster,
) -> None:
    """I7: it is waited out, then dropped; when it wakes up it does not answer from old memory."""
    before = query(cluster, "MenhirCo").body
    cluster.pause("frontend-1")
    leader = cluster.leader()
    client = client_of(cluster, leader)
    trade = Trade(uuid4(), "MenhirCo", TradeType.BUY, 1)
    client.trade(Term(cluster.look().term), [trade], 10.0)
    close(client)
    cluster.resume("frontend-1")
    after = query(cluster, "MenhirCo").body
    assert after["quantity"] == before["quantity"] - 1
    assert after["trade_volume"] == before["trade_volume"] + 1
    assert_proof(cluster)


def test_control_traffic_is_answered_while_every_served_thread_is_busy(
    new_cluster: Callable[..., LiveCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """I10: trades hang in the front end and the leader, pings and status do not."""
    monkeypatch.setenv("BAZAAR_SERVED_THREADS", "2")
    cluster = new_cluster()
    cluster.up()
    leader = cluster.leader()
    node: Node = dict(cluster.topology.nodes())[leader]
    replica = client_of(cluster, leader)
    front_end = FrontEndClient.at(cluster.topology.front_ends[0], cluster.secret, 5.0)
    cluster.pause("catalog")
    busy = [threading.Thread(target=buy, args=(cluster, "GameStart")) for _ in range(8)]
    for thread in busy:
        thread.start()
    assert wait_until(lambda: replica.status().trades > 0, PATIENCE_S), "no trade has arrived"
    ping = replica.ping(1.0)
    assert ping.replica_id == ReplicaId(node.id)
    assert replica.status().id == node.id
    assert front_end.status().role == "frontend"
    cluster.resume("catalog")
    for thread in busy:
        thread.join(PATIENCE_S)
    close(replica)
    close(front_end)
    assert_proof(cluster)
