"""Each page and its JSON show the same, dead roles or not, whatever is asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from django.test import Client

import dashboard.wiring
from bazaar.core.failures import Unreachable
from bazaar.protocol.rows import FoundBody, ListingBody, Row, RowsBody
from bazaar.protocol.statuses import CachedStock, FollowerStatus
from bazaar.protocol.statuses import Event as Told
from dashboard import events, lookup
from dashboard.feed import Happening
from dashboard.models import Event
from dashboard.panels import PANELS
from tests.dashboard.conftest import Show, catalog, front_end, replica

PAGES = ["/" if panel.name == "index" else f"/{panel.name}" for panel in PANELS]
ROW = Row(
    order_no=7, key="k-7", stock_name="<b>Co</b>", trade_type="buy", quantity=3, digest="d" * 64
)


class Database:
    """A database of one order, or one that does not answer."""

    def __init__(self, rows: tuple[Row, ...] | None) -> None:
        self.held = rows

    def rows(self, after: int, limit: int) -> RowsBody:
        if self.held is None:
            raise Unreachable("refused")
        return RowsBody(rows=tuple(row for row in self.held if row.order_no > after), last=7)

    def find(self, text: str, before: int, limit: int) -> FoundBody:
        if self.held is None:
            raise Unreachable("refused")
        wanted = text.casefold()
        rows = [row for row in self.held if wanted in f"{row.key} {row.stock_name}".casefold()]
        return FoundBody(rows=tuple(rows), first=max(before - 5, 1), last=7)

    def listing(self, after: int, limit: int) -> ListingBody:
        raise Unreachable("the catalog is away")


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch, show: Show) -> Callable[..., None]:
    """Give the ledger and two replicas their rows; None: it does not answer."""

    def given(ledger: Any, first: Any, second: Any) -> None:
        show(catalog=catalog(last=7))
        found = {"order-1": Database(first), "order-2": Database(second)}
        monkeypatch.setattr(dashboard.wiring, "catalog", lambda: Database(ledger))
        monkeypatch.setattr(dashboard.wiring, "replicas", lambda: found)

    return given


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_for_a_person_and_its_changing_part_for_htmx(
    staff: Client, databases: Callable[..., None], path: str
) -> None:
    databases((ROW,), (ROW,), None)
    whole = staff.get(path)
    part = staff.get(path, headers={"HX-Request": "true"})
    assert (whole.status_code, part.status_code) == (200, 200)
    assert b"<html" in whole.content
    assert b"<html" not in part.content
    assert part.content.strip() in whole.content or path == "/"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_stays_up_when_nobody_answers(
    staff: Client, databases: Callable[..., None], show: Show, path: str
) -> None:
    databases(None, None, None)
    show()
    assert staff.get(path).status_code == 200
    name = path.strip("/") or "cluster"
    assert staff.get(f"/api/{name}").json()


def test_one_order_is_seen_in_each_database(staff: Client, databases: Callable[..., None]) -> None:
    databases((ROW,), (), None)
    copies = staff.get("/api/orders", {"q": "7"}).json()["copies"]
    assert [copy["name"] for copy in copies] == ["ledger", "order-1", "order-2"]
    assert [copy["reason"] for copy in copies] == ["", "not there", "refused"]
    assert copies[0]["row"]["stock_name"] == "<b>Co</b>"
    html = staff.get("/orders", {"q": "7"}).content
    assert b"&lt;b&gt;Co&lt;/b&gt;" in html
    assert b"<b>Co</b>" not in html


@pytest.mark.parametrize(("text", "count"), [("K-7", 1), ("co</B>", 1), ("k8", 0), ("", 1)])
def test_orders_are_found_by_key_and_by_stock(
    staff: Client, databases: Callable[..., None], text: str, count: int
) -> None:
    databases((ROW,), (), ())
    assert len(staff.get("/api/orders", {"q": text}).json()["rows"]) == count


def test_without_the_ledger_orders_are_found_in_a_replica(
    staff: Client, databases: Callable[..., None]
) -> None:
    databases(None, None, (ROW,))
    for query in ({}, {"q": "co"}):
        shown = staff.get("/api/orders", query).json()
        assert ([row["order_no"] for row in shown["rows"]], shown["source"]) == ([7], "order-2")


def test_a_search_says_how_far_it_looked_and_goes_on_from_there(
    staff: Client, databases: Callable[..., None]
) -> None:
    databases((ROW,), (), ())
    html = staff.get("/orders", {"q": "co & co", "before": "90"}).content.decode()
    assert "Looked through the ledger down to order 85." in html
    assert 'href="/orders?q=co%20%26%20co&amp;before=85"' in html
    html = staff.get("/orders", {"q": "co", "before": "3"}).content.decode()
    assert "down to order 1: there are no more" in html
    assert "Look further" not in html


def test_older_orders_are_listed_page_by_page(
    staff: Client, databases: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "FOUND_MAX", 3)
    rows = tuple(msgspec.structs.replace(ROW, order_no=number) for number in range(1, 8))
    databases(rows, (), ())
    pages, before = [], 0
    while before is not None:
        shown = staff.get("/api/orders", {"before": before}).json()
        pages.append([row["order_no"] for row in shown["rows"]])
        before = shown["next"]
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]


@pytest.mark.parametrize("query", [{"q": "9" * 400}, {"q": "\0"}, {"q": "²"}, {"after": "-1"}])
@pytest.mark.parametrize("path", ["/orders", "/events", "/stocks", "/api/orders"])
def test_an_odd_question_is_answered(
    staff: Client, databases: Callable[..., None], path: str, query: dict[str, str]
) -> None:
    databases((ROW,), (), ())
    assert staff.get(path, query).status_code == 200


def test_the_cache_page_shows_versions_and_hits(staff: Client, show: Show) -> None:
    cached = CachedStock(stock_name="MenhirCo", version=4, quantity=9, age_s=2, hits=5)
    told = front_end()
    show(frontend=type(told)(**{**_fields(told), "cached": (cached,), "hits": 3, "misses": 1}))
    (cache,) = staff.get("/api/cache").json()["caches"]
    assert (cache["hit_percent"], cache["stocks"][0]["version"]) == (75.0, 4)
    assert "MenhirCo" in staff.get("/cache").content.decode()


def _fields(told: Any) -> dict[str, Any]:
    return {name: getattr(told, name) for name in told.__struct_fields__}


def test_a_log_that_differs_is_named(staff: Client, show: Show) -> None:
    """I8: equal length means equal digest."""
    other = _fields(replica(1))
    show(order_1=type(replica(1))(**{**other, "digest": "f" * 64}), order_2=replica(2))
    first, second, _ = staff.get("/api/cluster").json()["replicas"]
    assert (first["is_same"], second["is_same"]) == (False, True)
    assert "differs" in staff.get("/").content.decode()


def test_the_size_of_each_database_is_shown(staff: Client, show: Show) -> None:
    told = replica(1)
    show(order_1=type(told)(**{**_fields(told), "database_bytes": 3 * 1024 * 1024}))
    sizes = [one["database_bytes"] for one in staff.get("/api/cluster").json()["replicas"]]
    assert sizes == [3 * 1024 * 1024, None, None]
    assert "3.0\xa0MB" in staff.get("/").content.decode()


def test_who_reaches_whom_is_told_by_each(staff: Client, show: Show) -> None:
    follower = FollowerStatus(replica_id=1, last=9, is_in_sync=False, is_reachable=False)
    leading = type(replica(2))(**{**_fields(replica(2)), "followers": (follower,)})
    cut_off = type(replica(3))(**{**_fields(replica(3)), "reaches_catalog": False})
    hearing = type(front_end())(**{**_fields(front_end()), "silences": 1})
    show(catalog=catalog(), order_2=leading, order_3=cut_off, frontend=hearing)
    ways = staff.get("/api/cluster").json()["reach"]
    assert {(way["of"], way["to"]): way["is_reachable"] for way in ways} == {
        ("order-2", "catalog"): True,
        ("order-3", "catalog"): False,
        ("frontend-1", "catalog"): True,
        ("frontend-1", "order-2"): False,
        ("order-2", "order-1"): False,
    }


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_fed_from_the_same_look_and_says_when_to_ask_again(
    staff: Client, databases: Callable[..., None], path: str
) -> None:
    databases((ROW,), (), ())
    at_s = staff.get("/api/cluster").json()["at_s"]
    part = staff.get(path, headers={"HX-Request": "true"})
    assert 0 < int(part["Bazaar-Next-Ms"]) <= 2000
    api = "/api/" + (path.strip("/") or "cluster")
    assert f'href="{api}"' in part.content.decode()
    assert staff.get("/api/cache").json()["at_s"] == at_s


def test_what_happened_last_is_on_the_first_page(staff: Client, show: Show) -> None:
    told = Told(no=1, at_s=5.0, phrase="elected", fields={"term": 3})
    show(catalog=type(catalog())(**{**_fields(catalog()), "events": (told,)}))
    (event,) = staff.get("/api/cluster").json()["latest"]
    assert (event["source"], event["phrase"], event["text"]) == ("catalog", "elected", "term=3")
    assert "elected" in staff.get("/").content.decode()
    assert staff.get("/api/traffic").json()["marks"] == []  # it was before the first point


def test_an_event_is_kept_once_however_often_it_is_told(db: None) -> None:
    told = [Happening(5.0, "order-1", 1.0, number, "leads", f"term={number}") for number in (1, 2)]
    events.keep(told)
    events.keep(told)
    events.keep([Happening(6.0, "dashboard", 0.0, 1, "lost", "order-1")])
    assert Event.objects.count() == 3
    assert Event.objects.first() == Event.objects.get(source="dashboard")


def test_only_the_newest_events_are_kept(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_KEPT_MAX", 2)
    for number in (1, 2, 3):
        events.keep([Happening(float(number), "order-1", 1.0, number, "leads", "")])
    assert [event.no for event in Event.objects.all()] == [3, 2]


def test_events_are_filtered(staff: Client, show: Show) -> None:
    show()
    for text in ("term=4", "term=5"):
        Event.objects.create(
            at=datetime(2026, 1, 2, tzinfo=UTC),
            source="order-1",
            began_s=1.0,
            no=int(text[-1]),
            phrase="leads",
            text=text,
        )
    assert len(staff.get("/api/events").json()["events"]) == 2
    (event,) = staff.get("/api/events", {"q": "TERM=5"}).json()["events"]
    assert event["text"] == "term=5"
