"""The page and its JSON show one moment of the cluster, dead roles included."""

import json
import threading
from typing import Any

import msgspec
import pytest

from bazaar.topology import Node, local
from dashboard.collector import Collector
from tests.bazaar.listeners import Listener
from tests.bazaar.waits import WAIT_S
from tests.dashboard.conftest import Show, catalog, front_end, replica

LISTENER = Listener("bazaar.urls.dashboard")


def look() -> dict[str, Any]:
    """Return the cluster as JSON."""
    reply = LISTENER.call("GET", "/api/cluster")
    assert reply.status == 200
    shown: dict[str, Any] = json.loads(reply.body)
    return shown


def page() -> str:
    reply = LISTENER.call("GET", "/")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return reply.body.decode()


def everybody(**changes: Any) -> dict[str, Any]:
    return {
        "catalog": catalog(),
        **{f"order_{number}": replica(number) for number in (1, 2, 3)},
        "frontend": front_end(),
        **changes,
    }


def test_a_healthy_cluster_is_shown(show: Show) -> None:
    show(**everybody())
    shown = look()
    assert (shown["leader"], shown["term"], shown["last"]) == (2, 3, 9)
    assert [one["is_leader"] for one in shown["replicas"]] == [False, True, False]
    assert all(role["is_up"] for role in shown["roles"])
    assert [role["name"] for role in shown["roles"]] == [
        *("catalog", "order-1", "order-2", "order-3", "frontend-1"),
    ]


def test_a_dead_replica_is_shown_with_the_reason(show: Show) -> None:
    statuses = everybody()
    del statuses["order_3"]
    show(**statuses)
    shown = look()
    assert shown["replicas"][2]["standing"] == "no answer"
    (dead,) = (role for role in shown["roles"] if not role["is_up"])
    assert (dead["name"], dead["pid"]) == ("order-3", None)
    assert "did not answer" in dead["reason"]
    assert "order-3" in page()


def test_a_replica_that_is_behind_shows_its_lag(show: Show) -> None:
    show(**everybody(order_1=replica(1, last=4)))
    assert [one["lag_orders"] for one in look()["replicas"]] == [5, 0, 0]


def test_the_newest_term_decides_who_leads(show: Show) -> None:
    """A role that has not heard of the election yet must not confuse the page."""
    show(**everybody(order_1=replica(1, term=2, leader=1), frontend=front_end(term=2, leader=1)))
    assert (look()["leader"], look()["term"]) == (2, 3)


def test_a_cluster_that_does_not_answer_is_shown_too(show: Show) -> None:
    show()
    shown = look()
    assert (shown["leader"], shown["term"], shown["last"]) == (None, 0, 0)
    assert not any(role["is_up"] for role in shown["roles"])
    assert "There is no leader." in page()


def test_the_page_shows_leader_replicas_and_cache(show: Show) -> None:
    show(**everybody())
    html = page()
    assert "replica 2 leads term 3" in html
    assert "7 hits" in html
    for number in (1, 2, 3):
        assert f"order-{number}" in html


def test_what_a_role_tells_is_escaped(show: Show) -> None:
    """A stock's name is anybody's text."""
    bad = "<script>alert(1)</script>"
    show(**everybody(order_1=msgspec.structs.replace(replica(1), standing=bad)))
    assert bad not in page()
    assert "&lt;script&gt;" in page()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/api/cluster"])
def test_nothing_can_be_changed_there(show: Show, method: str, path: str) -> None:
    show(**everybody())
    reply = LISTENER.call(method, path)
    assert reply.status == 405
    assert "not allowed" in json.loads(reply.body)["error"]["message"]


def test_all_roles_are_asked_side_by_side() -> None:
    """One that is silent costs the page its timeout once, however many there are."""
    together = threading.Barrier(5)

    def ask(role: str, node: Node, timeout_s: float) -> Any:
        together.wait(WAIT_S)
        return catalog()

    findings = Collector(local(3), ask).collect()
    assert [finding.role for finding in findings] == ["catalog", *["order"] * 3, "frontend"]
