"""A member signs what no leader sent and no catalog decided, through storms: I1, I6, I8."""

from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from bazaar.core.digest import extend
from bazaar.core.ledger import Page
from bazaar.core.replication import Append
from bazaar.core.types import Order, OrderNo, Position, ReplicaId, Term, TradeType
from tests.sim.client import SimClient
from tests.sim.cluster import SimCluster
from tests.sim.messages import Notice
from tests.sim.process import ignore
from tests.sim.replica import SimReplica

PAUSE_S = 0.02
CALL_S = 1.0


def forge_all_the_time(cluster: SimCluster, forger: SimClient) -> None:
    """Send one replica an append or a notice that somebody invented; go on after a pause."""
    rng = cluster.network.rng
    forger.after(PAUSE_S * rng.random(), partial(forge_all_the_time, cluster, forger))
    replica = rng.choice(cluster.replicas)
    message = rng.choice((invent_append, invent_notice))(cluster, replica)
    cluster.network.call(forger, replica, message, ignore, CALL_S)


def invent_term(cluster: SimCluster, replica: SimReplica) -> tuple[Term, ReplicaId]:
    """Return a leadership: the one that a replica knows, or one near or far from it."""
    rng = cluster.network.rng
    term = Term(max(0, replica.log.term + rng.choice((-1, 0, 0, 0, 1, 1000))))
    return term, replica.log.leader or ReplicaId(1)


def invent_append(cluster: SimCluster, replica: SimReplica) -> Append:
    """Return an append of one order, right after a replica's log or ahead of it."""
    rng, log = cluster.network.rng, replica.log
    ahead = rng.choice((0, 0, 0, 5))
    after = replace(log.head, position=Position(log.last + ahead))
    key = UUID(int=rng.getrandbits(128))
    order = Order(OrderNo(after.order_no + 1), key, "GameStart", TradeType.BUY, 1)
    end = extend(after, order)
    page = Page(after, (order,), end.digest, end.position)
    return Append(*invent_term(cluster, replica), page, UUID(int=rng.getrandbits(128)))


def invent_notice(cluster: SimCluster, replica: SimReplica) -> Notice:
    """Return a notice of a leadership."""
    return Notice(*invent_term(cluster, replica))


@pytest.mark.parametrize("seed", range(8))
def test_what_a_member_invents_changes_nothing(seed: int) -> None:
    """Every write to a log is compared with the ledger, and every leadership with its claim."""
    cluster = SimCluster(seed)
    forger = SimClient("forger", cluster.network, cluster.checks, trades=0)
    forger.start()
    forge_all_the_time(cluster, forger)
    cluster.run()
    assert not any(replica.machine.term >= 1000 for replica in cluster.replicas)
