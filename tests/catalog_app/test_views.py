"""The catalog's answers to the letter: the seed's dialect, and the messages inside the cluster."""

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from bazaar.core.types import GENESIS
from bazaar.protocol.statuses import EVENTS_MAX
from bazaar.web.member_auth import refusals
from catalog_app import selectors, wiring
from catalog_app.lease_table import LeaseTableShell
from catalog_app.models import HolderRegistration
from tests.catalog_app.fakes import FakeHolder, FakeTime
from tests.support.hearing import Hearing
from tests.support.histories import make_order, make_page
from tests.support.listeners import Listener
from tests.support.waits import wait_until

pytestmark = pytest.mark.usefixtures("catalog", "lease_table")

NOT_FOUND = {"error": {"code": 404, "message": "Stock not found"}}
HOLDER = {"holder_id": str(UUID(int=1)), "host": "127.0.0.1", "control_port": 30002}
TRADE = {"key": str(UUID(int=1)), "stock_name": "MenhirCo", "trade_type": "buy", "quantity": 1}
ORDER = [1, str(UUID(int=1)), "MenhirCo", "buy", 1, None]
UNI = "%C3%9Cn%C3%AF+%26+Co."

Answer = tuple[int, Any]


def get(target: str, urlconf: str = "bazaar.urls.catalog") -> Answer:
    reply = Listener(urlconf).call_signed("GET", target)
    return reply.status, json.loads(reply.body)


def post(path: str, body: dict[str, Any], urlconf: str = "bazaar.urls.catalog") -> Answer:
    reply = Listener(urlconf).call_signed("POST", path, json.dumps(body).encode())
    return reply.status, json.loads(reply.body)


def control(path: str, body: dict[str, Any] | None = None) -> Answer:
    urlconf = "bazaar.urls.catalog_control"
    return get(path, urlconf) if body is None else post(path, body, urlconf)


def batch(**changes: Any) -> dict[str, Any]:
    return {"term": 3, "leader": 2, "after": 0, "trades": [TRADE], **changes}


def page(count: int, after: int = 0) -> dict[str, Any]:
    expected = make_page(count, after)
    orders = [
        [order.order_no, str(order.key), order.stock_name, "buy", order.quantity, None]
        for order in map(make_order, range(after + 1, count + 1))
    ]
    return {
        "after": after,
        "order_no": after,
        "previous": expected.after.digest,
        "orders": orders,
        "changes": [],
        "digest": expected.digest,
        "last": count,
    }


def test_query_answers_a_stock() -> None:
    assert get("/query?stock_name=MenhirCo") == (
        200,
        {
            "data": {
                "stock_name": "MenhirCo",
                "price": 12.5,
                "trade_volume": 0,
                "quantity": 1000,
            }
        },
    )


def test_query_keeps_the_digits_of_a_price() -> None:
    reply = Listener("bazaar.urls.catalog").call_signed("GET", "/query?stock_name=MenhirCo")
    assert b'"price":12.50,' in reply.body
    reply = Listener("bazaar.urls.catalog").call_signed("GET", f"/query?stock_name={UNI}")
    assert b'"price":0.1234,' in reply.body


@pytest.mark.parametrize("name", ["NoSuchCo", "menhirco", "MenhirCo%20", "MenhirCo_"])
def test_query_answers_404_for_a_name_that_is_not_exactly_a_stocks(name: str) -> None:
    assert get(f"/query?stock_name={name}") == (404, NOT_FOUND)


@pytest.mark.parametrize("kind", ["buy", "sell"])
def test_trade_moves_shares(kind: str) -> None:
    body = {"stock_name": "MenhirCo", "type": kind, "quantity": 10}
    assert post("/trade", body) == (200, {"message": "order had been trade successfully!"})
    _, answer = get("/query?stock_name=MenhirCo")
    assert answer["data"]["quantity"] == (990 if kind == "buy" else 1010)
    assert answer["data"]["trade_volume"] == 10


@pytest.mark.parametrize(("kind", "quantity"), [("buy", 1001), ("sell", 1001), ("buy", 10**9)])
def test_trade_fails_for_too_many_shares(kind: str, quantity: int) -> None:
    body = {"stock_name": "MenhirCo", "type": kind, "quantity": quantity}
    assert post("/trade", body) == (404, {"message": "Trade failed!"})


def test_trade_fails_for_an_unknown_stock() -> None:
    body = {"stock_name": "NoSuchCo", "type": "buy", "quantity": 1}
    assert post("/trade", body) == (404, {"message": "Stock not found!"})


def test_read_answers_stocks_with_their_versions_in_their_order() -> None:
    names = ("MenhirCo", "NoSuchCo", "MenhirCo")
    wanted = [{"stock_name": name, "to_keep": False} for name in names]
    stock = {
        "name": "MenhirCo",
        "price": 12.5,
        "quantity": 1000,
        "opening": 1000,
        "issued": 2000,
        "trade_volume": 0,
        "version": 1,
    }
    found = {"stock": stock, "may_keep": False}
    assert post("/read", {"holder_id": HOLDER["holder_id"], "stocks": wanted}) == (
        200,
        {"stocks": [found, {"stock": None, "may_keep": False}, found], "epoch": 0},
    )


def test_batch_answers_each_trade_and_the_page_that_the_leader_lacks() -> None:
    refused = {**TRADE, "key": str(UUID(int=2)), "quantity": 10**6}
    status, answer = post("/batch", batch(trades=[TRADE, refused]))
    failure = {"kind": "insufficient_quantity", "message": "Not enough shares in the catalog."}
    assert status == 200
    assert answer == {
        "answers": [{"order": ORDER}, {"failure": failure}],
        "page": page(1),
    }


def test_a_reused_key_is_refused_in_its_answer() -> None:
    """I2; the front end makes a 422 of it."""
    post("/batch", batch())
    _, answer = post("/batch", batch(after=1, trades=[{**TRADE, "quantity": 2}]))
    assert [one["failure"]["kind"] for one in answer["answers"]] == ["key_reused"]


def test_a_fenced_batch_is_409_with_the_current_term_in_headers() -> None:
    """I5."""
    body = json.dumps(batch(term=2, leader=1)).encode()
    reply = Listener("bazaar.urls.catalog").call_signed("POST", "/batch", body)
    assert reply.status == 409
    assert (reply.headers["bazaar-term"], reply.headers["bazaar-leader"]) == ("3", "2")
    assert (reply.headers["bazaar-failure"], reply.headers["bazaar-definite"]) == (
        "stale_term",
        "true",
    )


def test_a_batch_after_a_gap_is_409_with_the_last_order_in_headers() -> None:
    body = json.dumps(batch(after=9)).encode()
    reply = Listener("bazaar.urls.catalog").call_signed("POST", "/batch", body)
    assert (reply.status, reply.headers["bazaar-last"]) == (409, "0")


def test_ledger_answers_a_page() -> None:
    assert control("/ledger?after=0&limit=10") == (200, page(0))
    trades = [{**TRADE, "key": str(UUID(int=number))} for number in (1, 2, 3)]
    post("/batch", batch(trades=trades))
    assert control("/ledger?after=1&limit=10") == (200, page(3, after=1))
    _, answer = control("/ledger?after=0&limit=2")
    assert (len(answer["orders"]), answer["last"]) == (2, 3)
    assert control("/ledger?after=4&limit=1")[0] == 409


def test_a_page_is_never_longer_than_a_message_may_be() -> None:
    assert control(f"/ledger?after=0&limit={2**63 - 1}")[0] == 200


def test_rows_answers_the_ledger_as_it_is_stored() -> None:
    assert control("/rows?after=0&limit=10") == (200, {"rows": [], "last": 0})
    trades = [{**TRADE, "key": str(UUID(int=number))} for number in (1, 2, 3)]
    post("/batch", batch(trades=trades))
    _, answer = control("/rows?after=1&limit=1")
    key, digest = UUID(int=2).hex, make_page(2).digest
    ((*row, decided_ms),) = answer.pop("rows")
    assert row == [2, key, "MenhirCo", "buy", 1, None, digest, 3, 3]
    assert decided_ms > 0
    assert answer == {"last": 3}
    assert control(f"/rows?after=9&limit={2**63 - 1}") == (200, {"rows": [], "last": 3})


def test_rows_answers_what_is_no_order_at_all() -> None:
    """An audit must be able to name the damage."""
    post("/batch", batch())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE catalog_app_entry SET key = 'x', digest = ''")
    ((*row, _),) = control("/rows?after=0&limit=10")[1]["rows"]
    assert row == [1, "x", "MenhirCo", "buy", 1, None, "", 3, 2]


def test_stocks_answers_the_listing_as_of_an_order() -> None:
    post("/batch", batch())
    _, answer = control("/stocks?after=0&limit=1")
    assert [(one["name"], one["quantity"], one["version"]) for one in answer["stocks"]] == [
        ("MenhirCo", 999, 2)
    ]
    assert answer["last"] == 1
    _, rest = control(f"/stocks?after={answer['end']}&limit=10")
    assert [(one["name"], one["price"]) for one in rest["stocks"]] == [("Ünï & Co.", 0.1234)]
    assert control(f"/stocks?after={rest['end']}&limit=10")[1] == {
        "stocks": [],
        "end": rest["end"],
        "last": 1,
    }


def test_the_listing_is_read_in_one_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """I4: otherwise a trade could come between the stocks and the order they are as of."""
    with django_assert_num_queries(1):
        control("/stocks?after=0&limit=10")


def test_leadership_answers_the_term_and_takes_a_claim() -> None:
    assert control("/leadership") == (200, {"term": 3, "leader": 2})
    assert control("/leadership", {"term": 3, "leader": 1}) == (200, {"term": 4, "leader": 1})
    assert control("/leadership") == (200, {"term": 4, "leader": 1})


def test_a_claim_that_came_too_late_is_409_with_the_winner_in_headers() -> None:
    body = json.dumps({"term": 2, "leader": 1}).encode()
    listener = Listener("bazaar.urls.catalog_control")
    reply = listener.call_signed("POST", "/leadership", body)
    assert reply.status == 409
    assert (reply.headers["bazaar-term"], reply.headers["bazaar-leader"]) == ("3", "2")


def test_price_changes_a_price_and_tells_the_holders(lease_table: LeaseTableShell) -> None:
    holder = FakeHolder()
    lease_table.register("holder", holder)
    status, answer = control("/price", {"stock_name": "MenhirCo", "price": 13.75})
    assert (status, answer["price"], answer["version"]) == (200, 13.75, 2)
    assert holder.notified == [(("MenhirCo", 2),)]
    assert get("/query?stock_name=MenhirCo")[1]["data"]["price"] == 13.75


def test_price_of_an_unknown_stock_is_404() -> None:
    status, answer = control("/price", {"stock_name": "NoSuchCo", "price": 1})
    assert (status, answer["error"]["code"]) == (404, 404)


def test_register_and_renew_answer_the_lease(time: FakeTime) -> None:
    assert control("/renew", HOLDER)[0] == 404
    lease = {
        "lease_s": 2.0,
        "incarnation": str(wiring.incarnation()),
        "listed": selectors.get_listing_end(),
        "epoch": 0,
    }
    assert control("/register", HOLDER) == (200, lease)
    assert HolderRegistration.objects.count() == 1
    time.now_s += 1.9
    assert control("/renew", HOLDER) == (200, lease)
    time.now_s += 1.9
    assert control("/renew", HOLDER) == (200, lease)
    time.now_s += 2.0
    assert control("/renew", HOLDER)[0] == 404


def test_an_unknown_holder_is_told_so_by_name() -> None:
    body = json.dumps(HOLDER).encode()
    listener = Listener("bazaar.urls.catalog_control")
    reply = listener.call_signed("POST", "/renew", body)
    assert (reply.status, reply.headers["bazaar-failure"]) == (404, "unknown_holder")


def test_status_tells_what_the_catalog_holds(lease_table: LeaseTableShell) -> None:
    lease_table.register(str(UUID(int=9)), FakeHolder())
    before = control("/status")[1]
    assert (before["role"], before["is_ready"], before["stocks"]) == ("catalog", True, 2)
    assert (before["term"], before["leader"]) == (3, 2)
    assert (before["last"], before["digest"]) == (0, GENESIS)
    assert before["holders"] == [str(UUID(int=9))]
    post("/batch", batch())
    after = control("/status")[1]
    assert (after["last"], after["digest"]) == (1, make_page(1).digest)
    assert after["trades"] == before["trades"] + 1
    assert after["batches"] == before["batches"] + 1


def test_status_counts_refused_callers() -> None:
    Listener("bazaar.urls.catalog").call("GET", "/query?stock_name=MenhirCo")
    assert control("/status")[1]["refused_callers"] == refusals.count > 0


def test_a_fenced_batch_is_told(lease_table: LeaseTableShell) -> None:
    """I5, as somebody reads it beside the terminal; once a second, whoever else was refused."""
    hearing = Hearing()

    def is_told() -> bool:
        post("/batch", {**batch(), "term": 2})
        return "stale_term" in [event.fields.get("kind") for event in hearing.events()]

    wait_until(is_told)


def test_a_price_change_is_told(lease_table: LeaseTableShell) -> None:
    hearing = Hearing()
    control("/price", {"stock_name": "MenhirCo", "price": 9.5})
    assert hearing.fields("price changed") == {
        "stock_name": "MenhirCo",
        "price": "9.50",
        "version": 2,
    }


def test_status_tells_sizes_of_batches_requests_and_events(lease_table: LeaseTableShell) -> None:
    hearing = Hearing()
    before = control("/status")[1]["batch_sizes"]["buckets"]
    post("/batch", batch())
    status = control("/status")[1]
    assert sum(status["batch_sizes"]["buckets"]) == sum(before) + 1
    assert hearing.requests()["POST /batch"] == (1, 0, 0)
    assert {"POST /batch", "GET /status"} <= {one["name"] for one in status["operations"]}
    assert status["uptime_s"] > 0
    assert len(status["events"]) <= EVENTS_MAX


def search(**query: object) -> tuple[list[str], str | None]:
    status, body = get(f"/search?{urlencode({'limit': 10, **query})}")
    assert status == 200
    return [one["name"] for one in body["stocks"]], body["end"]


def test_a_search_reads_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """I10: it goes on where it ended, however few it has found."""
    every, end = search()
    assert (every, end) == (sorted(every), None)
    monkeypatch.setattr(selectors, "NAMES_SEARCHED_MAX", 1)
    found = list[str]()
    after: str | None = ""
    for _ in range(len(every) + 1):
        page, after = search(text="Menhir", **({"after": after} if after else {}))
        found += page
        if after is None:
            break
        assert after in every
    assert found == ["MenhirCo"]
    assert after is None
