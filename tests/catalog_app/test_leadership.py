"""I6: a term is claimed by compare-and-set, once, whoever races."""

from functools import partial

import pytest

import catalog_app.wiring
from bazaar.core.election import LEADER_PROTECTION_S, Leadership, Ping
from bazaar.core.failures import Failure, LeaderAlive, StaleTerm, Unreachable
from bazaar.core.types import OrderNo, ReplicaId, Term
from bazaar.protocol.clients import ReplicaClient
from catalog_app import models, selectors, services
from catalog_app.leader_protection import LeaderProtection
from tests.catalog_app.conftest import LEADER, TERM
from tests.catalog_app.fakes import FakeTime
from tests.support.hearing import Hearing
from tests.support.waits import run_together


class FakeReplica(ReplicaClient):
    """A replica that answers pings, or does not."""

    def __init__(self, *, is_alive: bool, is_serving: bool = True) -> None:
        self.is_alive, self.is_serving = is_alive, is_serving

    def ping(self, timeout_s: float) -> Ping:
        if not self.is_alive:
            raise Unreachable
        return Ping(
            *(LEADER, TERM, LEADER, OrderNo(0)),
            is_serving=self.is_serving,
            is_leading=True,
        )


def protect(
    monkeypatch: pytest.MonkeyPatch, time: FakeTime, replica: ReplicaClient | None
) -> LeaderProtection:
    """Let a leader's leader_protection begin now; the catalog may ask this replica."""
    leader_protection = LeaderProtection({LEADER: replica} if replica else {}, lambda: time.now_s)
    monkeypatch.setattr(catalog_app.wiring, "leader_protection", lambda: leader_protection)
    return leader_protection


@pytest.fixture(autouse=True)
def _nobody_is_protected(monkeypatch: pytest.MonkeyPatch, time: FakeTime) -> None:
    protect(monkeypatch, time, FakeReplica(is_alive=False))


@pytest.mark.usefixtures("catalog")
def test_a_claim_begins_the_next_term() -> None:
    assert services.claim_leadership(term=TERM, leader=ReplicaId(1)) == Leadership(
        Term(4), ReplicaId(1)
    )
    assert selectors.get_leadership() == Leadership(Term(4), ReplicaId(1))


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("term", [0, 2, 4, 2**62])
def test_a_claim_that_knows_another_term_is_refused_with_the_current_one(term: int) -> None:
    with pytest.raises(StaleTerm) as caught:
        services.claim_leadership(term=Term(term), leader=ReplicaId(1))
    assert (caught.value.term, caught.value.leader) == (TERM, LEADER)
    assert selectors.get_leadership() == Leadership(TERM, LEADER)


@pytest.mark.usefixtures("catalog")
def test_the_first_claim_of_all_begins_term_1() -> None:
    models.Leadership.objects.update(term=0, leader=None)
    assert services.claim_leadership(term=Term(0), leader=ReplicaId(3)).term == 1


@pytest.mark.usefixtures("committed_catalog")
def test_one_of_many_claims_for_a_term_wins() -> None:
    def claim(leader: ReplicaId) -> Leadership | Failure:
        try:
            return services.claim_leadership(term=TERM, leader=leader)
        except StaleTerm as stale:
            return stale

    answers = run_together([partial(claim, ReplicaId(number)) for number in range(1, 9)])
    (won,) = (answer for answer in answers if isinstance(answer, Leadership))
    assert selectors.get_leadership() == won == Leadership(Term(4), won.leader)
    lost = [answer for answer in answers if isinstance(answer, StaleTerm)]
    assert {(stale.term, stale.leader) for stale in lost} == {(4, won.leader)}


@pytest.mark.usefixtures("catalog")
def test_a_new_leader_that_the_catalog_reaches_is_not_deposed(
    monkeypatch: pytest.MonkeyPatch, time: FakeTime
) -> None:
    protect(monkeypatch, time, FakeReplica(is_alive=True)).begin()
    with pytest.raises(LeaderAlive):
        services.claim_leadership(term=TERM, leader=ReplicaId(1))
    assert selectors.get_leadership() == Leadership(TERM, LEADER)
    time.now_s += LEADER_PROTECTION_S
    assert services.claim_leadership(term=TERM, leader=ReplicaId(1)).term == 4


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    "replica",
    [FakeReplica(is_alive=False), FakeReplica(is_alive=True, is_serving=False), None],
)
def test_a_new_leader_that_is_gone_is_replaced_at_once(
    monkeypatch: pytest.MonkeyPatch, time: FakeTime, replica: ReplicaClient | None
) -> None:
    protect(monkeypatch, time, replica).begin()
    assert services.claim_leadership(term=TERM, leader=ReplicaId(1)).term == 4


@pytest.mark.usefixtures("catalog")
def test_an_election_is_told_once() -> None:
    hearing = Hearing()
    services.claim_leadership(term=TERM, leader=ReplicaId(1))
    with pytest.raises(StaleTerm):
        services.claim_leadership(term=TERM, leader=ReplicaId(3))
    assert [(event.phrase, event.fields) for event in hearing.events()] == [
        ("elected", {"term": 4, "leader": 1})
    ]
