"""Stocks at the public port: from memory where that is allowed, else from the catalog (I7)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from bazaar.clock import monotonic_s
from bazaar.core.failures import Unreachable
from bazaar.core.types import NO_EPOCH, Stock, Version
from bazaar.protocol.cache_messages import FoundStocks, LeaseBody
from bazaar.protocol.http1 import Reply
from bazaar.settings.env import Limits
from bazaar.topology import Node
from frontend_app import wiring
from frontend_app.stocks import StockReader
from tests.support.hearing import Hearing
from tests.support.listeners import Listener

NAME = "Ünïcode & Sons, Inc. - B"
QUERY = urlencode({"stock_name": NAME})


class Shelf:
    """A catalog with one stock of any name; counts how often it is asked."""

    asked = 0

    def read(self, holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
        self.asked += 1
        found = ((Stock(name, Decimal("12.50"), 7, 10, 20, 3, Version(4)), True) for name in wanted)
        return FoundStocks(NO_EPOCH, tuple(found))

    def register(self, holder: Any) -> LeaseBody:
        return LeaseBody(lease_s=2.0)

    renew = register


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> StockReader:
    found = StockReader(Shelf(), Node(port=1, control_port=2), Limits())  # type: ignore[arg-type]
    found.keep_lease()
    monkeypatch.setattr(wiring, "stocks", lambda: found)
    return found


def call(query: str = QUERY, method: str = "GET", **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Listener("bazaar.urls.frontend").call(method, f"/stocks?{query}", b"", sent)


def test_a_miss_is_stored_and_the_next_reader_gets_it_from_memory(reader: StockReader) -> None:
    first, second = call(), call()
    assert first.headers["cache-status"] == "bazaar; fwd=miss; stored"
    assert second.headers["cache-status"] == "bazaar; hit"
    assert second.body == first.body
    assert second.headers["etag"] == first.headers["etag"] == '"4"'
    assert first.headers.keys() == second.headers.keys()
    assert second.headers["content-length"] == str(len(second.body))
    assert second.headers["vary"] == "Accept"


def test_a_page_has_the_headers_that_a_program_gets(reader: StockReader) -> None:
    program, page = call(), call(Accept="text/html")
    assert page.headers["content-type"].startswith("text/html")
    for name in ("vary", "allow"):
        assert page.headers[name] == program.headers[name]
    assert "etag" not in page.headers, "it is another representation, and never the same twice"
    assert page.headers["cache-status"] == "bazaar; hit"


def test_a_demand_for_a_fresh_answer_asks_the_catalog(reader: StockReader) -> None:
    reader.read(NAME)
    catalog: Any = reader.catalog
    asked = catalog.asked
    answer = call(Cache_Control="no-cache")
    assert catalog.asked == asked + 1
    assert answer.headers["cache-status"] == "bazaar; fwd=request"


def test_a_catalog_that_failed_is_asked_once(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def away(holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
        asked.extend(wanted)
        raise Unreachable("The catalog is away.", is_refused=True)

    monkeypatch.setattr(reader.catalog, "read", away)
    hearing = Hearing()
    assert call(Cache_Control="no-cache").status == 503
    assert asked == [NAME]
    assert hearing.requests() == {"GET /stocks": (1, 0, 1)}


def test_an_old_answer_is_marked(reader: StockReader, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
        raise Unreachable("The catalog is away.", is_refused=True)

    reader.read(NAME)
    reader.lease.lost()
    monkeypatch.setattr(reader.catalog, "read", away)
    answer = call()
    assert answer.status == 200
    assert answer.headers["warning"] == '110 - "Response is Stale"'
    assert b'"stale":true' in answer.body


@pytest.mark.parametrize(
    ("query", "method", "headers", "status"),
    [
        (QUERY, "GET", {"Cache_Control": "max-age=0, no-cache"}, 200),
        (QUERY, "HEAD", {}, 200),
        ("stock_name=a&stock_name=b", "GET", {}, 400),
        ("order_no=1", "GET", {}, 400),
        ("stock_name=", "GET", {}, 400),
        ("", "GET", {}, 400),
    ],
)
def test_what_is_no_plain_hit_is_not_taken_for_one(
    reader: StockReader, query: str, method: str, headers: dict[str, str], status: int
) -> None:
    reader.read(NAME)
    hearing = Hearing()
    assert call(query, method, **headers).status == status
    assert "GET /stocks hit" not in hearing.requests() or method == "HEAD"


def test_a_head_has_the_headers_of_a_get_and_no_body(reader: StockReader) -> None:
    reader.read(NAME)
    get, head = call(), call(method="HEAD")
    assert (head.status, head.body, head.headers) == (get.status, b"", get.headers)


def test_without_a_lease_memory_is_not_used(reader: StockReader) -> None:
    """I7: what is in memory may be old by now."""
    reader.read(NAME)
    reader.lease.lost()
    assert reader.hit(NAME, monotonic_s()) is None
    answer = call()
    assert answer.status == 200
    assert answer.headers["cache-status"] == "bazaar; fwd=bypass"


def test_after_an_invalidation_the_next_hit_is_the_new_version(reader: StockReader) -> None:
    """I7: nothing below the version heard is answered from memory."""
    reader.read(NAME)
    assert reader.hit(NAME, monotonic_s())
    reader.invalidate(NO_EPOCH, [(NAME, Version(5))])
    assert reader.hit(NAME, monotonic_s()) is None


def test_the_age_of_a_hit_is_told_in_whole_seconds(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_now_s", lambda: 100.0)
    monkeypatch.setattr(reader._reads, "_now_s", lambda: 100.0)
    reader.lease.renewed(1000.0)
    reader.read(NAME)
    monkeypatch.setattr("frontend_app.stock_views.monotonic_s", lambda: 103.9)
    assert call().headers["age"] == "3"


def find_nothing(holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
    return FoundStocks(NO_EPOCH, (None,) * len(wanted))


@pytest.mark.parametrize("headers", [{}, {"Cache_Control": "no-cache"}, {"Accept": "text/html"}])
def test_a_name_that_is_not_listed_is_answered_as_the_catalog_does(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """The same bytes and headers, and the catalog is not asked."""
    with monkeypatch.context() as patch:
        patch.setattr(reader.catalog, "read", find_nothing)
        asked = call("stock_name=NewCo", **headers)
    reader.listing.take([NAME], 1, 1)
    hearing = Hearing()
    assert call("stock_name=NewCo", **headers) == asked
    assert asked.status == 404
    assert hearing.requests() == {"GET /stocks": (1, 1, 0)}
    assert call().status == 200
    catalog: Any = reader.catalog
    assert catalog.asked == 1


def test_hits_and_misses_are_counted_apart(reader: StockReader) -> None:
    hearing = Hearing()
    for _ in range(4):
        call()
    assert hearing.requests() == {"GET /stocks hit": (3, 0, 0), "GET /stocks miss": (1, 0, 0)}
