"""Orders and terms that a member invents, signed with the secret, change nothing (I1, I6, I8)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest

from bazaar.core.digest import chain
from bazaar.core.failures import Failure, StaleTerm, Unconfirmed
from bazaar.core.ledger import Page
from bazaar.core.replication import Append
from bazaar.core.types import Digest, Head, Order, OrderNo, Position, ReplicaId, Term, TradeType
from bazaar.protocol.clients import ReplicaClient
from bazaar.protocol.statuses import ReplicaStatus
from tests.cluster.conftest import LiveCluster
from tests.cluster.proof import assert_proof
from tests.cluster.requests import buy

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

CALL_TIMEOUT_S = 5.0
AHEAD = 1000


@pytest.fixture
def clients(cluster: LiveCluster) -> Iterator[list[ReplicaClient]]:
    """Return a client of every replica, as a member makes it."""
    nodes = cluster.topology.replicas
    made = [ReplicaClient.at(node, cluster.secret, CALL_TIMEOUT_S) for node in nodes]
    yield made
    for client in made:
        client.close()


def forge(status: ReplicaStatus, term: int, leader: int, ahead: int = 0) -> Append:
    """Return an append of an invented order, at the end of a log or ahead of it."""
    position, last = Position(status.position + ahead), OrderNo(status.last + ahead)
    after = Head(position, last, Digest(status.digest))
    order = Order(OrderNo(last + 1), uuid4(), "GameStart", TradeType.BUY, 100)
    end = chain(after, [order])
    page = Page(after, (order,), end.digest, end.position)
    return Append(Term(term), ReplicaId(leader), page, uuid4())


def refusal(append: Append, client: ReplicaClient) -> type[Failure]:
    """Send a forged append and return how it is refused."""
    with pytest.raises(Failure) as refused:
        client.append(append, CALL_TIMEOUT_S)
    return type(refused.value)


def heads(clients: list[ReplicaClient]) -> list[tuple[int, int | None, int, str, str]]:
    """Return what every replica is and has."""
    statuses = [client.status() for client in clients]
    return [(one.term, one.leader, one.last, one.digest, one.state) for one in statuses]


def test_forged_appends_and_notices_change_nothing(
    cluster: LiveCluster, clients: list[ReplicaClient]
) -> None:
    """Every replica, leader and followers: now, far ahead, in old and future terms."""
    cluster.kill(cluster.leader())  # so that there is an older term
    cluster.heal()
    for _ in range(3):
        assert buy(cluster, "GameStart").status == 200
    cluster.wait_for(lambda _: len({head[2:4] for head in heads(clients)}) == 1)
    before = heads(clients)
    for client in clients:
        status = client.status()
        assert status.leader is not None
        others = [one.id for one in cluster.topology.replicas if one.id != status.leader]
        forged = partial(forge, status)
        for ahead in (0, AHEAD):
            for term in (status.term, status.term + 1, status.term + AHEAD):
                append = forged(term, status.leader, ahead)
                assert refusal(append, client) is Unconfirmed
                heartbeat = replace(append.page, entries=(), digest=append.page.after.digest)
                assert refusal(replace(append, page=heartbeat), client) is Unconfirmed
            assert refusal(forged(status.term - 1, status.leader, ahead), client) is StaleTerm
            for other in others:
                assert refusal(forged(status.term, other, ahead), client) is StaleTerm
                assert refusal(forged(status.term + 1, other, ahead), client) is Unconfirmed
        for leader in (status.leader, *others):
            with pytest.raises(StaleTerm):
                client.notice(Term(status.term + AHEAD), ReplicaId(leader), CALL_TIMEOUT_S)
    assert heads(clients) == before
    for _ in range(3):
        assert buy(cluster, "GameStart").status == 200
    assert_proof(cluster)
