"""When a standby claims, by the database's record and the replicas' word (docs/adr/0055)."""

import pytest

from bazaar.core.activity import PROTECTION_S, ActiveCatalog, ActivePing, ActiveRecord
from bazaar.core.failures import NotActive, Unreachable
from bazaar.core.types import Epoch, ReplicaId
from bazaar.runtime.transactions import write_transaction
from catalog_app import head_row, selectors
from tests.catalog_app.local_activity import (
    ME,
    FakeMember,
    LocalActivity,
    claim_elsewhere,
    member,
    watch,
)

__all__ = ("member", "watch")
pytestmark = pytest.mark.usefixtures("committed_catalog", "lease_table")


def beat(watch: LocalActivity) -> None:
    """Have the active prove itself, a moment later."""
    watch.wait(0.1)
    with write_transaction(decides=False) as database:
        assert head_row.hold(database, Epoch(1))


def test_a_silent_active_is_replaced_once_it_has_stopped_proving_itself(
    watch: LocalActivity, member: FakeMember
) -> None:
    """A cut between two catalogs is none of the active's."""
    claim_elsewhere()
    member.failure = Unreachable()
    for _ in range(3):
        watch.wait(PROTECTION_S)
        beat(watch)
        assert not watch._look()
        assert not watch.activity.has_epoch
    watch.activity._silent_looks += 1
    found = watch.read_record()
    beat(watch)
    watch._claim(found.heartbeat)
    assert not watch.activity.has_epoch, "it has proved itself between look and claim"
    watch.round()
    assert selectors.get_active().active == ActiveCatalog(Epoch(2), ME)


def test_an_active_that_no_replica_reaches_is_replaced(
    watch: LocalActivity, member: FakeMember
) -> None:
    """A member that asks this one instead is the reason to ask the replicas."""
    claim_elsewhere()
    member.ping_answer = ActivePing(Epoch(1), is_active=True, is_proven=True)
    replica = FakeMember()
    watch._replicas = {ReplicaId(1): replica}  # type: ignore[dict-item]
    replica.reaches_catalog = False
    watch.round()
    watch.wait(PROTECTION_S)
    for _ in range(2):
        assert not watch.activity.has_epoch
        with pytest.raises(NotActive):
            watch.grant(lambda: 1, is_read=True)
        watch.round()
        beat_if_standby(watch)
    assert selectors.get_active().active == ActiveCatalog(Epoch(2), ME)


def beat_if_standby(watch: LocalActivity) -> None:
    if not watch.activity.has_epoch:
        beat(watch)


def test_the_last_proof_was_sent_before_a_look_at_it_has_its_answer(
    watch: LocalActivity, member: FakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: the wait counts from then."""
    claim_elsewhere()
    member.ping_answer = ActivePing(Epoch(1), is_active=True, is_proven=True)

    def read_slowly() -> ActiveRecord:
        watch.wait(0.3)
        return selectors.get_active()

    monkeypatch.setattr(watch, "read_record", read_slowly)
    since_s = watch.now_s()
    watch.round()
    assert watch.activity._heartbeat_s > since_s + 0.2
