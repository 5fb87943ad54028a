"""Every lease holder is told before a change counts, or its lease is waited out (DESIGN 4.4)."""

import threading
from functools import partial

import pytest

from bazaar.core.failures import Failure, Unreachable
from bazaar.core.leases import UnknownHolder
from bazaar.core.types import Version
from catalog_app.holders import INVALIDATE_TIMEOUT_S, HolderDesk
from tests.bazaar.hearing import Hearing
from tests.bazaar.waits import WAIT_S
from tests.catalog_app.conftest import LEASE_S
from tests.catalog_app.fakes import BusyDesk, FakeHolder, FakeTime

CHANGES = (("MenhirCo", Version(2)), ("BoarCo", Version(7)))


def silent(times: int = 10**6) -> FakeHolder:
    """Return a holder that does not answer the first so many times."""
    return FakeHolder(failures=[Unreachable() for _ in range(min(times, 1000))])


@pytest.fixture(autouse=True, params=[False, True], ids=["cold", "warm"])
def warmth(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Hold every promise with and without kept connections."""
    monkeypatch.setattr(FakeHolder, "is_warm", request.param)
    return bool(request.param)


@pytest.fixture
def desk(time: FakeTime) -> HolderDesk:
    return BusyDesk(LEASE_S, time.clock)


def test_without_holders_nothing_is_waited_for(desk: HolderDesk, time: FakeTime) -> None:
    assert desk.begin(CHANGES).finish() == ()
    assert time.now_s == 100.0


def test_every_holder_is_told_everything_once(desk: HolderDesk) -> None:
    holders = [FakeHolder() for _ in range(3)]
    for number, holder in enumerate(holders):
        desk.register(str(number), holder)
    assert desk.begin(CHANGES).finish() == ()
    assert [holder.told for holder in holders] == [[CHANGES]] * 3


def test_holders_are_told_side_by_side(desk: HolderDesk, *, warmth: bool) -> None:
    """One slow front end must not make the others wait for each other."""
    together, begun = threading.Barrier(3), list[int]()
    on_told = (lambda: begun.append(-1)) if warmth else (lambda: _meet(together))
    for number in range(3):
        on_begun = partial(begun.append, number)
        desk.register(str(number), FakeHolder(on_told=on_told, on_begun=on_begun))
    desk.begin(CHANGES).finish()
    assert together.n_waiting == 0
    assert [mark >= 0 for mark in begun] == ([True] * 3 + [False] * 3 if warmth else [])


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait(WAIT_S)


def test_a_silent_holder_is_waited_out_until_its_lease_ends_and_dropped(
    desk: HolderDesk, time: FakeTime
) -> None:
    desk.register("silent", silent())
    time.now_s += 0.5
    desk.renew("silent")
    renewed_s = time.now_s
    time.now_s += 0.5
    assert desk.begin(CHANGES).finish() == ("silent",)
    assert renewed_s + LEASE_S <= time.now_s < renewed_s + LEASE_S + 0.1
    assert desk.live() == ()


def test_a_dropped_holder_costs_no_further_trade_anything(desk: HolderDesk, time: FakeTime) -> None:
    desk.register("silent", silent())
    desk.begin(CHANGES).finish()
    after_s = time.now_s
    assert desk.begin(CHANGES).finish() == ()
    assert time.now_s == after_s


def test_a_dropped_holder_cannot_renew_but_register(desk: HolderDesk) -> None:
    desk.register("silent", silent())
    desk.begin(CHANGES).finish()
    with pytest.raises(UnknownHolder):
        desk.renew("silent")
    holder = FakeHolder()
    desk.register("silent", holder)
    desk.renew("silent")
    assert desk.begin(CHANGES).finish() == ()
    assert holder.told == [CHANGES]


def test_a_silent_holder_cannot_prolong_its_lease_while_it_is_waited_for(
    desk: HolderDesk, time: FakeTime
) -> None:
    """Otherwise one that hears nothing but can renew would hold trades up for ever."""
    refused: list[bool] = []

    def wait(seconds: float) -> None:
        time.now_s += seconds
        with pytest.raises(UnknownHolder):
            desk.renew("deaf")
        refused.append(True)

    desk = BusyDesk(LEASE_S, type(time.clock)(lambda: time.now_s, wait))
    desk.register("deaf", silent())
    assert desk.begin(CHANGES).finish() == ("deaf",)
    assert len(refused) > 10


def test_a_holder_that_answers_late_is_not_dropped_but_must_register_again(
    desk: HolderDesk, time: FakeTime
) -> None:
    holder = silent(2)
    desk.register("late", holder)
    assert desk.begin(CHANGES).finish() == ()
    assert holder.told == [CHANGES]
    assert len(holder.timeouts_s) == 3
    assert time.now_s < 100.0 + LEASE_S / 2
    with pytest.raises(UnknownHolder):
        desk.renew("late")


def test_no_call_to_a_holder_lasts_longer_than_its_timeout(desk: HolderDesk) -> None:
    holder = silent()
    desk.register("silent", holder)
    desk.begin(CHANGES).finish()
    assert max(holder.timeouts_s) <= INVALIDATE_TIMEOUT_S
    assert min(holder.timeouts_s) > 0


@pytest.mark.parametrize("failure", [Unreachable(is_refused=True, was_sent=False), Failure("no")])
def test_a_holder_that_refuses_is_waited_out_as_well(
    desk: HolderDesk, time: FakeTime, failure: Failure
) -> None:
    """Nobody listens there now, but its memory may still answer readers."""
    desk.register("refusing", FakeHolder(failures=[failure] * 1000))
    assert desk.begin(CHANGES).finish() == ("refusing",)
    assert time.now_s >= 100.0 + LEASE_S


def test_one_silent_holder_does_not_excuse_the_others(desk: HolderDesk) -> None:
    holder = FakeHolder()
    desk.register("silent", silent())
    desk.register("good", holder)
    assert desk.begin(CHANGES).finish() == ("silent",)
    assert holder.told == [CHANGES]


def test_a_lease_that_ran_out_is_not_waited_for(desk: HolderDesk, time: FakeTime) -> None:
    holder = silent()
    desk.register("gone", holder)
    time.now_s += LEASE_S
    assert desk.live() == ()
    assert desk.begin(CHANGES).finish() == ()
    assert holder.timeouts_s == []
    with pytest.raises(UnknownHolder):
        desk.renew("gone")


def test_an_unknown_holder_cannot_renew(desk: HolderDesk) -> None:
    with pytest.raises(UnknownHolder):
        desk.renew("nobody")


def test_only_who_may_have_a_stock_is_told(desk: HolderDesk) -> None:
    """ADR 15: a change bothers its keepers, and each of them once."""
    plain = HolderDesk(LEASE_S, desk._clock)
    keeper, other = FakeHolder(), FakeHolder()
    plain.register("keeper", keeper)
    plain.register("other", other)
    assert plain.admit("keeper", "MenhirCo")
    assert plain.admit("other", "SomethingElse")
    for _ in range(2):
        assert plain.begin(CHANGES).finish() == ()
        plain.settle()
    assert (keeper.told, other.told) == ([CHANGES], [])


def test_nobody_may_keep_a_stock_while_a_change_of_it_is_passing(desk: HolderDesk) -> None:
    desk.register("holder", FakeHolder())
    desk.begin(CHANGES).finish()
    assert not desk.admit("holder", "MenhirCo")
    assert desk.admit("holder", "SomethingElse")
    desk.settle()
    assert desk.admit("holder", "MenhirCo")


def test_nobody_may_keep_anything_without_a_lease(desk: HolderDesk) -> None:
    assert not desk.admit("stranger", "MenhirCo")


def test_who_could_not_be_told_is_told_next_time(desk: HolderDesk) -> None:
    """A change that fails half way leaves its keepers on the list."""
    holder = FakeHolder(failures=[RuntimeError("half way")])  # type: ignore[list-item]
    desk.register("holder", holder)
    with pytest.raises(RuntimeError):
        desk.begin(CHANGES).finish()
    desk.settle()
    assert desk.begin(CHANGES).finish() == ()
    assert holder.told == [CHANGES]


def test_a_holder_of_an_earlier_run_is_told_of_everything(desk: HolderDesk, time: FakeTime) -> None:
    """The list did not survive the catalog's restart; the leases may have."""
    restarted, holder = HolderDesk(LEASE_S, time.clock), FakeHolder()
    restarted.honour("holder", holder)
    restarted.begin(CHANGES).finish()
    restarted.settle()
    restarted.begin(CHANGES).finish()
    assert holder.told == [CHANGES, CHANGES]


def test_a_holder_that_is_dropped_is_told_with_the_reason(desk: HolderDesk) -> None:
    hearing = Hearing()
    desk.register("silent", silent())
    desk.begin(CHANGES).finish()
    assert hearing.phrases() == ["holder registered", "holder dropped"]
    assert hearing.fields("holder dropped")["holder"] == "silent"


def test_a_lease_that_ended_is_told_once(desk: HolderDesk, time: FakeTime) -> None:
    hearing = Hearing()
    desk.register("gone", FakeHolder())
    time.now_s += LEASE_S
    assert (desk.live(), desk.live()) == ((), ())
    assert hearing.phrases() == ["holder registered", "lease over"]
