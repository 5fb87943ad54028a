"""Each page and its JSON show the same moment, whatever is asked and whichever process is dead."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from msgspec.structs import replace

from bazaar.protocol.statuses import CachedStock, FollowerStatus
from dashboard import models
from dashboard.event_feed import ClusterEvent
from dashboard.models import EventRecord
from dashboard.panels import PANELS
from tests.dashboard.conftest import Show, read_page
from tests.dashboard.databases import ROW
from tests.dashboard.statuses import catalog, event, front_end, replica, reporting

PAGES = ["/" if panel.is_index else f"/{panel.name}" for panel in PANELS]


def everybody(**changes: Any) -> dict[str, Any]:
    """Return the statuses of a healthy cluster, some changed."""
    replicas = {f"order_{number}": replica(number) for number in (1, 2, 3)}
    return {"catalog": catalog(), **replicas, "frontend": front_end(), **changes}


def read_cluster(client: Client) -> dict[str, Any]:
    reply = client.get("/api/cluster")
    assert reply.status_code == 200
    shown: dict[str, Any] = reply.json()
    return shown


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_for_a_person_and_its_changing_part_for_htmx(
    superuser: Client, databases: Callable[..., None], path: str
) -> None:
    databases((ROW,), (ROW,), None)
    whole = superuser.get(path)
    part = superuser.get(path, headers={"HX-Request": "true"})
    assert (whole.status_code, part.status_code) == (200, 200)
    assert b"<html" in whole.content
    assert b"<html" not in part.content
    live, _, health = part.content.partition(b'<div id="bz-health" hx-swap-oob="innerHTML">')
    assert live.strip() in whole.content or path == "/"
    assert whole.content.index(b'id="health"') < whole.content.index(b"bz-panel")
    assert b'id="health"' in health


@pytest.mark.parametrize("path", PAGES)
def test_every_page_stays_up_when_no_process_answers(
    superuser: Client, databases: Callable[..., None], show: Show, path: str
) -> None:
    databases(None, None, None)
    show()
    assert superuser.get(path).status_code == 200
    assert superuser.get(f"/api/{path.strip('/') or 'cluster'}").json()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_shows_the_same_view_and_says_when_to_ask_again(
    superuser: Client, databases: Callable[..., None], path: str
) -> None:
    databases((ROW,), (), ())
    at_s = read_cluster(superuser)["at_s"]
    part = superuser.get(path, headers={"HX-Request": "true"})
    assert 0 < int(part["Bazaar-Next-Ms"]) <= 2000
    assert f'href="/api/{path.strip("/") or "cluster"}"' in part.content.decode()
    assert superuser.get("/api/cache").json()["at_s"] == at_s


@pytest.mark.parametrize("path", ["/", "/api/cluster"])
def test_a_panel_changes_nothing(show: Show, superuser: Client, path: str) -> None:
    show(**everybody())
    superuser.handler.enforce_csrf_checks = False
    for method in ("POST", "PUT", "DELETE", "BREW"):
        reply = superuser.generic(method, path)
        assert reply.status_code == 405
        assert "not allowed" in reply.json()["error"]["message"]


@pytest.mark.parametrize("name", [panel.name for panel in PANELS])
def test_a_panels_json_is_a_page_in_a_browser(superuser: Client, show: Show, name: str) -> None:
    show()
    html = superuser.get(f"/api/{name}", headers={"Accept": "text/html"}).content.decode()
    assert "as an object" in html
    assert "Who may call it: Staff" in html
    assert 'id="answer"' in html
    assert superuser.get(f"/api/{name}")["content-type"] == "application/json"


def test_a_panels_page_shows_others_the_sign_in_only(anonymous: Client) -> None:
    reply = anonymous.get("/api/cluster", headers={"Accept": "text/html"})
    assert reply.status_code == 403
    assert 'href="/login/?next=%2Fapi%2Fcluster"' in reply.content.decode()
    assert "unsafe-inline" not in reply["content-security-policy"]
    assert 'style nonce="' in reply.content.decode()


# The cluster


def test_a_healthy_cluster_is_shown(show: Show, superuser: Client) -> None:
    show(**everybody())
    shown = read_cluster(superuser)
    assert (shown["leader"], shown["term"], shown["last"]) == (2, 3, 9)
    assert [one["is_leader"] for one in shown["replicas"]] == [False, True, False]
    assert all(role["is_up"] for role in shown["roles"])
    names = ["catalog", "order-1", "order-2", "order-3", "frontend-1"]
    assert [role["name"] for role in shown["roles"]] == names
    html = read_page(superuser)
    assert '<strong id="health">degraded</strong>: order-2 leads, term 3' in html
    for name in names:
        assert name in html


def test_a_dead_replica_is_shown_with_the_reason(show: Show, superuser: Client) -> None:
    statuses = everybody()
    del statuses["order_3"]
    show(**statuses)
    shown = read_cluster(superuser)
    assert shown["replicas"][2]["state"] == "not running"
    assert "order-3 does not answer." in read_page(superuser)
    (dead,) = (role for role in shown["roles"] if not role["is_up"])
    assert (dead["name"], dead["pid"]) == ("order-3", None)
    assert "did not answer" in dead["reason"]


def test_a_replica_that_is_behind_shows_its_lag(show: Show, superuser: Client) -> None:
    show(**everybody(order_1=replica(1, last=4)))
    assert [one["lag_orders"] for one in read_cluster(superuser)["replicas"]] == [5, 0, 0]


def test_orders_placed_while_all_are_asked_are_no_lag(show: Show, superuser: Client) -> None:
    """The catalog is asked last, so under load it knows more than any replica did."""
    alone = replace(replica(3), lag_orders=2)
    show(**everybody(catalog=catalog(last=15), order_3=alone))
    shown = read_cluster(superuser)
    assert [one["lag_orders"] for one in shown["replicas"]] == [0, 0, 2]
    assert shown["last"] == 15


def test_the_newest_term_decides_who_leads(show: Show, superuser: Client) -> None:
    """A process that has not heard of the election yet must not confuse the page."""
    show(**everybody(order_1=replica(1, term=2, leader=1), frontend=front_end(term=2, leader=1)))
    assert (read_cluster(superuser)["leader"], read_cluster(superuser)["term"]) == (2, 3)


def test_a_cluster_that_does_not_answer_is_shown_too(show: Show, superuser: Client) -> None:
    show()
    shown = read_cluster(superuser)
    assert (shown["leader"], shown["term"], shown["last"]) == (None, 0, 0)
    assert not any(role["is_up"] for role in shown["roles"])
    assert '<strong id="health">no leader</strong>: nobody leads, term 0' in read_page(superuser)


def test_what_a_process_reports_is_escaped(show: Show, superuser: Client) -> None:
    bad = "<script>alert(1)</script>"
    show(**everybody(order_1=replace(replica(1), state=bad)))
    assert bad not in read_page(superuser)
    assert "&lt;script&gt;" in read_page(superuser)


def test_a_log_that_differs_is_named(superuser: Client, show: Show) -> None:
    """I8: equal length means equal digest."""
    show(order_1=replace(replica(1), digest="f" * 64), order_2=replica(2))
    first, second, _ = read_cluster(superuser)["replicas"]
    assert (first["is_same"], second["is_same"]) == (False, True)
    assert "differs" in read_page(superuser)


def test_the_size_of_each_database_is_shown(superuser: Client, show: Show) -> None:
    show(order_1=replace(replica(1), database_bytes=3 * 1024 * 1024))
    sizes = [one["database_bytes"] for one in read_cluster(superuser)["replicas"]]
    assert sizes == [3 * 1024 * 1024, None, None]
    assert "3.0\xa0MB" in read_page(superuser)


def test_each_process_reports_which_others_it_reaches(superuser: Client, show: Show) -> None:
    follower = FollowerStatus(replica_id=1, last=9, is_in_sync=False, is_reachable=False)
    show(
        catalog=catalog(),
        order_2=replace(replica(2), followers=(follower,)),
        order_3=replace(replica(3), reaches_catalog=False),
        frontend=replace(front_end(), silences=1),
    )
    links = read_cluster(superuser)["reach"]
    assert {(one["of"], one["to"]): one["is_reachable"] for one in links} == {
        ("order-2", "catalog"): True,
        ("order-3", "catalog"): False,
        ("frontend-1", "catalog"): True,
        ("frontend-1", "order-2"): False,
        ("order-2", "order-1"): False,
    }


def test_the_cache_page_shows_versions_and_hits(superuser: Client, show: Show) -> None:
    cached = CachedStock(stock_name="MenhirCo", version=4, quantity=9, age_s=2, hits=5)
    show(frontend=replace(front_end(), cached=(cached,), hits=3, misses=1))
    (cache,) = superuser.get("/api/cache").json()["caches"]
    assert (cache["hit_percent"], cache["stocks"][0]["version"]) == (75.0, 4)
    html = read_page(superuser, "/cache")
    assert "MenhirCo" in html
    assert "3 hits, 1 misses" in html


# Events


def test_the_latest_events_are_on_the_first_page(superuser: Client, show: Show) -> None:
    show(catalog=reporting(event(3, 5.0)))
    (shown,) = read_cluster(superuser)["latest"]
    assert (shown["source"], shown["phrase"], shown["text"]) == ("catalog", "elected", "term=3")
    html = read_page(superuser)
    assert f">{shown['sentence']}</summary>" in html
    assert "<code>catalog: elected term=3</code>" in html
    assert superuser.get("/api/traffic").json()["marks"] == []  # it was before the first point


def test_an_event_is_stored_once_however_often_it_is_reported(db: None) -> None:
    events = [
        ClusterEvent(5.0, "order-1", 1.0, number, "leads", f"term={number}") for number in (1, 2)
    ]
    models.store_events(events)
    models.store_events(events)
    models.store_events([ClusterEvent(6.0, "dashboard", 0.0, 1, "lost", "order-1")])
    assert EventRecord.objects.count() == 3
    assert EventRecord.objects.first() == EventRecord.objects.get(source="dashboard")


def test_only_the_newest_events_are_stored(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "EVENTS_STORED_MAX", 2)
    for number in (1, 2, 3):
        models.store_events([ClusterEvent(float(number), "order-1", 1.0, number, "leads", "")])
    assert [one.no for one in EventRecord.objects.all()] == [3, 2]


def test_events_are_filtered(superuser: Client, show: Show) -> None:
    show()
    for number in (4, 5):
        EventRecord.objects.create(
            at=datetime(2026, 1, 2, tzinfo=UTC),
            source="order-1",
            began_s=1.0,
            no=number,
            phrase="leads",
            text=f"term={number}",
            sentence=f"Replica 1 leads, the {number}th.",
        )
    assert len(superuser.get("/api/events").json()["events"]) == 2
    for text in ("TERM=5", "the 5TH"):
        (found,) = superuser.get("/api/events", {"q": text}).json()["events"]
        assert found["text"] == "term=5"


def test_an_event_of_an_earlier_version_is_shown_as_it_is(superuser: Client, show: Show) -> None:
    show()
    EventRecord.objects.create(
        at=datetime(2026, 1, 2, tzinfo=UTC),
        source="order-1",
        began_s=1.0,
        no=1,
        phrase="leads",
        text="term=4",
    )
    assert "order-1: leads term=4" in read_page(superuser, "/events")


def test_audit_entries_are_among_the_events(superuser: Client, show: Show) -> None:
    show()
    for target in ("buy 1 BoarCo", "sell 2 BoarCo"):
        models.AuditEntry.objects.create(
            at=datetime(2026, 1, 2, tzinfo=UTC),
            username="ada",
            action="trade",
            target=target,
            result="Order 7 is placed.",
        )
    (found,) = superuser.get("/api/events", {"q": "SELL"}).json()["events"]
    assert (found["source"], found["phrase"]) == ("ada", "trade")
    assert found["text"] == "sell 2 BoarCo: Order 7 is placed."
    assert found["sentence"] == "ada, trade: sell 2 BoarCo. Order 7 is placed."
