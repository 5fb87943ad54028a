"""What each dialect's row sends and reads, and the lists of v1."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from bazaar.client import exchange
from bazaar.client.answers import BadAnswer, ClientError, Indefinite, OrderAnswer, Refused
from bazaar.client.client import Client
from bazaar.client.client_dialects import CLIENT_DIALECTS, COURSE, SEED, V1, ClientDialect
from bazaar.client.exchange import Timeouts
from bazaar.client.reading import read_leadership, read_placed, read_stock
from bazaar.core.types import Trade, TradeType
from bazaar.protocol.http1 import Reply
from frontend_app.dialects import DIALECTS
from frontend_app.list_views import CLUSTER_PATH, ORDERS_PATH, STOCKS_PATH
from tests.client.answers import KEY, Driver, Fate, lost, reply
from tests.support.servers import ScriptedServer, answer

TRADE = Trade(KEY, "3M", TradeType.BUY, 2)
OTHER_KEY = UUID(int=5, version=4)
PLACED: dict[str, Any] = {
    "order_no": 8,
    "stock_name": "3M",
    "trade_type": "buy",
    "quantity": 2,
    "idempotency_key": str(KEY),
    "placed_by": "ann",
}
V1_STOCK: dict[str, Any] = {
    "stock_name": "3M",
    "price": "63.080",
    "quantity": 9,
    "trade_volume": 4,
    "version": 7,
}


def problem(status: int, kind: str, *, definite: str = "true", **headers: str) -> Reply:
    body = {"type": f"/problems/{kind}", "title": "Words", "detail": "No.", "status": status}
    named = {"bazaar_definite": definite, "bazaar_failure": kind, **headers}
    return reply(body, status, **named)


def test_a_client_knows_the_dialects_that_a_front_end_speaks() -> None:
    served = {
        one.name: (one.stock_path.partition("{")[0], one.order_path.partition("{")[0])
        for one in DIALECTS
    }
    spoken = {
        name: (one.stock_target.partition("?")[0], one.order_target.partition("?")[0])
        for name, one in CLIENT_DIALECTS.items()
    }
    assert spoken == served
    assert {one.name: one.placed_status.value for one in CLIENT_DIALECTS.values()} == {
        one.name: int(one.placed_status[:3]) for one in DIALECTS
    }
    assert (V1.trade_target, V1.leader_target) == (ORDERS_PATH, CLUSTER_PATH)
    assert exchange.build_stock_list(None, None, 2).request.target.startswith(STOCKS_PATH)


@pytest.mark.parametrize(
    ("dialect", "target", "body"),
    [
        (SEED, "/orders", {"stock_name": "3M", "trade_type": "buy", "quantity": 2}),
        (COURSE, "/orders", {"name": "3M", "type": "buy", "quantity": 2}),
        (V1, "/api/v1/orders", {"stock_name": "3M", "trade_type": "buy", "quantity": 2}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_trade_has_the_fields_of_its_dialect(
    dialect: ClientDialect, target: str, body: dict[str, Any]
) -> None:
    request = exchange.build_trade(dialect, TRADE).request
    assert (request.method, request.target, json.loads(request.body)) == ("POST", target, body)
    assert dict(request.headers)["Idempotency-Key"] == str(KEY)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [("A. O. Smith", "A.%20O.%20Smith"), ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"), ("..", "%2E%2E")],
)
def test_a_name_in_a_path_is_one_piece_of_it(name: str, encoded: str) -> None:
    for dialect in (COURSE, V1):
        target = exchange.build_query(dialect, name).request.target
        assert target == dialect.stock_target + encoded


@pytest.mark.parametrize(
    ("dialect", "body", "volume"),
    [
        (SEED, {"stock_name": "3M", "price": 63.08, "quantity": 9, "trade_volume": 4}, 4),
        (COURSE, {"data": {"name": "3M", "price": 63.08, "quantity": 9}}, None),
        (V1, V1_STOCK, 4),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_stock_is_read_in_each_dialect(
    dialect: ClientDialect, body: dict[str, Any], volume: int | None
) -> None:
    suffix = "" if dialect is SEED else f"-{dialect.name}"
    stock = read_stock(dialect, "3M", reply(body, etag=f'W/"7{suffix}"'))
    assert (stock.name, stock.price, stock.quantity) == ("3M", Decimal("63.08"), 9)
    assert (stock.trade_volume, stock.version) == (volume, 7)
    with pytest.raises(BadAnswer):
        read_stock(dialect, "3M", reply(body, etag='"7-other"'))
    with pytest.raises(BadAnswer):
        read_stock(dialect, "Apple", reply(body, etag=f'"7{suffix}"'))


@pytest.mark.parametrize(
    "changes",
    [{"version": 8}, {"version": None}, {"trade_volume": None}, {"price": "NaN"}, {"price": "x"}],
)
def test_a_stock_of_v1_that_is_not_whole_is_a_bad_answer(changes: dict[str, Any]) -> None:
    """The version is in the body and in the tag; they are one."""
    with pytest.raises(BadAnswer):
        read_stock(V1, "3M", reply({**V1_STOCK, **changes}, etag='"7-v1"'))


def test_a_trade_of_v1_is_answered_with_the_whole_order() -> None:
    placed = read_placed(V1, TRADE, reply(PLACED, 201))
    assert placed == OrderAnswer(8, "3M", TradeType.BUY, 2, KEY, "ann")
    with pytest.raises(BadAnswer):
        read_placed(V1, TRADE, reply(PLACED, 200))
    with pytest.raises(BadAnswer):
        read_placed(SEED, TRADE, reply({"order_no": 8}, 201))


@pytest.mark.parametrize(
    "changes",
    [
        *({"stock_name": "Apple"}, {"trade_type": "sell"}, {"quantity": 3}, {"order_no": 0}),
        *({"idempotency_key": str(OTHER_KEY)}, {"idempotency_key": None}),
    ],
)
def test_the_order_of_another_trade_is_no_answer_and_the_trade_may_have_happened(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_placed(V1, TRADE, reply({**PLACED, **changes}, 201))
    assert (caught.value.key, caught.value.is_definite) == (str(KEY), False)


def test_a_placed_order_of_the_course_is_its_number() -> None:
    answered = reply({"data": {"transaction_number": 8}})
    assert read_placed(COURSE, TRADE, answered) == OrderAnswer(8, "3M", TradeType.BUY, 2)
    for body in ({"data": {"transaction_number": 0}}, {"data": None}, {"order_no": 8}):
        with pytest.raises(BadAnswer):
            read_placed(COURSE, TRADE, reply(body))


def test_an_error_names_the_page_that_explains_it() -> None:
    with pytest.raises(Refused, match=r"^No\.$") as caught:
        read_placed(V1, TRADE, problem(409, "overstock"))
    assert (caught.value.failure, caught.value.problem) == ("overstock", "/problems/overstock")
    failed = {"order_no": -1, "message": "No."}
    for dialect in (SEED, COURSE):
        headers = {"bazaar_definite": "true", "bazaar_failure": "overstock"}
        with pytest.raises(Refused) as caught:
            read_placed(dialect, TRADE, reply(failed, 404, **headers))
        assert caught.value.problem == "/problems/overstock"


@pytest.mark.parametrize("type_", ["about:blank", "http://elsewhere/problems/overstock", ""])
def test_only_a_page_of_ours_is_named(type_: str) -> None:
    body = {"type": type_, "detail": "No."}
    headers = {"bazaar_definite": "true", "bazaar_failure": "../x"}
    with pytest.raises(Refused) as caught:
        read_placed(V1, TRADE, reply(body, 409, **headers))
    assert (caught.value.problem, caught.value.message) == ("", "No.")


def test_too_few_shares_after_an_attempt_without_an_answer_settle_nothing() -> None:
    """I9: 409 in v1 is about the second request, as 404 is in the older dialects."""
    fates: list[Fate] = [lost(was_sent=True), problem(409, "insufficient_quantity")]
    with pytest.raises(ClientError) as caught:
        Driver(fates).ask(exchange.build_trade(V1, TRADE), urls=2)
    assert type(caught.value) is Indefinite
    assert caught.value.problem == "/problems/insufficient_quantity"


def test_a_cluster_without_a_leader_is_asked_again() -> None:
    shown = {"replica_id": 2, "port": 20002, "is_alive": True, "is_leader": True, "in_sync": True}
    none, one = (reply({"leader": leader, "term": 3, "replicas": [shown]}) for leader in (None, 2))
    driver = Driver([none, none, one])
    found = driver.ask(exchange.build_leader_query(V1))
    assert (found.leader, found.id, found.term) == (20002, 2, 3)
    assert len(driver.calls) == 3


def test_a_leader_that_is_none_of_the_replicas_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer):
        read_leadership(V1, reply({"leader": 2, "term": 3, "replicas": []}))


@pytest.fixture
def serve() -> Iterator[Any]:
    started: list[ScriptedServer] = []

    def start(*bodies: Any, status: str = "200 OK") -> tuple[ScriptedServer, str]:
        headers = "Bazaar-Definite: true\r\n"
        script = [answer(json.dumps(one).encode(), headers, status) for one in bodies]
        started.append(ScriptedServer(script))
        return started[-1], f"http://127.0.0.1:{started[-1].address[1]}"

    yield start
    for server in started:
        server.close()


def queries_of(server: ScriptedServer) -> list[dict[str, list[str]]]:
    return [
        parse_qs(urlsplit(one.split(b" ")[1].decode()).query, strict_parsing=True)
        for one in server.requests
    ]


def test_orders_are_paged_through_empty_pages_to_the_end(serve: Any) -> None:
    server, url = serve(
        {"orders": [PLACED, {**PLACED, "order_no": 7}], "next_cursor": "7"},
        {"orders": [], "next_cursor": "4"},
        {"orders": [{**PLACED, "order_no": 2}], "next_cursor": None},
    )
    with Client([url]) as client:
        found = [one.order_no for one in client.orders("3M", TradeType.BUY, limit=2)]
    assert found == [8, 7, 2]
    shared = {"stock_name": ["3M"], "trade_type": ["buy"], "limit": ["2"]}
    assert queries_of(server) == [shared, {**shared, "cursor": ["7"]}, {**shared, "cursor": ["4"]}]


def test_a_page_is_asked_for_when_it_is_needed(serve: Any) -> None:
    server, url = serve({"stocks": [V1_STOCK], "next_cursor": "3M"})
    with Client([url]) as client:
        first = next(client.stocks("3"))
    assert (first.name, str(first.price), first.version) == ("3M", "63.080", 7)
    assert queries_of(server) == [{"q": ["3"], "limit": ["200"]}]


def test_a_list_that_never_ends_is_a_bad_answer(serve: Any) -> None:
    page = {"stocks": [V1_STOCK], "next_cursor": "3M"}
    _, url = serve(page, page)
    with Client([url]) as client, pytest.raises(BadAnswer, match="that page again"):
        list(client.stocks())


def test_a_client_names_the_whole_address_of_the_page(serve: Any) -> None:
    body = {"type": "/problems/overstock", "detail": "No."}
    _, url = serve(body, status="409 Conflict")
    with Client([url], Timeouts(deadline_s=1)) as client, pytest.raises(Refused) as caught:
        client.trade("3M", TradeType.SELL, 2)
    assert caught.value.problem == f"{url}/problems/overstock"
