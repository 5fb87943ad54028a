"""One of several catalogs on a database: what it claims, decides and answers (I1, I5, I7, I9)."""

from collections.abc import Callable
from typing import NoReturn
from uuid import UUID

import msgspec
import pytest

import catalog_app.wiring
from bazaar.core.activity import (
    PROOF_S,
    ActiveCatalog,
    ActivePing,
    ActivityState,
)
from bazaar.core.failures import Failure, NotActive, Unreachable
from bazaar.core.ledger import Batch
from bazaar.core.types import Epoch, Position, ReplicaId, Term, Version
from bazaar.web.endpoint import process_headers
from catalog_app import head_row, selectors, services, store
from catalog_app.activity_shell import EpochNotice
from catalog_app.lease_table import LeaseTableShell
from catalog_app.models import HolderRegistration, Identity
from tests.catalog_app.conftest import LEADER, LEASE_S, TERM
from tests.catalog_app.fakes import NotingLock
from tests.catalog_app.local_activity import (
    HOLDER,
    ME,
    OTHER,
    EndedError,
    FakeMember,
    LocalActivity,
    claim_elsewhere,
    member,
    watch,
)
from tests.support.histories import STOCK, make_order, make_trade

__all__ = ("member", "watch")
pytestmark = pytest.mark.usefixtures("committed_catalog", "lease_table")


def trade(number: int) -> object:
    (answer,) = services.place_batch(
        batch=Batch(TERM, LEADER, selectors.LEDGER.head.position, (make_trade(number),))
    ).answers
    return answer


def test_the_first_one_claims_an_epoch_and_decides_in_it(watch: LocalActivity) -> None:
    with pytest.raises(NotActive):
        trade(1)
    watch.round()
    assert selectors.get_active().active == ActiveCatalog(Epoch(1), ME)
    assert watch.activity.state is ActivityState.ACTIVE
    assert process_headers == [("Bazaar-Epoch", "1")]
    assert trade(1) == make_order(1)


def test_an_active_that_answers_is_left_alone(watch: LocalActivity, member: FakeMember) -> None:
    claim_elsewhere()
    member.ping_answer = ActivePing(Epoch(1), is_active=True, is_proven=True)
    watch.round()
    assert selectors.get_active().active == ActiveCatalog(Epoch(1), OTHER)
    with pytest.raises(NotActive) as caught:
        watch.grant(lambda: 1, is_read=True)
    assert (caught.value.epoch, caught.value.active) == (1, OTHER)
    member.failure = Unreachable(is_refused=True)
    watch.round()
    assert selectors.get_active().active == ActiveCatalog(Epoch(2), ME)


def test_one_whose_epoch_is_over_decides_nothing_and_ends(watch: LocalActivity) -> None:
    """I1, I5, however it has slept."""
    watch.round()
    claim_elsewhere()
    acts: tuple[Callable[[], object], ...] = (
        lambda: trade(1),
        lambda: services.register_holder(holder=HOLDER),
        watch.round,
        lambda: watch.grant(lambda: 1, is_read=True),
    )
    for decide in acts:
        watch.activity.state = ActivityState.ACTIVE
        watch.activity.proved(watch.now_s())
        with pytest.raises(EndedError):
            decide()
        assert watch.activity.state is ActivityState.ENDED
    assert selectors.LEDGER.read_head().position == 0
    assert not HolderRegistration.objects.exists()


def test_it_answers_only_while_its_proof_lasts(watch: LocalActivity) -> None:
    """I7: another one may be active by now."""
    watch.round()
    assert watch.grant(lambda: 7, is_read=True) == 7
    watch.wait(PROOF_S)
    asked: list[int] = []
    for is_read in (True, False):
        with pytest.raises(Unreachable, match="not proved"):
            watch.grant(lambda: asked.append(1), is_read=is_read)
    assert asked == []
    watch.round()
    assert watch.grant(lambda: 7, is_read=True) == 7


def test_what_was_read_too_slowly_is_not_answered(watch: LocalActivity) -> None:
    watch.round()
    with pytest.raises(Unreachable, match="not proved"):
        watch.grant(lambda: watch.wait(PROOF_S), is_read=True)


def test_a_read_in_which_another_one_took_over_is_not_answered(watch: LocalActivity) -> None:
    watch.round()
    with pytest.raises(EndedError):
        watch.grant(claim_elsewhere, is_read=True)


def test_a_read_at_another_node_of_the_database_is_not_answered(
    watch: LocalActivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: the node that took the proof may have been replaced."""
    watch.round()
    site = "catalog_app.database_activity.site"

    def move() -> None:
        monkeypatch.setattr(f"{site}.moves", 99)

    with pytest.raises(Unreachable, match="another node"):
        watch.grant(move, is_read=True)


def test_a_refusal_is_as_good_as_an_answer(watch: LocalActivity) -> None:
    """I9: a definite one was true of an active catalog."""
    watch.round()

    def refuse() -> NoReturn:
        watch.wait(PROOF_S)
        raise Failure

    with pytest.raises(Unreachable, match="not proved"):
        watch.grant(refuse, is_read=False)


def test_it_decides_once_every_holder_of_older_epochs_has_acknowledged(
    watch: LocalActivity, member: FakeMember, lease_table: LeaseTableShell
) -> None:
    """I7: they may have stocks in memory that it knows nothing of."""
    HolderRegistration.objects.create(
        holder_id=HOLDER.holder_id, host=HOLDER.host, control_port=HOLDER.control_port
    )
    watch.held = []
    watch.round()
    with pytest.raises(Unreachable, match="takes over"):
        watch.grant(lambda: trade(1), is_read=False)
    assert watch.grant(lambda: 7, is_read=True) == 7
    watch.held.pop()()
    assert member.heard == [(Epoch(1), ME)]
    assert watch.grant(lambda: trade(1), is_read=False) == make_order(1)
    assert HolderRegistration.objects.get().is_over
    assert lease_table.is_known(str(HOLDER.holder_id))


def test_the_next_one_waits_for_holders_that_a_takeover_has_not_heard_from(
    watch: LocalActivity,
) -> None:
    """I7: their leases of an older epoch may run, though this one registers others meanwhile."""
    HolderRegistration.objects.create(
        holder_id=HOLDER.holder_id, host=HOLDER.host, control_port=HOLDER.control_port
    )
    watch.held = []
    watch.round()
    other = msgspec.structs.replace(HOLDER, holder_id=UUID(int=2))
    services.register_holder(holder=other)
    rows = HolderRegistration.objects.values_list("holder_id", "is_over")
    assert dict(rows) == {HOLDER.holder_id: False, other.holder_id: False}


def test_a_holder_that_is_gone_is_waited_for_as_long_as_its_lease_may_run(
    watch: LocalActivity, member: FakeMember
) -> None:
    HolderRegistration.objects.create(
        holder_id=HOLDER.holder_id, host=HOLDER.host, control_port=HOLDER.control_port
    )
    member.failure = Unreachable(is_refused=True)
    since_s = watch.now_s()
    watch.round()
    assert watch.now_s() - since_s >= PROOF_S + LEASE_S
    assert watch.activity.state is ActivityState.ACTIVE


def test_a_holder_that_knows_a_newer_epoch_ends_it(
    watch: LocalActivity, member: FakeMember
) -> None:
    HolderRegistration.objects.create(
        holder_id=HOLDER.holder_id, host=HOLDER.host, control_port=HOLDER.control_port
    )
    member.failure = NotActive(Epoch(9), OTHER)
    with pytest.raises(EndedError):
        watch.round()


def test_a_replica_that_knows_a_newer_epoch_ends_it(
    watch: LocalActivity, member: FakeMember
) -> None:
    """The database is a copy of former times: the next life claims a newer one."""
    watch._replicas = {ReplicaId(1): member}  # type: ignore[dict-item]
    member.failure = Unreachable()
    watch.round()
    assert watch.activity.state is ActivityState.ACTIVE, "it waits for no replica"
    member.failure = NotActive(Epoch(9), OTHER)
    with pytest.raises(EndedError):
        watch.notify_replicas(EpochNotice(Epoch(1), ME))


def test_the_database_keeps_its_incarnation_while_somebody_watched(
    watch: LocalActivity, member: FakeMember
) -> None:
    """Front ends forget their orders only for a database that may be another one."""
    before = UUID(int=5)
    Identity.objects.update_or_create(pk=1, defaults={"incarnation": before})
    claim_elsewhere()
    member.ping_answer = ActivePing(Epoch(1), is_active=True, is_proven=True)
    watch.round()
    member.failure = Unreachable(is_refused=True)
    watch.round()
    assert catalog_app.wiring.incarnation() == before


def test_one_that_begins_alone_takes_no_database_for_the_last_one(watch: LocalActivity) -> None:
    Identity.objects.update_or_create(pk=1, defaults={"incarnation": UUID(int=5)})
    watch.round()
    incarnation = catalog_app.wiring.incarnation()
    assert incarnation == Identity.objects.get().incarnation != UUID(int=5)


def test_what_is_not_acknowledged_is_read_once_it_is(
    watch: LocalActivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I3: a server may show a commit, and lose it again."""
    watch.round()
    trade(1)
    acknowledged = head_row.fence.acknowledged
    assert acknowledged is not None
    trade(2)
    head_row.fence.acknowledged = acknowledged
    held: list[bool] = []
    monkeypatch.setattr(catalog_app.wiring, "writer", lambda: NotingLock(held))
    services.read_ledger(after=Position(0), limit=9)
    services.read_last()
    assert len(held) == 2


def test_a_stock_under_change_is_read_once_that_is_over(
    watch: LocalActivity, lease_table: LeaseTableShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: a server may show a commit, and lose it again."""
    watch.round()
    held: list[bool] = []
    monkeypatch.setattr(catalog_app.wiring, "writer", lambda: NotingLock(held))
    reads: tuple[Callable[[], object], ...] = (
        lambda: services.read_stock(stock_name=STOCK.name),
        lambda: services.search_stocks(text="", after="", limit=9),
        lambda: services.read_stocks(holder_id=HOLDER.holder_id, wanted={STOCK.name: False}),
    )
    for read in reads:
        lease_table.begin([(STOCK.name, Version(2))])
        assert read()
        assert held.pop()
        lease_table.settle()
        assert read()
        assert not held


def test_what_was_rolled_back_is_not_acknowledged(watch: LocalActivity) -> None:
    watch.round()
    trade(1)
    acknowledged = head_row.fence.acknowledged

    def fail() -> None:
        with head_row.decide() as database:
            row, _ = head_row.read(database)
            head_row.move(database, row, row._replace(position=99))
            raise EndedError

    with pytest.raises(EndedError):
        fail()
    store.raise_term(Term(0), None)  # it is known, so nothing is written
    assert head_row.fence.acknowledged == acknowledged
