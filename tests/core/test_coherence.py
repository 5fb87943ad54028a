"""Who may answer from memory, until when, and who is notified of a change (I7, docs/adr/0015)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.coherence import CLOCK_DRIFT_MAX, Lease, LeaseTable
from bazaar.core.failures import NotActive, UnknownHolder
from bazaar.core.types import Epoch

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


def test_a_newer_epoch_ends_the_lease_and_an_older_one_is_refused() -> None:
    """I7: who has acknowledged an epoch keeps nothing of an older one, and believes none."""
    lease = Lease(LEASE_S)
    assert lease.hear(Epoch(3))
    lease.renewed(sent_s=10.0)
    assert not lease.hear(Epoch(3))
    assert lease.is_valid(11.0)
    with pytest.raises(NotActive):
        lease.hear(Epoch(2))
    assert lease.is_valid(11.0)
    assert lease.hear(Epoch(4))
    assert not lease.is_valid(10.0)
    with pytest.raises(NotActive):
        lease.hear(Epoch(3))


rates = st.floats(1 - CLOCK_DRIFT_MAX, 1 + CLOCK_DRIFT_MAX)


@given(sent_s=times_s, way_s=delays_s, catalog_rate=rates, holder_rate=rates)
def test_a_lease_ends_at_the_holder_first_though_clocks_drift(
    sent_s: float, way_s: float, catalog_rate: float, holder_rate: float
) -> None:
    """I7: CLOCK_DRIFT_MAX is how much faster or slower than real time each may run."""
    table, lease = LeaseTable(LEASE_S), Lease(LEASE_S)
    lease.renewed(sent_s * holder_rate)
    table.register("one", (sent_s + way_s) * catalog_rate)
    last_s = lease.valid_until_s / holder_rate - 1e-9
    assert table.drop_expired(last_s * catalog_rate) == ()


@given(begin_s=times_s, calls=st.lists(st.tuples(delays_s, delays_s, delays_s), max_size=8))
def test_a_holder_stops_before_the_catalog_stops_waiting(
    begin_s: float, calls: list[tuple[float, float, float]]
) -> None:
    """I7: whenever the holder thinks it may serve, the catalog would still wait for it."""
    table, lease = LeaseTable(LEASE_S), Lease(LEASE_S)
    table.register("one", begin_s)
    lease.renewed(begin_s)
    now_s = begin_s
    for pause_s, way_s, back_s in calls:
        sent_s = now_s + pause_s
        received_s, now_s = sent_s + way_s, sent_s + way_s + back_s
        try:
            table.renew("one", received_s)
        except UnknownHolder:
            lease.lost()
            return
        lease.renewed(sent_s)
        assert lease.valid_until_s <= table.leases["one"].expires_s
        if lease.is_valid(now_s):
            assert table.drop_expired(now_s) == ()


def make_table(*holder_ids: str) -> LeaseTable:
    """Return a table whose holders registered at time 0 and may have stock x."""
    table = LeaseTable(LEASE_S)
    for holder_id in holder_ids:
        table.register(holder_id, 0.0)
        assert table.subscribe(holder_id, "x")
    return table


def test_a_lease_that_is_over_is_dropped_with_its_subscriptions() -> None:
    table = make_table("old")
    table.register("new", 1.5)
    assert table.drop_expired(1.9) == ()
    assert table.drop_expired(2.0) == ("old",)
    assert list(table.leases) == ["new"]
    assert table.begin_change(["x"]) == ()


def test_a_renewal_prolongs_a_lease() -> None:
    table = make_table("one")
    table.renew("one", 1.9)
    assert table.drop_expired(3.8) == ()


@pytest.mark.parametrize("now_s", [2.0, 2.1])
def test_a_lease_that_ran_out_cannot_be_renewed(now_s: float) -> None:
    """I7: its holder may have missed changes; it clears its cache and registers."""
    with pytest.raises(UnknownHolder):
        make_table("one").renew("one", now_s)


def test_an_unknown_holder_cannot_renew() -> None:
    with pytest.raises(UnknownHolder):
        LeaseTable(LEASE_S).renew("one", 0.0)


def test_a_silent_holder_is_waited_for_until_its_lease_ends_and_cannot_renew() -> None:
    """docs/DESIGN.md 4.4: it may still answer from memory, but it cannot prolong the wait."""
    table = make_table("one")
    assert table.not_acknowledged("one", 0.5) == 1.5
    with pytest.raises(UnknownHolder):
        table.renew("one", 1.0)
    assert table.not_acknowledged("one", 2.0) == 0.0
    table.drop("one", 2.0)
    assert table.not_acknowledged("one", 2.0) == 0.0


@pytest.mark.parametrize("repeated_s", [0.0, 1.9])
def test_a_copy_of_a_registration_changes_nothing(repeated_s: float) -> None:
    """I7: its holder has filled its cache meanwhile."""
    table = make_table("one")
    assert not table.register("one", repeated_s)
    assert table.leases["one"].expires_s == LEASE_S
    assert table.begin_change(["x"]) == ("one",)


def test_an_id_whose_lease_is_over_begins_no_other() -> None:
    """I7: its holder still has stocks, and would renew what a late copy has begun."""
    table = make_table("expired", "dropped", "silent")
    table.not_acknowledged("silent", 0.0)
    table.drop("dropped", 0.5)
    for now_s in (LEASE_S, LEASE_S + 1):
        for holder_id in ("expired", "dropped", "silent"):
            with pytest.raises(UnknownHolder):
                table.register(holder_id, now_s)
        table.drop_expired(now_s)
    assert table.leases == {}


def test_a_late_copy_of_an_old_registration_leaves_the_new_one_alone() -> None:
    """I7: the process registered anew under another id."""
    table = make_table("old")
    table.drop("old", 0.5)
    assert table.register("new", 0.6)
    assert table.subscribe("new", "x")
    with pytest.raises(UnknownHolder):
        table.register("old", 0.7)
    assert table.register("never arrived", 0.8)
    assert table.begin_change(["x"]) == ("new",)


def test_a_suspended_holder_begins_a_lease_under_another_id() -> None:
    table = make_table("one")
    table.not_acknowledged("one", 0.0)
    assert table.register("other", 1.0)
    table.renew("other", 2.0)
    assert table.drop_expired(3.9) == ("one",)
    assert table.begin_change(["x"]) == ()


def test_an_ended_lease_is_remembered_for_a_time() -> None:
    """I10: no longer than a copy can be on its way."""
    table = make_table("early", "late")
    table.drop("early", 1.0)
    table.drop("late", 1.5)
    assert table.forget_ended(before_s=1.0) == ()
    assert table.forget_ended(before_s=1.2) == ("early",)
    assert list(table.ended) == ["late"]


def test_only_subscribers_are_notified_of_a_change() -> None:
    """docs/adr/0015."""
    table = make_table("a", "b", "c")
    table.unsubscribe("b", "x")
    assert table.subscribe("b", "y")
    assert table.begin_change(["x"]) == ("a", "c")
    assert table.begin_change(["y"]) == ("b",)


def test_every_holder_is_notified_of_a_listing() -> None:
    """I7: each may know that the stock was not there."""
    table = make_table("a", "b")
    assert table.begin_change(["new"], is_listing=True) == ("a", "b")
    assert not table.subscribe("a", "new")
    table.end_change()
    assert table.begin_change(["new"]) == ()


def test_a_holder_that_has_forgotten_a_stock_is_not_notified_again() -> None:
    table = make_table("a", "b")
    table.begin_change(["x"])
    table.acknowledged("a", ["x"])
    table.end_change()
    assert table.begin_change(["x"]) == ("b",)


def test_a_stock_is_not_subscribed_to_while_it_changes() -> None:
    """I7: the holder would keep the old version and never hear of the change."""
    table = make_table("a")
    table.begin_change(["x"])
    assert not table.subscribe("a", "x")
    assert table.subscribe("a", "y")
    table.end_change()
    assert table.subscribe("a", "x")


def test_nothing_is_subscribed_to_without_a_lease() -> None:
    """I10: nobody fills the catalog's memory with names."""
    table = LeaseTable(LEASE_S)
    assert not table.subscribe("nobody", "x")
    assert table.subscribers == {}


def test_a_holder_from_before_a_restart_is_notified_of_everything() -> None:
    table = LeaseTable(LEASE_S)
    table.honour("old", 0.0)
    for _ in range(2):
        assert table.begin_change(["x"]) == ("old",)
        table.acknowledged("old", ["x"])
        table.end_change()
    with pytest.raises(UnknownHolder):
        table.renew("old", 0.1)


def test_nothing_is_left_of_a_dropped_holder() -> None:
    """I10: the table is no longer than holders times stocks."""
    table = make_table(*map(str, range(100)))
    for number in range(100):
        table.drop(str(number), 0.0)
    assert len(table.forget_ended(before_s=0.1)) == 100
    assert (table.leases, table.subscribers, table.ended) == ({}, {}, {})
