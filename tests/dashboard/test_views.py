"""The page and its JSON show one moment of the cluster, dead roles included."""

import threading
from typing import Any

import msgspec
import pytest
from django.test import Client

from bazaar.topology import Node, local
from dashboard.collector import Collector
from tests.dashboard.conftest import Show, catalog, front_end, replica
from tests.support.waits import WAIT_S


def look(staff: Client) -> dict[str, Any]:
    """Return the cluster as JSON."""
    reply = staff.get("/api/cluster")
    assert reply.status_code == 200
    shown: dict[str, Any] = reply.json()
    return shown


def page(staff: Client) -> str:
    reply = staff.get("/")
    assert (reply.status_code, reply["content-type"]) == (200, "text/html; charset=utf-8")
    return reply.content.decode()


def everybody(**changes: Any) -> dict[str, Any]:
    return {
        "catalog": catalog(),
        **{f"order_{number}": replica(number) for number in (1, 2, 3)},
        "frontend": front_end(),
        **changes,
    }


def test_a_healthy_cluster_is_shown(show: Show, staff: Client) -> None:
    show(**everybody())
    shown = look(staff)
    assert (shown["leader"], shown["term"], shown["last"]) == (2, 3, 9)
    assert [one["is_leader"] for one in shown["replicas"]] == [False, True, False]
    assert all(role["is_up"] for role in shown["roles"])
    assert [role["name"] for role in shown["roles"]] == [
        *("catalog", "order-1", "order-2", "order-3", "frontend-1"),
    ]


def test_a_dead_replica_is_shown_with_the_reason(show: Show, staff: Client) -> None:
    statuses = everybody()
    del statuses["order_3"]
    show(**statuses)
    shown = look(staff)
    assert shown["replicas"][2]["state"] == "no answer"
    (dead,) = (role for role in shown["roles"] if not role["is_up"])
    assert (dead["name"], dead["pid"]) == ("order-3", None)
    assert "did not answer" in dead["reason"]
    assert "order-3" in page(staff)


def test_a_replica_that_is_behind_shows_its_lag(show: Show, staff: Client) -> None:
    show(**everybody(order_1=replica(1, last=4)))
    assert [one["lag_orders"] for one in look(staff)["replicas"]] == [5, 0, 0]


def test_the_newest_term_decides_who_leads(show: Show, staff: Client) -> None:
    """A role that has not heard of the election yet must not confuse the page."""
    show(**everybody(order_1=replica(1, term=2, leader=1), frontend=front_end(term=2, leader=1)))
    assert (look(staff)["leader"], look(staff)["term"]) == (2, 3)


def test_a_cluster_that_does_not_answer_is_shown_too(show: Show, staff: Client) -> None:
    show()
    shown = look(staff)
    assert (shown["leader"], shown["term"], shown["last"]) == (None, 0, 0)
    assert not any(role["is_up"] for role in shown["roles"])
    assert "There is no leader." in page(staff)


def test_the_page_shows_leader_replicas_and_cache(show: Show, staff: Client) -> None:
    show(**everybody())
    html = page(staff)
    assert "replica 2 leads term 3" in html
    assert "7 hits" in staff.get("/cache").content.decode()
    for number in (1, 2, 3):
        assert f"order-{number}" in html


def test_what_a_role_tells_is_escaped(show: Show, staff: Client) -> None:
    """A stock's name is anybody's text."""
    bad = "<script>alert(1)</script>"
    show(**everybody(order_1=msgspec.structs.replace(replica(1), state=bad)))
    assert bad not in page(staff)
    assert "&lt;script&gt;" in page(staff)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/api/cluster"])
def test_nothing_can_be_changed_there(show: Show, staff: Client, method: str, path: str) -> None:
    show(**everybody())
    staff.handler.enforce_csrf_checks = False
    reply = staff.generic(method, path)
    assert reply.status_code == 405
    assert "not allowed" in reply.json()["error"]["message"]


def test_all_roles_are_asked_side_by_side() -> None:
    """One that is silent costs the page its timeout once, however many there are."""
    together = threading.Barrier(5)

    def ask(role: str, node: Node, timeout_s: float) -> Any:
        together.wait(WAIT_S)
        return catalog()

    findings = Collector(local(3), ask).collect()
    assert [finding.role for finding in findings] == ["catalog", *["order"] * 3, "frontend"]
