"""The pages Orders and Stocks: search, pages, times, and names that complete themselves."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from msgspec.structs import asdict, replace

from dashboard import selectors
from tests.dashboard.conftest import Show, read_page
from tests.dashboard.databases import ROW
from tests.dashboard.statuses import catalog

DASH = '<td class="bz-none" data-label="at">\N{EN DASH}</td>'


def test_one_order_is_seen_in_each_database(
    superuser: Client, databases: Callable[..., None]
) -> None:
    databases((ROW,), (), None)
    copies = superuser.get("/api/orders", {"q": "7"}).json()["copies"]
    assert [copy["name"] for copy in copies] == ["ledger", "order-1", "order-2"]
    assert [copy["reason"] for copy in copies] == ["", "not there", "refused"]
    assert copies[0]["row"] == {
        **asdict(ROW),
        "digest": "d" * 12,
        "decided_at": "2026-01-02T03:04:05.678000Z",
    }
    html = superuser.get("/orders", {"q": "7"}).content
    assert b"&lt;b&gt;Co&lt;/b&gt;" in html
    assert b"<b>Co</b>" not in html


@pytest.mark.parametrize(("text", "count"), [("K-7", 1), ("co</B>", 1), ("k8", 0), ("", 1)])
def test_orders_are_found_by_key_and_by_stock(
    superuser: Client, databases: Callable[..., None], text: str, count: int
) -> None:
    databases((ROW,), (), ())
    assert len(superuser.get("/api/orders", {"q": text}).json()["rows"]) == count


def test_without_the_ledger_orders_are_found_in_a_replica(
    superuser: Client, databases: Callable[..., None]
) -> None:
    databases(None, None, (ROW,))
    for query in ({}, {"q": "co"}):
        shown = superuser.get("/api/orders", query).json()
        assert ([row["order_no"] for row in shown["rows"]], shown["source"]) == ([7], "order-2")


def test_a_search_says_how_far_it_got_and_goes_on_from_there(
    superuser: Client, databases: Callable[..., None]
) -> None:
    databases((ROW,), (), ())
    html = superuser.get("/orders", {"q": "co & co", "before": "90"}).content.decode()
    assert "Searched the ledger down to order 85." in html
    assert 'href="/orders?q=co%20%26%20co&amp;before=85"' in html
    html = superuser.get("/orders", {"q": "co", "before": "3"}).content.decode()
    assert "down to order 1: there are no more" in html
    assert "Search further" not in html


def test_older_orders_are_listed_page_by_page(
    superuser: Client, databases: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "ORDERS_SHOWN_MAX", 3)
    rows = tuple(replace(ROW, order_no=number) for number in range(1, 8))
    databases(rows, (), ())
    pages, before = [], 0
    while before is not None:
        shown = superuser.get("/api/orders", {"before": before}).json()
        pages.append([row["order_no"] for row in shown["rows"]])
        before = shown["next"]
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]


@pytest.mark.parametrize(
    ("decided_ms", "text"),
    [(ROW.decided_ms, ">2026-01-02 03:04:05<"), (None, DASH), (2**62, DASH)],
)
def test_each_order_has_its_time(
    superuser: Client, databases: Callable[..., None], decided_ms: int | None, text: str
) -> None:
    """Replicas know none, and a damaged row may have any number."""
    databases((replace(ROW, decided_ms=decided_ms),), (), ())
    for query in ({}, {"q": "7"}):
        assert text in superuser.get("/orders", query).content.decode()


def test_large_numbers_are_readable_and_can_be_searched_as_they_are_written(
    superuser: Client, databases: Callable[..., None], show: Show
) -> None:
    row = replace(ROW, order_no=1234567, quantity=89_000, version=4321)
    databases((row,), (), ())
    html = superuser.get("/orders", {"q": "1,234,567"}).content.decode()
    for text in ("89,000", "4,321", "d" * 12):
        assert text in html
    show(catalog=catalog(last=1234567))
    assert '<dd id="last">1,234,567</dd>' in read_page(superuser)


def test_names_of_stocks_are_suggested_the_beginning_first(
    superuser: Client, databases: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    databases((ROW,), (), ())
    html = superuser.get("/stocks/names", {"stock_name": "bo"}).content.decode()
    assert re.findall(r'value="([^"]*)"', html) == ["BoarCo", "&lt;bo&gt;", "JumboCo"]
    assert superuser.get("/stocks/names", {"q": "oar"}).content.count(b"BoarCo") == 1
    for text in ("", "\0 ", "xyz"):
        assert superuser.get("/stocks/names", {"q": text}).content == b""
    databases(None, (), ())
    reply = superuser.get("/stocks/names", {"stock_name": "bo"})
    assert (reply.status_code, reply.content) == (200, b""), "the catalog is away"
    monkeypatch.setattr(selectors, "NAMES_SUGGESTED", 1)
    databases((ROW,), (), ())
    assert superuser.get("/stocks/names", {"q": "bo"}).content.count(b"<option") == 1


def test_the_fields_for_a_stock_complete_its_name(
    superuser: Client, databases: Callable[..., None]
) -> None:
    databases((ROW,), (), ())
    for path, lists in {
        "/stocks": ["trade-names", "price-names"],
        "/cache": ["evict-names"],
        "/orders": ["order-names"],
    }.items():
        html = read_page(superuser, path)
        assert re.findall(r'<datalist id="([^"]*)"', html) == lists
        assert re.findall(r' list="([^"]*)" hx-get="/stocks/names"', html) == lists


@pytest.mark.parametrize("path", ["/orders", "/events", "/stocks", "/api/orders"])
def test_an_odd_query_is_answered(
    superuser: Client, databases: Callable[..., None], path: str
) -> None:
    databases((ROW,), (), ())
    for query in ({"q": "9" * 400}, {"q": "\0"}, {"q": "²"}, {"after": "-1"}):
        assert superuser.get(path, query).status_code == 200
