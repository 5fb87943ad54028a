"""What is remembered of elections: those that made, tried or failed to make a leader."""

from uuid import UUID

from bazaar.core.election import Leadership
from bazaar.core.failures import LeaderAlive, Unreachable
from bazaar.core.types import ReplicaId, Term
from bazaar.protocol.traces import SpanBody, SpansWantedBody
from bazaar.runtime.span_ring import SpanRing
from frontend_app.leader import LeaderWatch
from frontend_app.trace_steps import PlacedSpan, list_steps
from tests.frontend_app.conftest import Replicas
from tests.frontend_app.fakes import FakeCatalog

TWO, THREE = ReplicaId(2), ReplicaId(3)


def kept(ring: SpanRing) -> list[SpanBody]:
    return ring.find(SpansWantedBody(key=UUID(int=1), parents=()))


def say(ring: SpanRing) -> list[tuple[str, str]]:
    """Return what a trace says of elections, and their errors."""
    spans = [PlacedSpan("frontend-1", span, 0) for span in kept(ring)]
    steps = list_steps(spans, None, 0)
    return [(step.text, step.error) for step in steps if step.kind == "election"]


def test_looking_for_a_leader_that_reaches_the_catalog_leaves_nothing(
    watch: LeaderWatch, replicas: Replicas, ring: SpanRing
) -> None:
    """The catalog is away: each ping of the leader is followed by a look at the others."""
    for replica in replicas.values():
        replica.reaches_catalog = False
    for _ in range(3):
        watch._watch()
    assert kept(ring) == []


def test_an_election_is_kept_with_its_pings(
    watch: LeaderWatch, replicas: Replicas, ring: SpanRing
) -> None:
    replicas[THREE].die()
    watch._watch()
    names = sorted({span.name for span in kept(ring)})
    assert names == ["claim", "election", "notice", "ping replicas"]
    assert say(ring) == [("election: order-2 leads term 2", "")]


def test_a_leader_that_others_know_is_an_election_without_a_claim(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas, ring: SpanRing
) -> None:
    replicas[THREE].die()
    replicas[TWO].leadership = Leadership(Term(5), TWO)
    watch._watch()
    assert (catalog.claims, say(ring)) == ([], [("election: order-2 leads term 5", "")])


def test_a_claim_against_a_leader_that_lives_says_that_it_goes_on(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas, ring: SpanRing
) -> None:
    replicas[THREE].die()
    catalog.failure = LeaderAlive()
    watch._watch()
    assert say(ring) == [("election: order-3 goes on leading term 1", "")]


def test_an_election_that_failed_names_no_leader(
    watch: LeaderWatch, catalog: FakeCatalog, replicas: Replicas, ring: SpanRing
) -> None:
    replicas[THREE].die()
    catalog.failure = Unreachable("the catalog is away")
    watch._watch()
    assert say(ring) == [("election, without a leader", "the catalog is away")]
