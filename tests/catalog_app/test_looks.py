"""When a standby claims, by the database's record and the replicas' word (docs/adr/0055)."""

import pytest

from bazaar.core.activity import PROOF_S, PROTECTION_S, ActiveCatalog, ActivePing, ActiveRecord
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


def test_the_record_shows_when_the_newest_write_was_sent_and_that_never_falls(
    watch: LocalActivity, member: FakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: a takeover counts from it; each life begins at a number of its own."""
    claim_elsewhere()
    (begun_s, decided) = selectors.get_active().heartbeat
    beat(watch)
    with write_transaction(decides=False) as database:  # sent before, and done later
        monkeypatch.setattr("bazaar.clock.monotonic_s", lambda: watch.now_s() - 0.05)
        assert head_row.hold(database, Epoch(1))
    (sent_s, _) = selectors.get_active().heartbeat
    assert sent_s - begun_s == pytest.approx(0.1, abs=1e-4)
    monkeypatch.setattr("bazaar.clock.monotonic_s", lambda: watch.now_s() + 0.3)
    with write_transaction() as database:
        row, _ = head_row.make_row(database.execute(*head_row.QUERY).fetchall())
        head_row.move(database, row, row._replace(term=9))
    (moved_s, decisions) = selectors.get_active().heartbeat
    assert moved_s - begun_s == pytest.approx(0.4, abs=1e-4)
    assert decisions == decided + 1
    monkeypatch.setattr(head_row, "_ORIGIN_US", 0)  # of another life
    claim_elsewhere()
    assert selectors.get_active().heartbeat[0] == pytest.approx(watch.now_s() + 0.3, abs=1e-4)


def test_a_standby_whose_database_was_out_waits_for_the_active_to_come_back(
    watch: LocalActivity, member: FakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All have been silent for the same reason (docs/adr/0060)."""
    claim_elsewhere()
    member.ping_answer = ActivePing(Epoch(1), is_active=True, is_proven=True)
    watch.round()
    watch.wait(PROTECTION_S)
    read, took_s = watch.read_record, PROOF_S
    member.ping_answer = ActivePing(Epoch(1), is_active=True, is_proven=False)

    def read_slowly() -> ActiveRecord:
        watch.wait(took_s)
        return read()

    monkeypatch.setattr(watch, "read_record", read_slowly)
    for _ in range(3):
        assert not watch._look()
    assert not watch.activity.has_epoch

    def fail() -> ActiveRecord:
        raise Unreachable

    took_s = 0.0
    for _ in range(3):
        monkeypatch.setattr(watch, "read_record", fail)
        with pytest.raises(Unreachable):
            watch._look()
        monkeypatch.setattr(watch, "read_record", read_slowly)
        watch._look()
    assert not watch.activity.has_epoch
    watch.round()
    assert watch.activity.has_epoch, "it did not come back"


def test_an_active_whose_proof_took_long_proves_itself_again_at_once(
    watch: LocalActivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is proven when standbys look, who have waited as long."""
    watch.round()
    write, took = watch.write_proof, iter((PROOF_S, 0.0, 0.0))

    def write_slowly(epoch: Epoch) -> bool:
        watch.wait(next(took))
        return write(epoch)

    monkeypatch.setattr(watch, "write_proof", write_slowly)
    watch.wait(PROOF_S)
    watch.round()
    assert watch.activity.ping(watch.now_s()).is_proven
    watch.round()
    assert next(took, None) is None, "one is enough otherwise"


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
