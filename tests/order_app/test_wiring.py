"""How a replica begins: it serves once its log is checked, and stays out if it cannot be read."""

import pytest
from django.db import connection

from bazaar.core.failures import Unreachable
from bazaar.core.replica import ReplicaState
from bazaar.core.types import OrderNo, Term
from order_app import wiring
from order_app.catalog_probe import AWAY_PAUSE_S, CatalogProbe
from order_app.replica import ReplicaShell
from order_app.store import OrderLog
from tests.order_app.conftest import LIMITS, ME
from tests.order_app.fakes import FakeCatalog
from tests.support.disks import refuse_writes
from tests.support.histories import make_linked, make_orders


@pytest.fixture
def again(shell: ReplicaShell, catalog: FakeCatalog) -> ReplicaShell:
    """Restart a replica that has three orders."""
    catalog.orders = make_orders(3)
    shell.log.append(make_linked(3))
    return ReplicaShell(ME, catalog, {}, OrderLog(), LIMITS)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_good_log_is_served(again: ReplicaShell) -> None:
    wiring._start(again)
    assert again.machine.state is ReplicaState.FOLLOWING


def test_without_a_catalog_the_log_is_served_all_the_same(
    again: ReplicaShell, catalog: FakeCatalog
) -> None:
    catalog.requests_lost = [Unreachable()]
    wiring._start(again)
    assert again.machine.state is ReplicaState.FOLLOWING


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_fails_at_the_start_is_no_damage(
    again: ReplicaShell, catalog: FakeCatalog
) -> None:
    """What the log has is served; the rest comes when the disk is well."""
    catalog.orders = make_orders(5)
    with refuse_writes():
        wiring._start(again)
        assert again.machine.state is ReplicaState.FOLLOWING
        assert again.look_up(OrderNo(3)) == make_orders(3)[2]
    assert again.look_up(OrderNo(5)) == make_orders(5)[4]


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE order_app_logentry",
        "UPDATE order_app_logentry SET quantity = 9 WHERE order_no = 2",
        "UPDATE order_app_logentry SET key = 'not a key' WHERE order_no = 2",
        "UPDATE order_app_logentry SET digest = X'00FF' WHERE order_no = 2",
    ],
)
def test_a_log_that_is_damaged_or_cannot_be_read_stays_out(
    again: ReplicaShell, damage: str
) -> None:
    """I8: it says so in its status, and no election may choose it."""
    execute(damage)
    wiring._start(again)
    assert again.machine.state is ReplicaState.CORRUPT
    assert not again.machine.is_serving


def problems(shell: ReplicaShell, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what keeps a replica from being ready."""
    monkeypatch.setattr(wiring, "replica", lambda: shell)
    return [check.problem for check in wiring.list_checks() if not check.is_ok]


def test_a_replica_is_ready_when_it_serves(
    again: ReplicaShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert problems(again, monkeypatch) == ["It checks the end of its log and catches up."]
    wiring._start(again)
    assert problems(again, monkeypatch) == []
    again.machine.state = ReplicaState.AHEAD
    assert "The ledger ends before its log" in problems(again, monkeypatch)[0]
    again.drop_out("entry 2")
    assert problems(again, monkeypatch)[0].startswith("Its log is damaged")


def test_a_catalog_out_of_reach_is_probed_more_often(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    probe, pauses = CatalogProbe(leader, catalog), list[float | None]()
    for catalog.is_away in (True, False):
        pauses.append(probe.round())
    assert pauses == [AWAY_PAUSE_S, None]


def test_a_leader_steps_down_for_a_catalog_that_began_anew(
    leader: ReplicaShell, catalog: FakeCatalog
) -> None:
    """Its trades would tell it, but perhaps nobody trades."""
    probe = CatalogProbe(leader, catalog)
    probe.round()
    before = leader.machine.state
    catalog.term, catalog.leader = Term(4), None
    probe.round()
    assert (before, leader.machine.state) == (ReplicaState.LEADING, ReplicaState.FOLLOWING)
    assert (leader.machine.term, leader.machine.leader) == (4, None)
