"""Who is active, what it may do and until when: I5, I7 (docs/DESIGN.md 8, docs/adr/0048)."""

import pytest

from bazaar.core.activity import (
    NO_ACTIVE,
    PROOF_S,
    PROTECTION_S,
    RETURNED_S,
    ActiveCatalog,
    ActivePing,
    Activity,
    ActivityState,
    CatalogRoute,
    check_epoch,
    claim_epoch,
)
from bazaar.core.coherence import CLOCK_DRIFT_MAX
from bazaar.core.election import Ping
from bazaar.core.failures import NotActive, Unreachable
from bazaar.core.types import NO_EPOCH, CatalogId, Epoch
from tests.core.activities import (
    LEASE_S,
    LONG_S,
    LOST,
    ONE,
    REACHED,
    REFUSED,
    SILENT,
    THREE,
    TWO,
    make_active,
    make_record,
    make_standby,
)


def test_one_of_many_claims_of_an_epoch_wins() -> None:
    """The head row is compared and set."""
    current = claim_epoch(NO_ACTIVE, NO_EPOCH, TWO)
    assert current == ActiveCatalog(Epoch(1), TWO)
    with pytest.raises(NotActive) as refused:
        claim_epoch(current, NO_EPOCH, THREE)
    assert (refused.value.epoch, refused.value.active) == (1, TWO)
    assert claim_epoch(current, Epoch(1), THREE) == ActiveCatalog(Epoch(2), THREE)


@pytest.mark.parametrize("epoch", [3, 5])
def test_a_transaction_of_any_other_epoch_is_refused(epoch: int) -> None:
    """I5."""
    current = ActiveCatalog(Epoch(4), ONE)
    check_epoch(current, Epoch(4))
    with pytest.raises(NotActive):
        check_epoch(current, Epoch(epoch))


def test_without_an_active_or_after_another_life_of_ones_own_the_epoch_is_claimed() -> None:
    """What that life has granted may still run, so it is never gone on with."""
    assert Activity(TWO, LEASE_S).may_claim(None, 0.0)
    assert make_standby(active=TWO).may_claim(None, 0.0)


def test_a_process_that_is_gone_is_replaced_at_once() -> None:
    assert make_standby().may_claim(REFUSED, 0.1)
    begun_again = ActivePing(Epoch(4), is_active=False, is_proven=False)
    assert make_standby().may_claim(begun_again, 0.1)


def test_silence_counts_from_the_second_look_and_not_against_a_new_active() -> None:
    standby = make_standby()
    assert [standby.may_claim(SILENT, LONG_S) for _ in range(2)] == [False, True]
    standby = make_standby()
    assert not any(standby.may_claim(SILENT, now_s) for now_s in (0.2, 0.4, PROTECTION_S - 0.1))
    assert standby.may_claim(SILENT, PROTECTION_S)


def test_an_active_that_the_database_does_not_hear_of_is_replaced() -> None:
    cut_off = ActivePing(Epoch(4), is_active=True, is_proven=False)
    standby = make_standby()
    assert [standby.may_claim(cut_off, LONG_S) for _ in range(2)] == [False, True]


def test_one_that_goes_on_to_prove_itself_is_kept_however_silent() -> None:
    """A cut between two catalogs is no reason: who is cut off is told by the database."""
    standby = make_standby()
    for beat in range(10):
        standby.hear(make_record(4, ONE, beat), LONG_S)
        assert not standby.may_claim(SILENT, LONG_S)
        assert standby.needs_words
        assert not standby.may_replace([REACHED, SILENT], LONG_S)
    assert standby.may_claim(SILENT, LONG_S), "it has stopped"


@pytest.mark.parametrize(
    ("words", "is_lost"),
    [
        ([], False),
        ([REACHED], False),
        ([LOST], True),
        ([LOST, REACHED], False),
        ([LOST, LOST, REACHED], True),
        ([LOST, SILENT], False),
        ([LOST, LOST, SILENT], True),
        ([LOST, REFUSED, REFUSED], True),
        ([SILENT, SILENT, SILENT], False),
    ],
)
def test_one_that_most_replicas_do_not_reach_is_replaced(
    words: list[Ping | Unreachable], *, is_lost: bool
) -> None:
    """It proves itself, and nobody can trade; two looks in a row, and not while it is new."""
    proven = ActivePing(Epoch(4), is_active=True, is_proven=True)
    standby = make_standby()
    assert not standby.needs_words
    with pytest.raises(NotActive):
        standby.check_active()
    found: list[bool] = []
    for now_s in (PROTECTION_S - 0.1, LONG_S):
        assert standby.needs_words, "a member has turned to it"
        found.append(standby.may_replace(words, now_s))
        assert not standby.may_claim(proven, now_s)
        if not is_lost:
            break
    assert found[-1] is is_lost
    assert standby.needs_words is is_lost, "it asks on for as long as they say so"
    standby = make_standby()
    assert not any(standby.may_replace(words, PROTECTION_S - 0.1) for _ in range(5))
    assert [standby.may_replace([LOST], LONG_S) for _ in range(2)][-1]
    standby.hear(make_record(5, THREE), LONG_S)
    assert not standby.may_replace([LOST], LONG_S + PROTECTION_S), "of another active"


def test_an_active_that_proves_itself_is_kept() -> None:
    proven = ActivePing(Epoch(4), is_active=True, is_proven=True)
    standby = make_standby()
    looks = (SILENT, proven, SILENT, proven, SILENT)
    assert not any(standby.may_claim(look, LONG_S) for look in looks)


@pytest.mark.parametrize("is_active", [True, False])
def test_a_newer_epoch_is_read_before_anything_is_claimed(*, is_active: bool) -> None:
    newer = ActivePing(Epoch(5), is_active=is_active, is_proven=True)
    assert not make_standby().may_claim(newer, LONG_S)


def test_an_active_that_does_not_know_its_epoch_yet_counts_as_silent() -> None:
    """It may have sent the claim, and hear of it in a moment."""
    unaware = ActivePing(Epoch(3), is_active=False, is_proven=False)
    standby = make_standby()
    assert [standby.may_claim(unaware, LONG_S) for _ in range(2)] == [False, True]


def test_a_standby_neither_decides_nor_grants_and_says_who_does() -> None:
    standby = make_standby()
    for check in (standby.check_deciding, lambda: standby.check_granting(0.0)):
        with pytest.raises(NotActive) as refused:
            check()
        assert (refused.value.epoch, refused.value.active) == (4, ONE)
    with pytest.raises(NotActive) as refused:
        make_standby(active=TWO).check_deciding()
    assert refused.value.active is None, "it is not active itself"


def test_nothing_is_committed_before_every_holder_has_acknowledged() -> None:
    """I7: a holder that has not may answer from memory, and hears of no change from here."""
    active = make_active("a", "b")
    for holder_id in ("a", "no holder of before"):
        active.acknowledged(holder_id, 10.2)
        with pytest.raises(Unreachable):
            active.check_deciding()
    assert active.check_granting(10.2) == 5, "what changes nothing is granted"
    active.acknowledged("b", 10.3)
    assert active.check_deciding() == 5


def test_a_silent_holder_is_waited_for_until_no_older_lease_can_run() -> None:
    """Nobody has seen its last proof before the claim, so that was sent before the answer."""
    active = make_active("silent")
    over_s = 10.1 + PROOF_S + LEASE_S
    active.tick(over_s - 0.001)
    assert active.unacknowledged == {"silent"}
    active.tick(over_s)
    assert active.state is ActivityState.ACTIVE
    assert not active.unacknowledged


def test_without_holders_a_claim_is_all_it_takes() -> None:
    assert make_active().check_deciding() == 5


def test_nothing_is_granted_once_the_proof_has_run_out_from_its_sending() -> None:
    active = make_active()
    last_s = 10.0 + PROOF_S * (1 - 2 * CLOCK_DRIFT_MAX)
    assert active.check_granting(last_s - 0.001) == 5
    with pytest.raises(Unreachable):
        active.check_granting(last_s)
    assert active.check_deciding() == 5, "a transaction proves itself"
    active.proved(10.3)
    assert active.check_granting(last_s) == 5
    assert active.ping(last_s) == ActivePing(Epoch(5), is_active=True, is_proven=True)
    assert not active.ping(11.0).is_proven


def test_a_claim_that_a_failover_has_lost_is_forgotten() -> None:
    """Its epoch is free: who sent it has heard of no outcome, and has ended."""
    standby = make_standby()
    standby.hear(make_record(5, THREE), 1.0)
    standby.hear(make_record(4, ONE), 2.0)
    assert standby.known == ActiveCatalog(Epoch(4), ONE)
    assert standby.may_claim(REFUSED, 2.1)
    standby.claimed(2.1, 2.2, (), ())
    assert standby.check_deciding() == 5


def test_a_proof_says_nothing_of_another_node_of_the_database() -> None:
    """I7: a node that was replaced goes on answering reads."""
    active = make_active()
    active.moved()
    with pytest.raises(Unreachable):
        active.check_granting(10.2)
    assert active.check_deciding() == 5
    active.proved(10.2)
    assert active.check_granting(10.2) == 5


@pytest.mark.parametrize("holders", [(), ("a",)])
@pytest.mark.parametrize("epoch", [5, 6])
def test_an_active_that_hears_of_a_newer_epoch_ends(holders: tuple[str, ...], epoch: int) -> None:
    """So it does when its own epoch is said to be another one's, which cannot be."""
    active = make_active(*holders)
    active.hear(make_record(4, ONE), 10.2)
    assert active.has_epoch
    active.hear(make_record(epoch, THREE), 10.2)
    assert active.state is ActivityState.ENDED
    active.tick(20.0)
    for check in (active.check_deciding, lambda: active.check_granting(10.2)):
        with pytest.raises(NotActive) as refused:
            check()
        assert (refused.value.epoch, refused.value.active) == (epoch, THREE)


def test_a_commit_whose_outcome_is_unknown_ends_everything() -> None:
    active = make_active()
    active.end()
    for check in (active.check_deciding, lambda: active.check_granting(10.2)):
        with pytest.raises(NotActive) as refused:
            check()
        assert refused.value.active is None


@pytest.mark.parametrize("has_failed", [True, False])
def test_silence_does_not_count_while_the_database_is_out(*, has_failed: bool) -> None:
    """No active can prove itself then: one that comes back with the database keeps the epoch."""
    standby = make_standby()
    cut_off = ActivePing(Epoch(4), is_active=True, is_proven=False)
    standby.may_claim(cut_off, LONG_S)
    back_s = LONG_S + PROOF_S
    standby.looked(LONG_S, back_s, has_failed=has_failed)
    soon_s = back_s + RETURNED_S - 0.01
    for now_s in (back_s, soon_s):
        assert not standby.may_claim(cut_off, now_s)
        assert not standby.may_replace([LOST], now_s)
    standby.looked(soon_s, soon_s + PROOF_S - 0.01)
    assert standby.may_claim(cut_off, soon_s + 0.02)
    assert standby.may_replace([LOST], soon_s + 0.02)


def test_a_member_asks_who_answered_last_and_follows_who_is_said_to_be_active() -> None:
    route = CatalogRoute((ONE, TWO, THREE))
    assert route.chosen == ONE
    route.turn(ONE, NotActive(Epoch(2), THREE))
    assert route.chosen == THREE
    route.turn(ONE, NotActive(Epoch(2), TWO))
    assert route.chosen == THREE, "it is not the one that is asked now"
    route.admit(TWO, Epoch(3))
    assert (route.chosen, route.epoch) == (TWO, 3)


@pytest.mark.parametrize(
    "failure",
    [
        SILENT,
        NotActive(Epoch(3), None),
        NotActive(Epoch(3), TWO),
        NotActive(Epoch(3), CatalogId(9)),
        NotActive(Epoch(2), ONE),
    ],
)
def test_a_member_asks_the_next_one_when_nobody_says_who_is_active(failure: Unreachable) -> None:
    """Also after one that names itself, one that is not known, or speaks of an older epoch."""
    route = CatalogRoute((ONE, TWO, THREE))
    route.admit(TWO, Epoch(3))
    route.turn(TWO, failure)
    assert route.chosen == THREE
    route.turn(THREE, SILENT)
    assert route.chosen == ONE


def test_calls_may_wait_for_another_catalog_in_a_new_epoch_or_after_another_was_asked() -> None:
    """It may be behind a cut link, and what waits for it is given up (docs/adr/0060)."""
    route = CatalogRoute((ONE, TWO))
    assert route.admit(ONE, Epoch(1))
    assert not route.admit(ONE, Epoch(1))
    route.turn(ONE, SILENT)
    route.turn(TWO, NotActive(Epoch(1), ONE))
    assert route.admit(ONE, Epoch(1))
    assert not route.admit(ONE, Epoch(1))


def test_a_member_takes_no_answer_of_an_older_epoch() -> None:
    route = CatalogRoute((ONE, TWO))
    route.admit(TWO, Epoch(3))
    route.admit(TWO, Epoch(3))
    with pytest.raises(Unreachable) as refused:
        route.admit(ONE, Epoch(2))
    assert not refused.value.is_definite, "what was asked for may have happened"
    assert (route.chosen, route.epoch) == (TWO, 3)
