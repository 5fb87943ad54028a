"""Who leads: pings, claims, notices: I6 (docs/DESIGN.md 4.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.election import (
    LEADER_PROTECTION_S,
    Elector,
    Leadership,
    Ping,
    choose_leader,
    claim_term,
    is_protected,
)
from bazaar.core.failures import LeaderAlive, NoReplica, NotServing, StaleTerm, Unreachable
from bazaar.core.flow import ClaimLeadership, NotifyReplicas, PingReplica, PingReplicas
from bazaar.core.types import OrderNo, ReplicaId, Term
from tests.core.script import Script

IDS = tuple(map(ReplicaId, (1, 2, 3)))


def make_ping(
    replica_id: int,
    term: int = 1,
    leader: int | None = 3,
    *,
    is_serving: bool = True,
    is_leading: bool | None = None,
    reaches_catalog: bool = True,
) -> Ping:
    """Return what a replica says of itself; it leads when it says so of itself."""
    return Ping(
        replica_id=ReplicaId(replica_id),
        term=Term(term),
        leader=None if leader is None else ReplicaId(leader),
        last=OrderNo(0),
        is_serving=is_serving,
        is_leading=replica_id == leader if is_leading is None else is_leading,
        reaches_catalog=reaches_catalog,
    )


def make_elector(term: int = 1, leader: int = 3) -> Elector:
    """Return a front end's elector that knows who leads."""
    elector = Elector(IDS)
    elector.leadership = Leadership(Term(term), ReplicaId(leader))
    return elector


some_pings = st.lists(
    st.builds(make_ping, st.integers(1, 9), is_serving=st.booleans()),
    max_size=5,
    unique_by=lambda ping: ping.replica_id,
)


@given(some_pings)
def test_the_live_serving_replica_with_the_largest_id_is_chosen(drawn: list[Ping]) -> None:
    """docs/DESIGN.md 4.3; NoReplica, definite, when there is none."""
    serving = [ping.replica_id for ping in drawn if ping.is_serving]
    if serving:
        assert choose_leader(drawn) == max(serving)
    else:
        with pytest.raises(NoReplica):
            choose_leader(drawn)


def test_a_claim_of_the_current_term_begins_the_next() -> None:
    """I6."""
    leadership = claim_term(Leadership(Term(4), ReplicaId(3)), Term(4), ReplicaId(2))
    assert leadership == Leadership(Term(5), ReplicaId(2))


@pytest.mark.parametrize("term", [3, 5])
def test_a_claim_of_any_other_term_loses(term: int) -> None:
    """I6; the loser learns who won."""
    with pytest.raises(StaleTerm) as stale:
        claim_term(Leadership(Term(4), ReplicaId(3)), Term(term), ReplicaId(2))
    assert (stale.value.term, stale.value.leader) == (4, 3)


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(IDS)), max_size=12))
def test_every_term_has_one_leader(claims: list[tuple[int, ReplicaId]]) -> None:
    """I6, whoever claims what in whatever order."""
    leadership, leaders = Leadership(Term(0), None), {0: None}
    for term, leader in claims:
        try:
            leadership = claim_term(leadership, Term(term), leader)
        except StaleTerm:
            continue
        assert leadership.term not in leaders
        assert leadership.term == max(leaders) + 1
        leaders[leadership.term] = None


def test_the_first_look_elects_somebody_and_notifies_all() -> None:
    elector = Elector(IDS)
    watch = Script(elector.watch())
    assert watch.effect == PingReplicas(IDS)
    pings = tuple(make_ping(one, term=0, leader=None) for one in IDS)
    assert watch.answer(pings).effect == ClaimLeadership(Term(0), ReplicaId(3))
    leadership = Leadership(Term(1), ReplicaId(3))
    assert watch.answer(leadership).effect == NotifyReplicas(Term(1), ReplicaId(3), IDS)
    assert watch.answer(None).failure is None
    assert elector.leadership == Leadership(Term(1), ReplicaId(3))
    assert elector.elections == 1


@pytest.mark.parametrize("outcome", [None, Unreachable()], ids=["notified", "not reached"])
def test_a_new_leader_is_adopted_once_it_was_notified(outcome: Unreachable | None) -> None:
    """docs/adr/0052: until then it refuses trades, and they wait; then they wait no more."""
    elector = make_elector()
    watch = Script(elector.watch()).answer(Unreachable(is_refused=True))
    watch.answer((make_ping(1), make_ping(2))).answer(Leadership(Term(2), ReplicaId(2)))
    assert watch.effect == NotifyReplicas(Term(2), ReplicaId(2), IDS)
    assert elector.leadership == Leadership(Term(1), ReplicaId(3))
    assert watch.answer(outcome).is_over
    assert elector.leadership == Leadership(Term(2), ReplicaId(2))


def test_a_healthy_leader_is_left_alone() -> None:
    """docs/DESIGN.md 4.3: also when a larger id comes back."""
    elector = make_elector(leader=2)
    watch = Script(elector.watch())
    assert watch.effect == PingReplica(ReplicaId(2))
    assert watch.answer(make_ping(2, leader=2)).is_over
    assert elector.leadership.leader == 2


def test_a_refused_leader_is_replaced_at_once() -> None:
    """docs/DESIGN.md 4.3: nobody listens there, so it is dead."""
    watch = Script(make_elector().watch()).answer(Unreachable(is_refused=True))
    assert watch.effect == PingReplicas((ReplicaId(1), ReplicaId(2)))
    assert watch.answer((make_ping(1), make_ping(2))).effect == ClaimLeadership(
        Term(1), ReplicaId(2)
    )


def test_a_suspected_leader_is_replaced() -> None:
    """docs/DESIGN.md 4.3: its silence was unusual, which the shell finds out."""
    watch = Script(make_elector().watch()).answer(Unreachable())
    assert watch.effect == PingReplicas((ReplicaId(1), ReplicaId(2)))


def test_silences_count_in_a_row_only() -> None:
    elector = make_elector()
    Script(elector.watch()).answer(Unreachable()).answer(())
    assert elector.silences == 1
    Script(elector.watch()).answer(Unreachable()).answer(())
    assert elector.silences == 2
    Script(elector.watch()).answer(make_ping(3))
    assert elector.silences == 0


@pytest.mark.parametrize("answer", [NotServing(), make_ping(3, is_serving=False)], ids=str)
def test_a_leader_that_does_not_serve_is_replaced_at_once(answer: object) -> None:
    """It is starting or corrupt: alive, but no leader."""
    watch = Script(make_elector().watch()).answer(answer)
    assert watch.effect == PingReplicas((ReplicaId(1), ReplicaId(2)))


def test_a_replica_that_does_not_serve_is_not_elected() -> None:
    watch = Script(make_elector().watch()).answer(Unreachable(is_refused=True))
    watch.answer((make_ping(1), make_ping(2, is_serving=False)))
    assert watch.effect == ClaimLeadership(Term(1), ReplicaId(1))


def test_without_any_replica_nothing_is_claimed() -> None:
    """Definite; the next look tries again."""
    elector = make_elector()
    watch = Script(elector.watch()).answer(Unreachable(is_refused=True)).answer(())
    assert isinstance(watch.failure, NoReplica)
    assert elector.leadership.term == 1


def test_the_loser_of_a_race_adopts_the_winner() -> None:
    """docs/DESIGN.md 4.3."""
    elector = make_elector()
    watch = Script(elector.watch()).answer(Unreachable(is_refused=True))
    watch.answer((make_ping(1), make_ping(2))).answer(StaleTerm(Term(2), ReplicaId(1)))
    assert watch.is_over
    assert elector.leadership == Leadership(Term(2), ReplicaId(1))
    assert elector.elections == 0


def test_a_newer_term_is_learnt_from_the_leader_itself() -> None:
    elector = make_elector()
    assert Script(elector.watch()).answer(make_ping(3, term=2, leader=1)).is_over
    assert elector.leadership == Leadership(Term(2), ReplicaId(1))


def test_a_newer_term_is_learnt_from_the_others_without_the_catalog() -> None:
    """A front end cut off from the catalog follows an election that another one won."""
    elector = make_elector()
    watch = Script(elector.watch()).answer(Unreachable(is_refused=True))
    assert watch.answer((make_ping(1, 2, 2), make_ping(2, 2, 2))).is_over
    assert elector.leadership == Leadership(Term(2), ReplicaId(2))


def test_a_newer_term_of_a_dead_leader_is_not_adopted() -> None:
    """The catalog is asked, and tells."""
    elector = make_elector()
    watch = Script(elector.watch()).answer(Unreachable(is_refused=True))
    watch.answer((make_ping(1, 2, 3), make_ping(2, 2, 3)))
    assert watch.effect == ClaimLeadership(Term(1), ReplicaId(2))


def test_an_older_term_is_never_adopted() -> None:
    """I6: what a front end knows only grows."""
    elector = make_elector(term=5)
    Script(elector.watch()).answer(make_ping(3, term=4, leader=1)).answer(None)
    assert elector.leadership == Leadership(Term(5), ReplicaId(3))


def test_a_leader_that_does_not_lead_yet_is_notified_again() -> None:
    """It was restarted, or the notice was lost, or the ledger was out of its reach."""
    watch = Script(make_elector().watch()).answer(make_ping(3, is_leading=False))
    assert watch.effect == NotifyReplicas(Term(1), ReplicaId(3), (ReplicaId(3),))


def test_a_leader_that_the_catalog_reaches_is_kept_for_a_while() -> None:
    """Front ends that see different replicas must not depose each other's leaders in turns."""
    elector = make_elector()
    watch = Script(elector.watch()).answer(Unreachable(is_refused=True))
    assert watch.answer((make_ping(1), make_ping(2))).answer(LeaderAlive()).failure is None
    assert elector.leadership == Leadership(Term(1), ReplicaId(3))
    assert elector.silences == 0


@pytest.mark.parametrize(
    ("led_s", "answer", "expected"),
    [
        (0.0, make_ping(3), True),
        (LEADER_PROTECTION_S - 0.01, make_ping(3), True),
        (LEADER_PROTECTION_S, make_ping(3), False),
        (0.0, make_ping(3, is_serving=False), False),
        (0.0, make_ping(3, reaches_catalog=False), False),
        (0.0, None, False),
    ],
    ids=["new", "nearly over", "over", "not serving", "cut off", "silent"],
)
def test_only_a_new_leader_that_serves_is_protected(
    led_s: float, answer: Ping | None, *, expected: bool
) -> None:
    """A dead leader is replaced at once, however new it is."""
    assert is_protected(led_s, answer) is expected


def test_who_reaches_the_catalog_is_preferred_to_a_larger_id() -> None:
    """Without the catalog nobody can lead; when none reaches it, the largest id is as good."""
    far, near = make_ping(3, reaches_catalog=False), make_ping(2)
    assert choose_leader([far, near]) == 2
    assert choose_leader([far, make_ping(1, reaches_catalog=False)]) == 3


def test_a_leader_that_cannot_reach_the_catalog_is_replaced_by_one_that_can() -> None:
    """docs/DESIGN.md 5: a cut link, although the leader answers."""
    watch = Script(make_elector().watch()).answer(make_ping(3, reaches_catalog=False))
    assert watch.effect == PingReplicas((ReplicaId(1), ReplicaId(2)))
    far = make_ping(2, reaches_catalog=False)
    assert watch.answer((make_ping(1), far)).effect == ClaimLeadership(Term(1), ReplicaId(1))


@pytest.mark.parametrize(
    "others",
    [
        (),
        (make_ping(1, reaches_catalog=False), make_ping(2, reaches_catalog=False)),
        (make_ping(1, is_serving=False), make_ping(2, reaches_catalog=False)),
    ],
    ids=["none", "none reaches it", "none that serves"],
)
def test_a_leader_is_kept_while_nobody_else_reaches_the_catalog(others: tuple[Ping, ...]) -> None:
    """The catalog itself is down: another leader would be no better."""
    watch = Script(make_elector().watch()).answer(make_ping(3, reaches_catalog=False))
    assert watch.answer(others).is_over
    assert watch.failure is None


def test_a_claim_without_an_answer_changes_nothing() -> None:
    """It may have won all the same: the next one loses against it and adopts it."""
    elector = make_elector()
    watch = Script(elector.watch()).answer(Unreachable(is_refused=True))
    watch.answer((make_ping(1), make_ping(2))).answer(Unreachable())
    assert isinstance(watch.failure, Unreachable)
    assert elector.leadership == Leadership(Term(1), ReplicaId(3))
    again = Script(elector.watch()).answer(Unreachable(is_refused=True))
    again.answer((make_ping(1), make_ping(2))).answer(StaleTerm(Term(2), ReplicaId(2)))
    assert elector.leadership == Leadership(Term(2), ReplicaId(2))


def test_a_leader_that_knows_of_a_newer_one_tells_it() -> None:
    """A claim was won and its answer lost: no process but the catalog knows the new leader."""
    elector = make_elector(term=1, leader=1)
    watch = Script(elector.watch())
    watch.answer(make_ping(1, term=0, leader=None))
    assert watch.effect == NotifyReplicas(Term(1), ReplicaId(1), (ReplicaId(1),))
    assert watch.answer(StaleTerm(Term(2), ReplicaId(2))).failure is None
    assert elector.leadership == Leadership(Term(2), ReplicaId(2))
