"""Who may serve from memory, and until when: I7 (DESIGN 4.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.leases import Lease, Leases, UnknownHolder

LEASE_S = 2.0
times_s = st.floats(0, 1000, allow_nan=False)
delays_s = st.floats(0, 10, allow_nan=False)


def test_a_holder_may_not_serve_before_its_first_renewal() -> None:
    assert not Lease(LEASE_S).is_valid(0.0)


def test_a_lease_counts_from_the_moment_the_renewal_was_sent() -> None:
    """I7: an answer that took long does not make the lease longer."""
    lease = Lease(LEASE_S)
    lease.renewed(sent_s=10.0)
    assert lease.is_valid(11.9)
    assert not lease.is_valid(12.0)


def test_answers_that_overtake_each_other_shorten_nothing() -> None:
    lease = Lease(LEASE_S)
    lease.renewed(sent_s=10.5)
    lease.renewed(sent_s=10.0)
    assert lease.is_valid(12.4)


def test_a_lost_lease_is_over_at_once() -> None:
    lease = Lease(LEASE_S)
    lease.renewed(sent_s=10.0)
    lease.lost()
    assert not lease.is_valid(10.1)


@given(begin_s=times_s, calls=st.lists(st.tuples(delays_s, delays_s, delays_s), max_size=8))
def test_a_holder_stops_before_the_catalog_stops_waiting(
    begin_s: float, calls: list[tuple[float, float, float]]
) -> None:
    """I7: whenever the holder thinks it may serve, the catalog would still wait for it."""
    holders, lease = Leases(LEASE_S), Lease(LEASE_S)
    holders.register("one", begin_s)
    lease.renewed(begin_s)
    now_s = begin_s
    for pause_s, way_s, back_s in calls:
        sent_s = now_s + pause_s
        received_s, now_s = sent_s + way_s, sent_s + way_s + back_s
        try:
            holders.renew("one", received_s)
        except UnknownHolder:
            lease.lost()
            return
        lease.renewed(sent_s)
        if lease.is_valid(now_s):
            assert holders.live(now_s) == ("one",)
        assert lease.valid_until_s <= holders.holders["one"].expires_s


def test_a_change_waits_for_every_live_holder_and_no_other() -> None:
    holders = Leases(LEASE_S)
    holders.register("old", 0.0)
    holders.register("new", 1.5)
    assert holders.live(1.9) == ("old", "new")
    assert holders.live(2.0) == ("new",)
    assert holders.live(3.5) == ()


def test_a_renewal_prolongs_a_lease() -> None:
    holders = Leases(LEASE_S)
    holders.register("one", 0.0)
    holders.renew("one", 1.9)
    assert holders.live(3.8) == ("one",)


@pytest.mark.parametrize("now_s", [2.0, 2.1])
def test_a_lease_that_ran_out_cannot_be_renewed(now_s: float) -> None:
    """I7: changes may have passed it by; the holder clears its cache and registers."""
    holders = Leases(LEASE_S)
    holders.register("one", 0.0)
    with pytest.raises(UnknownHolder):
        holders.renew("one", now_s)


def test_a_holder_nobody_knows_cannot_renew() -> None:
    with pytest.raises(UnknownHolder):
        Leases(LEASE_S).renew("one", 0.0)


def test_a_suspended_holder_is_waited_for_until_its_lease_ends_and_no_longer() -> None:
    """DESIGN 4.4: it did not answer, so it may still serve; but it cannot prolong the wait."""
    holders = Leases(LEASE_S)
    holders.register("one", 0.0)
    assert holders.suspend("one") == 2.0
    assert holders.live(1.0) == ("one",)
    with pytest.raises(UnknownHolder):
        holders.renew("one", 1.0)
    assert holders.live(2.0) == ()


def test_a_holder_that_registers_anew_is_no_longer_suspended() -> None:
    holders = Leases(LEASE_S)
    holders.register("one", 0.0)
    holders.suspend("one")
    holders.register("one", 1.0)
    holders.renew("one", 2.0)
    assert holders.live(3.9) == ("one",)


def test_a_dropped_holder_is_not_waited_for_and_cannot_renew() -> None:
    holders = Leases(LEASE_S)
    holders.register("one", 0.0)
    assert holders.drop("one")
    assert not holders.drop("one")
    assert holders.suspend("one") is None
    assert holders.live(0.0) == ()
    with pytest.raises(UnknownHolder):
        holders.renew("one", 0.1)


def test_unknown_holder_is_definite() -> None:
    """I9: nothing was prolonged."""
    assert UnknownHolder().is_definite
