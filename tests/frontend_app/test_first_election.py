"""The first election of a front end that starts beside the replicas (docs/adr/0056)."""

import pytest

from bazaar.core.election import Leadership
from bazaar.core.types import ReplicaId, Term
from bazaar.runtime.waits import Waits
from frontend_app.leader import FIRST_PAUSE_S, FIRST_WAIT_S, LeaderWatch
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.fakes import FakeCatalog

TWO, THREE = ReplicaId(2), ReplicaId(3)
NOBODY = Leadership(Term(0), None)


class SetTime(Waits):
    """A clock that a test sets."""

    at_s = 1000.0

    def now_s(self) -> float:
        return self.at_s


class Start:
    """A front end that knows no leader yet; replica 3 does not answer."""

    def __init__(self, catalog: FakeCatalog, replicas: Replicas) -> None:
        catalog.leadership, self.time = NOBODY, SetTime()
        for replica in replicas.values():
            replica.leadership = NOBODY
        self.catalog, self.replicas = catalog, replicas
        self.watch = LeaderWatch(catalog, replicas, LIMITS, self.time)
        replicas[THREE].die()

    def look_for(self, seconds: float) -> ReplicaId | None:
        """Look again and again for a time; return the leader that is known then."""
        end_s = self.time.at_s + seconds
        while self.time.at_s < end_s:
            self.watch._watch()
            self.time.at_s += FIRST_PAUSE_S
        return self.watch.leadership.leader


@pytest.fixture
def start(catalog: FakeCatalog, replicas: Replicas) -> Start:
    return Start(catalog, replicas)


def test_a_first_election_waits_a_moment_for_the_largest_id(start: Start) -> None:
    assert start.look_for(FIRST_WAIT_S / 2) is None
    start.replicas[THREE].down = None
    assert start.look_for(2 * FIRST_PAUSE_S) == THREE
    assert start.catalog.claims == [(0, THREE)]


def test_a_first_election_waits_for_the_largest_id_to_reach_the_catalog(start: Start) -> None:
    start.replicas[THREE].down, start.replicas[THREE].reaches_catalog = None, False
    assert start.look_for(FIRST_WAIT_S / 2) is None
    start.replicas[THREE].reaches_catalog = True
    assert start.look_for(2 * FIRST_PAUSE_S) == THREE


def test_a_first_election_does_without_a_replica_that_stays_away(start: Start) -> None:
    assert start.look_for(FIRST_WAIT_S + 3 * FIRST_PAUSE_S) == TWO


def test_a_front_end_that_starts_later_follows_the_leader_at_once(start: Start) -> None:
    start.catalog.leadership = Leadership(Term(4), TWO)
    for replica in start.replicas.values():
        replica.leadership = start.catalog.leadership
    assert start.look_for(FIRST_PAUSE_S) == TWO
    assert start.catalog.claims == []


def test_replicas_that_are_late_are_found_soon(start: Start) -> None:
    replicas = start.replicas.values()
    for replica in replicas:
        replica.die()
    assert start.look_for(60.0) is None
    for replica in replicas:
        replica.down = None
    assert start.look_for(2 * FIRST_PAUSE_S) == THREE
