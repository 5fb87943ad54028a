"""The short way to a stock in memory answers as the view does, and only where it may (I7)."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from bazaar.clock import monotonic_s
from bazaar.core.failures import Unreachable
from bazaar.core.types import Stock, Version
from bazaar.runtime.metrics import BEGAN
from bazaar.settings.env import Limits
from bazaar.topology import Node
from bazaar.web.router import HopPath
from frontend_app import wiring
from frontend_app.hits import HitPath
from frontend_app.stocks import StockReader
from tests.support.hearing import Hearing

NAME = "Ünïcode & Sons, Inc. - B"


class Shelf:
    """A catalog with one stock of any name; counts how often it is asked."""

    asked = 0

    def get_stock(self, stock_name: str) -> Stock:
        self.asked += 1
        return Stock(stock_name, Decimal("12.50"), 7, 10, 20, 3, Version(4))

    def fill(self, stock_name: str, holder_id: UUID) -> tuple[Stock, bool]:
        return self.get_stock(stock_name), True

    def register(self, holder: Any) -> float:
        return 2.0

    renew = register


class Recorder:
    """What a server keeps of one answer."""

    status: str
    headers: dict[str, str]

    def __call__(self, status: str, headers: list[tuple[str, str]], exc: Any = None) -> None:
        self.status, self.headers = status, {name.title(): value for name, value in headers}


Ask = Callable[..., tuple[str, dict[str, str], bytes]]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> StockReader:
    found = StockReader(Shelf(), Node(port=1, control_port=2), Limits())  # type: ignore[arg-type]
    found.keep_lease()
    monkeypatch.setattr(wiring, "stocks", lambda: found)
    return found


def call(application: Any, **environ: str) -> tuple[str, dict[str, str], bytes]:
    request = RequestFactory().get("/stocks", {"stock_name": NAME})
    recorder = Recorder()
    content: Iterable[bytes] = application({**request.META, **environ}, recorder)
    return recorder.status, recorder.headers, b"".join(content)


def unreachable(environ: Any, start_response: Any) -> list[bytes]:
    raise AssertionError("the short way should have answered")


def test_the_short_way_and_the_view_give_the_same_answer_byte_for_byte(
    reader: StockReader,
) -> None:
    view = WSGIHandler()
    first = call(view)
    assert first[1]["Cache-Status"] == "bazaar; fwd=miss; stored"
    slow = call(view)
    fast = call(HitPath(unreachable, reader))
    assert slow[1]["Cache-Status"] == "bazaar; hit"
    assert fast == slow
    assert fast[2] == first[2]
    assert fast[1]["Etag"] == '"4"'


def test_a_miss_is_answered_the_short_way_as_the_view_answers_it(reader: StockReader) -> None:
    fast = call(HitPath(unreachable, reader))
    reader.remove(NAME)
    slow = call(WSGIHandler())
    assert slow[1]["Cache-Status"] == "bazaar; fwd=miss; stored"
    assert fast == slow


def test_a_demand_for_a_fresh_answer_is_met_the_short_way_as_the_view_meets_it(
    reader: StockReader,
) -> None:
    reader.read(NAME)
    catalog: Any = reader.catalog
    asked = catalog.asked
    fast = call(HitPath(unreachable, reader), HTTP_CACHE_CONTROL="no-cache")
    assert catalog.asked == asked + 1
    assert fast[1]["Cache-Status"] == "bazaar; fwd=request"
    assert fast == call(WSGIHandler(), HTTP_CACHE_CONTROL="no-cache")


def test_what_the_short_way_could_not_answer_is_not_asked_again(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def away(stock_name: str) -> Stock:
        asked.append(stock_name)
        raise Unreachable("The catalog is away.", is_refused=True)

    monkeypatch.setattr(reader.catalog, "get_stock", away)
    assert call(HitPath(WSGIHandler(), reader))[0].startswith("503")
    assert asked == [NAME]


def test_an_old_answer_is_marked_the_short_way_too(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(stock_name: str) -> Stock:
        raise Unreachable("The catalog is away.", is_refused=True)

    reader.read(NAME)
    reader.lease.lost()
    monkeypatch.setattr(reader.catalog, "get_stock", away)
    status, headers, body = call(HitPath(WSGIHandler(), reader))
    assert status.startswith("200")
    assert headers["Warning"] == '110 - "Response is Stale"'
    assert b'"stale":true' in body


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_CACHE_CONTROL": "max-age=0, no-cache"},
        {"HTTP_ACCEPT": "text/html,*/*"},
        {"REQUEST_METHOD": "HEAD"},
        {"PATH_INFO": "/orders"},
        {"QUERY_STRING": "stock_name=a&stock_name=b"},
        {"QUERY_STRING": "order_no=1"},
        {"QUERY_STRING": "stock_name="},
        {"QUERY_STRING": ""},
    ],
)
def test_everything_else_goes_the_long_way(reader: StockReader, environ: dict[str, str]) -> None:
    reader.read(NAME)

    def long_way(environ: Any, start_response: Any) -> list[bytes]:
        start_response("299 the long way", [])
        return []

    assert call(HitPath(long_way, reader), **environ)[0].startswith("299")


def test_without_a_lease_memory_is_not_used(reader: StockReader) -> None:
    """I7: what is in memory may be old by now."""
    reader.read(NAME)
    reader.lease.lost()
    assert reader.hit(NAME, monotonic_s()) is None
    status, headers, _ = call(HitPath(WSGIHandler(), reader))
    assert status.startswith("200")
    assert headers["Cache-Status"] == "bazaar; fwd=bypass"


def test_after_an_invalidation_the_next_hit_is_the_new_version(reader: StockReader) -> None:
    """I7: nothing below the version heard is answered from memory."""
    reader.read(NAME)
    assert reader.hit(NAME, monotonic_s())
    reader.invalidate([(NAME, Version(5))])
    assert reader.hit(NAME, monotonic_s()) is None


def test_the_age_of_a_hit_is_told_in_whole_seconds(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontend_app.stocks.monotonic_s", lambda: 100.0)
    reader.lease.renewed(1000.0)
    reader.read(NAME)
    monkeypatch.setattr("frontend_app.hits.monotonic_s", lambda: 103.9)
    assert call(HitPath(unreachable, reader))[1]["Age"] == "3"


def test_unknown_names_beyond_the_limit_get_429(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I10: a flood of unknown names does not exhaust the catalog, and is not cached."""

    def unknown(stock_name: str) -> Stock:
        from bazaar.core.failures import UnknownStock  # noqa: PLC0415

        raise UnknownStock

    now_s = monotonic_s()
    monkeypatch.setattr("frontend_app.stocks.monotonic_s", lambda: now_s)  # nothing is forgiven
    monkeypatch.setattr(reader.catalog, "get_stock", unknown)
    statuses = {call(WSGIHandler(), QUERY_STRING=f"stock_name={n}")[0][:3] for n in range(600)}
    assert statuses == {"404", "429"}
    assert not reader.cache.entries


def test_hits_and_misses_are_counted_apart(reader: StockReader) -> None:
    hearing = Hearing()
    application = HitPath(unreachable, reader)
    for _ in range(4):
        call(application)
    assert hearing.requests() == {"GET /stocks hit": (3, 0, 0), "GET /stocks miss": (1, 0, 0)}


def test_what_the_short_way_leaves_to_the_view_is_counted_once_from_its_beginning(
    reader: StockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(stock_name: str, *, is_fresh: bool) -> Stock:
        raise Unreachable("silent")

    monkeypatch.setattr(reader, "read", away)
    seen: list[float] = []

    def view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ[BEGAN])
        return unreachable_view(environ, start_response)

    before_s, hearing = monotonic_s(), Hearing()
    call(HitPath(HopPath(view, "bazaar.urls.frontend"), reader))
    assert before_s <= seen[0] <= monotonic_s()
    assert hearing.requests() == {"GET /stocks": (1, 0, 1)}


def unreachable_view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("503 Service Unavailable", [])
    return []
