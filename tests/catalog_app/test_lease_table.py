"""Every lease holder is notified before a change counts, or waited out (docs/DESIGN.md 4.4)."""

import threading
from functools import partial

import pytest

from bazaar.core.failures import Failure, UnknownHolder, Unreachable
from bazaar.core.types import Version
from bazaar.protocol import signing
from catalog_app.lease_table import (
    INVALIDATE_TIMEOUT_S,
    REGISTRATION_WAIT_MAX_S,
    LeaseTableShell,
)
from tests.catalog_app.conftest import LEASE_S
from tests.catalog_app.fakes import BusyLeaseTable, FakeHolder, FakeTime
from tests.support.hearing import Hearing
from tests.support.waits import WAIT_S

CHANGES = (("MenhirCo", Version(2)), ("BoarCo", Version(7)))


def silent(times: int = 10**6) -> FakeHolder:
    """Return a holder that does not answer the first so many times."""
    return FakeHolder(failures=[Unreachable() for _ in range(min(times, 1000))])


def invalidate(lease_table: LeaseTableShell) -> tuple[str, ...]:
    """Have the changes forgotten everywhere; return the holders that were dropped."""
    return lease_table.finish(lease_table.begin(CHANGES))


@pytest.fixture(autouse=True, params=[False, True], ids=["cold", "warm"])
def warmth(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Hold every promise with and without kept connections."""
    monkeypatch.setattr(FakeHolder, "is_warm", request.param)
    return bool(request.param)


@pytest.fixture
def lease_table(time: FakeTime) -> LeaseTableShell:
    return BusyLeaseTable(LEASE_S, time.clock)


def test_without_holders_nothing_is_waited_for(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    assert invalidate(lease_table) == ()
    assert time.now_s == 100.0


def test_every_holder_is_told_everything_once(lease_table: LeaseTableShell) -> None:
    holders = [FakeHolder() for _ in range(3)]
    for number, holder in enumerate(holders):
        lease_table.register(str(number), holder)
    assert invalidate(lease_table) == ()
    assert [holder.notified for holder in holders] == [[CHANGES]] * 3


def test_holders_are_told_side_by_side(lease_table: LeaseTableShell, *, warmth: bool) -> None:
    """One slow front end must not make the others wait for each other."""
    together, begun = threading.Barrier(3), list[int]()
    on_notified = (lambda: begun.append(-1)) if warmth else (lambda: _meet(together))
    for number in range(3):
        on_begun = partial(begun.append, number)
        lease_table.register(str(number), FakeHolder(on_notified=on_notified, on_begun=on_begun))
    invalidate(lease_table)
    assert together.n_waiting == 0
    assert [mark >= 0 for mark in begun] == ([True] * 3 + [False] * 3 if warmth else [])


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait(WAIT_S)


def test_a_silent_holder_is_waited_out_until_its_lease_ends_and_dropped(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    lease_table.register("silent", silent())
    time.now_s += 0.5
    lease_table.renew("silent")
    renewed_s = time.now_s
    time.now_s += 0.5
    assert invalidate(lease_table) == ("silent",)
    assert renewed_s + LEASE_S <= time.now_s < renewed_s + LEASE_S + 0.1
    assert lease_table.list_holders() == ()


def test_a_dropped_holder_costs_no_further_trade_anything(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    lease_table.register("silent", silent())
    invalidate(lease_table)
    after_s = time.now_s
    assert invalidate(lease_table) == ()
    assert time.now_s == after_s


def test_a_dropped_holder_begins_anew_under_another_id(lease_table: LeaseTableShell) -> None:
    lease_table.register("silent", silent())
    invalidate(lease_table)
    holder = FakeHolder()
    for call in (lease_table.renew, lambda one: lease_table.register(one, holder)):
        with pytest.raises(UnknownHolder):
            call("silent")
    lease_table.register("silent no more", holder)
    lease_table.renew("silent no more")
    assert invalidate(lease_table) == ()
    assert holder.notified == [CHANGES]


def test_a_silent_holder_cannot_prolong_its_lease_while_it_is_waited_for(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    """Otherwise one that hears nothing but can renew would hold trades up for ever."""
    refused: list[bool] = []

    def wait(seconds: float) -> None:
        time.now_s += seconds
        with pytest.raises(UnknownHolder):
            lease_table.renew("deaf")
        refused.append(True)

    lease_table = BusyLeaseTable(LEASE_S, type(time.clock)(lambda: time.now_s, wait))
    lease_table.register("deaf", silent())
    assert invalidate(lease_table) == ("deaf",)
    assert len(refused) > 10


def test_a_holder_that_answers_late_is_not_dropped_but_must_register_again(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    holder = silent(2)
    lease_table.register("late", holder)
    assert invalidate(lease_table) == ()
    assert holder.notified == [CHANGES]
    assert len(holder.timeouts_s) + len(holder.deadlines_s) == 3
    assert time.now_s < 100.0 + LEASE_S / 2
    with pytest.raises(UnknownHolder):
        lease_table.renew("late")


def test_no_call_to_a_holder_lasts_longer_than_its_timeout(
    lease_table: LeaseTableShell, *, warmth: bool
) -> None:
    holder = silent()
    lease_table.register("silent", holder)
    invalidate(lease_table)
    assert holder.deadlines_s == ([100.0 + INVALIDATE_TIMEOUT_S] if warmth else [])
    assert max(holder.timeouts_s) <= INVALIDATE_TIMEOUT_S
    assert min(holder.timeouts_s) > 0


@pytest.mark.parametrize("failure", [Unreachable(is_refused=True, was_sent=False), Failure("no")])
def test_a_holder_that_refuses_is_waited_out_as_well(
    lease_table: LeaseTableShell, time: FakeTime, failure: Failure
) -> None:
    """Nobody listens there now, but its memory may still answer readers."""
    lease_table.register("refusing", FakeHolder(failures=[failure] * 1000))
    assert invalidate(lease_table) == ("refusing",)
    assert time.now_s >= 100.0 + LEASE_S


def test_one_silent_holder_does_not_excuse_the_others(lease_table: LeaseTableShell) -> None:
    holder = FakeHolder()
    lease_table.register("silent", silent())
    lease_table.register("good", holder)
    assert invalidate(lease_table) == ("silent",)
    assert holder.notified == [CHANGES]


def test_a_lease_that_ran_out_is_not_waited_for(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    holder = silent()
    lease_table.register("gone", holder)
    time.now_s += LEASE_S
    assert lease_table.list_holders() == ()
    assert invalidate(lease_table) == ()
    assert holder.timeouts_s == holder.deadlines_s == []
    with pytest.raises(UnknownHolder):
        lease_table.renew("gone")


def test_an_unknown_holder_cannot_renew(lease_table: LeaseTableShell) -> None:
    with pytest.raises(UnknownHolder):
        lease_table.renew("nobody")


def test_only_who_may_have_a_stock_is_told(lease_table: LeaseTableShell) -> None:
    """docs/adr/0015: a change bothers its subscribers, and each of them once."""
    plain = LeaseTableShell(LEASE_S, lease_table._clock)
    subscriber, other = FakeHolder(), FakeHolder()
    plain.register("subscriber", subscriber)
    plain.register("other", other)
    assert plain.subscribe("subscriber", "MenhirCo")
    assert plain.subscribe("other", "SomethingElse")
    for _ in range(2):
        assert invalidate(plain) == ()
        plain.settle()
    assert (subscriber.notified, other.notified) == ([CHANGES], [])


def test_nobody_may_keep_a_stock_while_a_change_of_it_is_passing(
    lease_table: LeaseTableShell,
) -> None:
    lease_table.register("holder", FakeHolder())
    invalidate(lease_table)
    assert not lease_table.subscribe("holder", "MenhirCo")
    assert lease_table.subscribe("holder", "SomethingElse")
    lease_table.settle()
    assert lease_table.subscribe("holder", "MenhirCo")


def test_nobody_may_keep_anything_without_a_lease(lease_table: LeaseTableShell) -> None:
    assert not lease_table.subscribe("stranger", "MenhirCo")


def test_who_could_not_be_told_is_told_next_time(lease_table: LeaseTableShell) -> None:
    """A change that fails half way leaves its subscribers on the list."""
    holder = FakeHolder(failures=[RuntimeError("half way")])  # type: ignore[list-item]
    lease_table.register("holder", holder)
    with pytest.raises(RuntimeError):
        invalidate(lease_table)
    lease_table.settle()
    assert invalidate(lease_table) == ()
    assert holder.notified == [CHANGES]


def test_a_holder_of_an_earlier_run_is_told_of_everything(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    """The list did not survive the catalog's restart; the leases may have."""
    restarted, holder = LeaseTableShell(LEASE_S, time.clock), FakeHolder()
    restarted.honour("holder", holder)
    invalidate(restarted)
    restarted.settle()
    invalidate(restarted)
    assert holder.notified == [CHANGES, CHANGES]


def test_a_holder_that_is_dropped_is_told_with_the_reason(lease_table: LeaseTableShell) -> None:
    hearing = Hearing()
    lease_table.register("silent", silent())
    invalidate(lease_table)
    assert hearing.phrases() == ["holder registered", "holder dropped"]
    assert hearing.fields("holder dropped")["holder"] == "silent"


def test_a_lease_that_ended_is_told_once(lease_table: LeaseTableShell, time: FakeTime) -> None:
    hearing = Hearing()
    lease_table.register("gone", FakeHolder())
    time.now_s += LEASE_S
    assert (lease_table.list_holders(), lease_table.list_holders()) == ((), ())
    assert hearing.phrases() == ["holder registered", "lease over"]


def test_a_copy_of_a_registration_is_no_event_and_keeps_the_client(
    lease_table: LeaseTableShell,
) -> None:
    hearing, holder = Hearing(), FakeHolder()
    lease_table.register("holder", holder)
    lease_table.register("holder", silent())
    assert invalidate(lease_table) == ()
    assert holder.notified == [CHANGES]
    assert hearing.phrases() == ["holder registered"]


def test_a_holder_is_remembered_longer_than_a_copy_can_be_on_its_way(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    lease_table.register("gone", FakeHolder())
    time.now_s += LEASE_S
    assert lease_table.list_holders() == ()
    time.now_s += 2 * signing.VALID_S + REGISTRATION_WAIT_MAX_S
    assert lease_table.forget_ended() == ()
    assert (lease_table.is_known("gone"), lease_table.count_known()) == (True, 1)
    time.now_s += 1
    assert lease_table.forget_ended() == ("gone",)
    assert (lease_table.is_known("gone"), lease_table.count_known()) == (False, 0)
