"""The front end's answers to the letter (docs/DESIGN.md 6): stocks, orders, leader, rm."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pytest_django import Settings

from bazaar.core.election import Leadership
from bazaar.core.failures import (
    InsufficientQuantity,
    KeyReused,
    NotServing,
    Overstock,
    Unreachable,
)
from bazaar.core.ledger import Answer
from bazaar.core.types import Order, OrderNo, ReplicaId, Term, Trade, Version
from bazaar.protocol.http1 import Reply
from bazaar.web.member_auth import refusals
from frontend_app.leader import LeaderWatch
from frontend_app.stocks import StockReader
from tests.frontend_app.conftest import LIMITS, Replicas
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import STOCK, make_trade
from tests.support.listeners import JSON, Listener

BODY = {"stock_name": "MenhirCo", "trade_type": "buy", "quantity": 7}
KEY = str(UUID(int=5))
STOCKS = "/stocks?stock_name=MenhirCo"
SHOWN = {"stock_name": "MenhirCo", "price": 12.5, "trade_volume": 0, "quantity": 1000}


def call(method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
    return Listener("bazaar.urls.frontend").call(method, target, body, headers)


def get(target: str, **headers: str) -> tuple[int, Any]:
    reply = Listener("bazaar.urls.frontend").call("GET", target, b"", headers)
    return reply.status, json.loads(reply.body)


def post(body: dict[str, Any] | None = None, key: str | None = None) -> tuple[Reply, Any]:
    """Place an order; return the reply and its body."""
    headers = {**JSON, **({"Idempotency-Key": key} if key else {})}
    content = json.dumps(BODY if body is None else body).encode()
    listener = Listener("bazaar.urls.frontend")
    reply = listener.call("POST", "/orders", content, headers)
    return reply, json.loads(reply.body)


@pytest.mark.usefixtures("reader")
def test_a_stock_has_exactly_the_seeds_fields() -> None:
    assert get(STOCKS) == (200, SHOWN)
    assert b'"price":12.50,' in call("GET", STOCKS).body


@pytest.mark.usefixtures("reader")
def test_an_unknown_stock_is_the_seeds_404() -> None:
    expected = {"error": {"code": 404, "message": "Stock not found"}}
    assert get("/stocks?stock_name=NoSuchCo") == (404, expected)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("A. O. Smith", "A.%20O.%20Smith"),
        ("A. O. Smith", "A.+O.+Smith"),
        ("S&P-500", "S%26P-500"),
        ("Ünï ⚔", "%C3%9Cn%C3%AF%20%E2%9A%94"),
        ("100%", "100%25"),
        (" padded ", "%20padded%20"),
    ],
)
def test_a_name_is_taken_as_given(catalog: FakeCatalog, name: str, encoded: str) -> None:
    catalog.stocks[name] = replace(STOCK, name=name)
    assert get(f"/stocks?stock_name={encoded}")[1]["stock_name"] == name


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("directive", ["no-cache", "No-Cache", "max-age=0, no-cache"])
def test_no_cache_asks_the_catalog(catalog: FakeCatalog, directive: str) -> None:
    get(STOCKS)
    catalog.change()
    assert get(STOCKS)[1]["quantity"] == 1000
    assert get(STOCKS, **{"Cache-Control": directive})[1]["quantity"] == 999
    assert len(catalog.asked) == 2


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("directive", ["xno-cache", "no-cachex", "max-age=0", "private"])
def test_what_only_looks_like_no_cache_is_answered_from_memory(
    catalog: FakeCatalog, directive: str
) -> None:
    get(STOCKS)
    assert get(STOCKS, **{"Cache-Control": directive})[1]["quantity"] == 1000
    assert len(catalog.asked) == 1


def test_a_stale_answer_says_so(reader: StockReader, catalog: FakeCatalog) -> None:
    get(STOCKS)
    assert "warning" not in call("GET", STOCKS).headers
    reader.lease.lost()
    catalog.failure = Unreachable()
    reply = call("GET", STOCKS)
    assert reply.status == 200
    assert reply.headers["warning"].startswith("110 ")
    assert json.loads(reply.body) == {**SHOWN, "stale": True}


def test_without_catalog_and_memory_a_stock_is_503(
    reader: StockReader, catalog: FakeCatalog
) -> None:
    catalog.failure = Unreachable()
    reply = call("GET", STOCKS)
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert json.loads(reply.body)["error"]["code"] == 503


@pytest.mark.usefixtures("watch")
def test_an_order_is_placed() -> None:
    reply, body = post(key=KEY)
    assert (reply.status, body) == (200, {"order_no": 1})
    assert reply.headers["idempotency-key"] == KEY


@pytest.mark.usefixtures("watch")
def test_the_same_key_again_is_the_same_order(replicas: Replicas) -> None:
    """I2."""
    assert [post(key=KEY)[1] for _ in range(3)] == [{"order_no": 1}] * 3
    assert post()[1] == {"order_no": 2}
    assert len(replicas[ReplicaId(3)].ledger.orders) == 2


@pytest.mark.usefixtures("watch")
def test_without_a_key_every_order_gets_one_of_its_own() -> None:
    first, second = post()[0], post()[0]
    keys = {reply.headers["idempotency-key"] for reply in (first, second)}
    assert len(keys) == 2
    assert all(UUID(key).version == 4 for key in keys)


@pytest.mark.usefixtures("watch")
def test_a_key_is_read_whatever_its_case() -> None:
    key = "ABCDEFAB-0000-4000-8000-0000000000CD"
    assert post(key=key)[1] == post(key=key.lower())[1] == {"order_no": 1}


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize(
    "key",
    [
        *("x", "1", "g" * 36, KEY[:-1], f"{KEY}0", f" {KEY}", f"{{{KEY}}}", KEY.replace("-", "")),
        *("+" + "0" * 31 + "----", "0x" + "0" * 30 + "----", "\xe9" * 36, "x" * 100_000),
        "urn:uuid:" + "0" * 27,
        "0000-0000000000000000000000000000---",
    ],
)
def test_a_key_that_is_no_uuid_is_400(replicas: Replicas, key: str) -> None:
    reply, body = post(key=key)
    assert (reply.status, body["order_no"]) == (400, -1)
    assert "Idempotency-Key" in body["message"]
    assert len(body["message"]) < 400
    assert replicas[ReplicaId(3)].trades == []


def answer_with(replicas: Replicas, answer: Answer) -> None:
    """Let the leader answer every trade like this."""

    class Deaf:
        orders: dict[UUID, Order] = {}

        def place(self, trade: Trade) -> Answer:
            return answer

    replicas[ReplicaId(3)].ledger = Deaf()  # type: ignore[assignment]


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize(
    ("answer", "status"),
    [(InsufficientQuantity(), 404), (Overstock(), 404), (KeyReused(), 422)],
)
def test_a_refused_trade_has_order_no_minus_1(
    replicas: Replicas, answer: Answer, status: int
) -> None:
    answer_with(replicas, answer)
    reply, body = post(key=KEY)
    assert reply.status == status
    assert body == {"order_no": -1, "message": str(answer)}
    assert reply.headers["bazaar-definite"] == "true"
    assert reply.headers["idempotency-key"] == KEY
    assert "retry-after" not in reply.headers


@pytest.mark.usefixtures("watch")
def test_an_unknown_stock_in_a_trade_is_404() -> None:
    reply, body = post({**BODY, "stock_name": "NoSuchCo"})
    assert (reply.status, body["order_no"]) == (404, -1)
    assert body["message"].startswith("Stock not found")


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": 10**9 + 1}, "quantity"),
        ({"quantity": "1"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"trade_type": "hold"}, "trade_type"),
        ({"stock_name": ""}, "stock_name"),
        ({"stock_name": 7}, "stock_name"),
    ],
)
def test_a_malformed_trade_is_400_and_names_the_field(
    replicas: Replicas, change: dict[str, Any], word: str
) -> None:
    reply, body = post({**BODY, **change})
    assert (reply.status, body["order_no"]) == (400, -1)
    assert word in body["message"]
    assert replicas[ReplicaId(3)].trades == []


def test_without_any_replica_a_trade_is_503_with_its_key(
    watch: LeaderWatch, replicas: Replicas
) -> None:
    """docs/DESIGN.md 5: the client repeats it with the key, and gets the same order."""
    for replica in replicas.values():
        replica.die()
    watch.limits = msgspec.structs.replace(LIMITS, deadline_s=0.1)
    reply, body = post(key=KEY)
    assert (reply.status, body["order_no"]) == (503, -1)
    assert KEY in body["message"]
    assert reply.headers["idempotency-key"] == KEY
    assert reply.headers["retry-after"] == "1"


def test_a_key_that_was_made_here_is_told_when_the_trade_is_indefinite(
    watch: LeaderWatch, replicas: Replicas
) -> None:
    replicas[ReplicaId(3)].answers_lost = [Unreachable("cut")] * 100
    watch.limits = msgspec.structs.replace(LIMITS, deadline_s=0.1)
    reply, body = post()
    key = reply.headers["idempotency-key"]
    assert (reply.status, reply.headers["bazaar-definite"]) == (503, "false")
    assert key in body["message"]
    replicas[ReplicaId(3)].answers_lost = []
    assert post(key=key)[1] == {"order_no": 1}


def test_an_order_is_looked_up(watch: LeaderWatch) -> None:
    watch.place(make_trade(1, 7))
    expected = {
        "data": {"order_no": 1, "stock_name": "MenhirCo", "trade_type": "buy", "quantity": 7}
    }
    assert get("/orders?order_no=1") == (200, expected)


@pytest.mark.usefixtures("watch")
def test_an_unknown_order_is_the_seeds_404() -> None:
    expected = {"error": {"code": 404, "message": "order not found"}}
    assert get("/orders?order_no=99") == (404, expected)


@pytest.mark.parametrize("failure", [Unreachable(), NotServing()])
def test_an_order_is_read_from_any_replica_that_answers(
    watch: LeaderWatch, replicas: Replicas, failure: Unreachable | NotServing
) -> None:
    """docs/DESIGN.md 4.5."""
    watch.place(make_trade(1))
    replicas[ReplicaId(3)].down = replicas[ReplicaId(2)].down = failure
    assert get("/orders?order_no=1")[0] == 200
    assert replicas[ReplicaId(1)].looked_up == [1]


def test_without_any_replica_an_order_is_503(watch: LeaderWatch, replicas: Replicas) -> None:
    for replica in replicas.values():
        replica.die()
    watch.note_order(OrderNo(1))
    reply = call("GET", "/orders?order_no=1")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")


@pytest.mark.usefixtures("watch")
def test_leader_answers_its_port() -> None:
    assert get("/leader") == (200, {"leader": 20003, "id": 3, "term": 1})


def test_before_the_first_election_leader_is_503(watch: LeaderWatch) -> None:
    watch.elector.leadership = Leadership(Term(0), None)
    status, body = get("/leader")
    assert (status, body["error"]["code"]) == (503, 503)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("urlconf", ["bazaar.urls.frontend", "bazaar.urls.frontend_control"])
def test_rm_forgets_a_stock(urlconf: str) -> None:
    get(STOCKS)
    listener = Listener(urlconf)
    bodies = [
        json.loads(listener.call_signed("GET", "/rm?stock_name=MenhirCo").body) for _ in range(2)
    ]
    assert bodies == [
        {"stock_name": "MenhirCo", "message": "removed successfully"},
        {"message": "this stock isn't exist in cache"},
    ]


def test_invalidate_forgets_what_is_older(reader: StockReader, catalog: FakeCatalog) -> None:
    get(STOCKS)
    body = {"changes": [{"stock_name": "MenhirCo", "version": 2}]}
    listener = Listener("bazaar.urls.frontend_control")
    reply = listener.call_signed("POST", "/invalidate", json.dumps(body).encode())
    assert (reply.status, json.loads(reply.body)) == (200, {"done": True})
    assert reader.contents() == ()
    catalog.change()
    assert get(STOCKS)[1]["quantity"] == 999


def test_status_tells_what_is_in_memory_and_who_leads(
    reader: StockReader, watch: LeaderWatch, settings: Settings
) -> None:
    for _ in range(3):
        get(STOCKS)
    watch.place(make_trade(1))
    reply = Listener("bazaar.urls.frontend_control").call_signed("GET", "/status")
    status = json.loads(reply.body)
    assert (status["role"], status["id"]) == ("frontend", settings.BAZAAR_NODE.id)
    assert (status["is_ready"], status["term"], status["leader"]) == (True, 1, 3)
    assert (status["hits"], status["misses"], status["trades"]) == (2, 1, 1)
    assert 0 < status["lease_left_s"] <= LIMITS.lease_s
    (cached,) = status["cached"]
    assert (cached["stock_name"], cached["version"]) == ("MenhirCo", Version(1))
    assert (cached["hits"], status["hit_ratio"]) == (2, 0.6667)
    assert (status["batches"], status["batch_sizes"]["buckets"]) == (1, [1])
    assert status["silences"] == 0
    assert status["refused_callers"] == refusals.count


@pytest.mark.usefixtures("reader", "watch")
@pytest.mark.parametrize("path", [STOCKS, "/orders?order_no=1", "/leader"])
def test_a_browser_gets_a_page(path: str) -> None:
    reply = call("GET", path, Accept="text/html")
    assert reply.headers["content-type"].startswith("text/html")
