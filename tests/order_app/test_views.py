"""A replica's answers to the letter: the seed's dialect, and the messages inside the cluster."""

import json
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

import order_app.wiring
from bazaar.core.failures import Unreachable
from bazaar.core.types import ReplicaId, Term
from bazaar.web.member_auth import refusals
from order_app.models import LogEntry
from order_app.replica import ReplicaShell
from tests.order_app.conftest import FAR, ME, NEAR, TERM
from tests.order_app.fakes import FakeCatalog, FakePeer
from tests.support.histories import TOKEN, make_linked, make_order, make_page, make_trade
from tests.support.listeners import Listener

BOTH = ("bazaar.urls.order", "bazaar.urls.order_control")
TRADE = {"key": str(UUID(int=1)), "stock_name": "MenhirCo", "trade_type": "buy", "quantity": 1}
ORDER = [1, str(UUID(int=1)), "MenhirCo", "buy", 1, None]
SEED = {"stock_name": "MenhirCo", "trade_type": "buy", "quantity": 7}

Answer = tuple[int, Any]


@pytest.fixture(autouse=True)
def _node(settings: Settings) -> None:
    settings.BAZAAR_NODE = settings.BAZAAR_TOPOLOGY.replica(ME)


def get(target: str, urlconf: str = "bazaar.urls.order") -> Answer:
    reply = Listener(urlconf).call_signed("GET", target)
    return reply.status, json.loads(reply.body)


def post(path: str, body: dict[str, Any], urlconf: str = "bazaar.urls.order") -> Answer:
    reply = Listener(urlconf).call_signed("POST", path, json.dumps(body).encode())
    return reply.status, json.loads(reply.body)


def append_of(count: int, after: int = 0, *, term: int = 4, leader: int = FAR) -> dict[str, Any]:
    page = make_page(count, after)
    orders = [
        [order.order_no, str(order.key), order.stock_name, "buy", order.quantity, None]
        for order in map(make_order, range(after + 1, count + 1))
    ]
    return {
        "term": term,
        "leader": leader,
        "page": {
            "after": after,
            "order_no": after,
            "previous": page.after.digest,
            "orders": orders,
            "changes": [],
            "digest": page.digest,
            "last": page.last,
        },
        "token": str(TOKEN),
    }


def test_query_answers_an_order(leader: ReplicaShell) -> None:
    leader.trade(TERM, [make_trade(1, 7)])
    expected = {
        "data": {
            "order_no": 1,
            "stock_name": "MenhirCo",
            "trade_type": "buy",
            "quantity": 7,
        }
    }
    assert get("/query?order_no=1") == (200, expected)


@pytest.mark.parametrize("number", ["0", "1", "99", str(2**63 - 1)])
def test_query_answers_404_for_an_order_that_is_not_there(
    leader: ReplicaShell, number: str
) -> None:
    expected = {"error": {"code": 404, "message": "order not found"}}
    assert get(f"/query?order_no={number}") == (404, expected)


def test_trade_places_an_order_by_get_and_by_post(leader: ReplicaShell) -> None:
    assert post("/trade", SEED) == (200, {"order_no": 1})
    assert get("/trade?stock_name=MenhirCo&trade_type=sell&quantity=3") == (200, {"order_no": 2})
    _, answer = get("/query?order_no=2")
    assert answer["data"] == {
        "order_no": 2,
        "stock_name": "MenhirCo",
        "trade_type": "sell",
        "quantity": 3,
    }


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"stock_name": "NoSuchCo"}, 404, "Stock not found"),
        ({"quantity": 10**9}, 404, "Not enough shares in the catalog."),
        (
            {"quantity": 10**9, "trade_type": "sell"},
            404,
            "The catalog cannot hold more shares than were issued.",
        ),
    ],
)
def test_a_trade_that_fails_has_order_no_minus_1(
    leader: ReplicaShell, changes: dict[str, Any], status: int, message: str
) -> None:
    assert post("/trade", {**SEED, **changes}) == (status, {"order_no": -1, "message": message})


def test_a_malformed_trade_has_order_no_minus_1_too(leader: ReplicaShell) -> None:
    for status, answer in (
        post("/trade", {**SEED, "quantity": 0}),
        post("/trade", {}),
        get("/trade?stock_name=MenhirCo&trade_type=hold&quantity=1"),
        get("/trade?stock_name=MenhirCo&trade_type=buy&quantity=0"),
    ):
        assert (status, answer["order_no"]) == (400, -1)
        assert answer["message"]


def test_a_trade_at_a_follower_is_503(shell: ReplicaShell) -> None:
    shell.start()
    status, answer = post("/trade", SEED)
    assert (status, answer["order_no"]) == (503, -1)
    assert "does not lead" in answer["message"]


def test_trades_answers_each_trade(leader: ReplicaShell) -> None:
    refused = {**TRADE, "key": str(UUID(int=2)), "quantity": 10**6}
    body = {"term": 3, "trades": [TRADE, refused]}
    failure = {"kind": "insufficient_quantity", "message": "Not enough shares in the catalog."}
    expected = {"answers": [{"order": ORDER}, {"failure": failure}]}
    assert post("/trades", body) == (200, expected)


def test_trades_of_another_term_are_refused_by_name(leader: ReplicaShell) -> None:
    body = json.dumps({"term": 4, "trades": [TRADE]}).encode()
    reply = Listener("bazaar.urls.order").call_signed("POST", "/trades", body)
    assert (reply.status, reply.headers["bazaar-failure"]) == (503, "not_leader")
    assert (reply.headers["bazaar-definite"], reply.headers["retry-after"]) == ("true", "1")


def test_an_indefinite_failure_says_so(leader: ReplicaShell, catalog: FakeCatalog) -> None:
    """I9."""
    catalog.answers_lost = [Unreachable()]
    body = json.dumps({"term": 3, "trades": [TRADE]}).encode()
    reply = Listener("bazaar.urls.order").call_signed("POST", "/trades", body)
    assert (reply.status, reply.headers["bazaar-definite"]) == (503, "false")


def test_order_answers_an_order_with_its_key(leader: ReplicaShell) -> None:
    leader.trade(TERM, [make_trade(1)])
    assert get("/order?order_no=1") == (200, ORDER)
    assert get("/order?order_no=2")[0] == 404


@pytest.mark.parametrize("urlconf", BOTH)
def test_ping_answers_in_the_seeds_words_and_says_who_leads(
    leader: ReplicaShell, urlconf: str
) -> None:
    expected = {
        "alive order server": 2,
        "port": 20002,
        "term": 3,
        "leader": 2,
        "last": 0,
        "is_serving": True,
        "is_leading": True,
        "reaches_catalog": True,
    }
    assert get("/ping", urlconf) == (200, expected)


@pytest.mark.parametrize("urlconf", BOTH)
def test_leader_answers_and_takes_a_notice_of_the_catalogs_leader(
    leader: ReplicaShell, catalog: FakeCatalog, urlconf: str
) -> None:
    assert get("/leader", urlconf) == (200, {"term": 3, "leader": 2})
    assert post("/leader", {"term": 4, "leader": 3}, urlconf)[0] == 409
    catalog.term, catalog.leader = Term(4), FAR
    assert post("/leader", {"term": 4, "leader": 3}, urlconf) == (200, {"term": 4, "leader": 3})
    assert leader.machine.leader == FAR
    assert post("/leader", {"term": 3, "leader": 2}, urlconf)[0] == 409


def test_a_chosen_replica_leads_when_the_notice_is_answered(shell: ReplicaShell) -> None:
    shell.start()
    assert post("/leader", {"term": 3, "leader": 2})[0] == 200
    assert get("/ping")[1]["is_leading"]


@pytest.mark.parametrize("urlconf", BOTH)
def test_sync_stores_orders_and_acknowledges(shell: ReplicaShell, urlconf: str) -> None:
    shell.start()
    expected = (200, {"last": 3, "digest": make_page(3).digest})
    assert post("/sync", append_of(3), urlconf) == expected
    assert post("/sync", append_of(3), urlconf) == expected
    assert post("/sync", append_of(3, after=3), urlconf) == expected


@pytest.mark.parametrize(
    ("body", "failure", "header"),
    [
        (append_of(9, after=8), "gap_found", ("bazaar-last", "2")),
        (append_of(3, term=2), "stale_term", ("bazaar-term", "4")),
        (append_of(3, leader=NEAR), "stale_term", ("bazaar-leader", "3")),
    ],
)
def test_sync_refuses_with_its_reason_in_headers(
    shell: ReplicaShell, body: dict[str, Any], failure: str, header: tuple[str, str]
) -> None:
    """I5 and I8."""
    shell.start()
    assert post("/sync", append_of(2))[0] == 200
    reply = Listener(BOTH[1]).call_signed("POST", "/sync", json.dumps(body).encode())
    assert (reply.status, reply.headers["bazaar-failure"]) == (409, failure)
    assert reply.headers[header[0]] == header[1]


def test_sync_and_confirm_refuse_what_the_leader_has_not_sent(
    leader: ReplicaShell, peers: dict[ReplicaId, FakePeer]
) -> None:
    peers[FAR].is_forged = True
    status, answer = post("/sync", append_of(3))
    assert (status, "has not sent this append" in answer["error"]["message"]) == (409, True)
    assert (leader.machine.term, leader.machine.last) == (3, 0)
    assert leader.machine.outbox is not None
    real, forged = leader.machine.outbox.token, UUID(int=1)
    assert post("/confirm", {"term": 3, "token": str(real)}, BOTH[1]) == (200, {"done": True})
    for term, token in ((3, forged), (4, real), (2, real)):
        assert post("/confirm", {"term": term, "token": str(token)}, BOTH[1])[0] == 409


def test_log_answers_a_page(shell: ReplicaShell) -> None:
    shell.start()
    shell.log.append(make_linked(5))
    page = append_of(5, after=2)["page"]
    assert get("/log?after=2&limit=10", BOTH[1]) == (200, page)
    assert len(get("/log?after=0&limit=2", BOTH[1])[1]["orders"]) == 2
    assert get("/log?after=6&limit=2", BOTH[1])[0] == 409


def test_rows_answers_the_log_as_it_is_stored(shell: ReplicaShell) -> None:
    """Before the replica serves, and when its log is damaged."""
    shell.log.append(make_linked(3))
    key, digest = UUID(int=2).hex, make_page(2).digest
    row = [2, key, "MenhirCo", "buy", 1, None, digest, None, None, None]
    assert get("/rows?after=1&limit=1", BOTH[1]) == (200, {"rows": [row], "last": 3})
    LogEntry.objects.filter(pk=2).update(quantity=9)
    shell.start()
    assert not shell.machine.is_serving
    assert get("/rows?after=1&limit=1", BOTH[1])[1]["rows"] == [[*row[:4], 9, *row[5:]]]
    assert get(f"/rows?after=3&limit={2**63 - 1}", BOTH[1]) == (200, {"rows": [], "last": 3})


def test_status_tells_how_the_replica_stands(
    leader: ReplicaShell, peers: dict[ReplicaId, FakePeer]
) -> None:
    leader.trade(TERM, [make_trade(1)])
    status, answer = get("/status", BOTH[1])
    assert status == 200
    assert (answer["role"], answer["id"], answer["standing"]) == ("order", 2, "leading")
    assert (answer["term"], answer["leader"], answer["last"]) == (3, 2, 1)
    assert answer["digest"] == make_page(1).digest
    assert (answer["is_ready"], answer["in_sync"]) == (True, [2])
    assert [one["replica_id"] for one in answer["followers"]] == [1, 3]
    assert (answer["batches"], answer["trades"]) == (1, 1)
    assert answer["batch_sizes"] == {"p50": 1, "p95": 1, "p99": 1, "buckets": [1]}
    assert answer["reaches_catalog"]
    assert answer["uptime_s"] > 0
    assert "leading" in [event["phrase"] for event in answer["events"]]


def test_status_tells_how_far_a_follower_lags(shell: ReplicaShell) -> None:
    shell.start()
    post("/sync", append_of(12, after=9))
    answer = get("/status", BOTH[1])[1]
    assert (answer["standing"], answer["lag_orders"], answer["followers"]) == ("following", 12, [])
    assert answer["lag_ms"] >= 0


def test_status_and_ping_of_a_starting_replica_say_that_it_does_not_serve(
    shell: ReplicaShell,
) -> None:
    assert not get("/ping")[1]["is_serving"]
    answer = get("/status", BOTH[1])[1]
    assert (answer["is_ready"], answer["standing"]) == (False, "starting")


def test_status_counts_refused_callers(leader: ReplicaShell) -> None:
    Listener("bazaar.urls.order").call("POST", "/trade")
    assert get("/status", BOTH[1])[1]["refused_callers"] == refusals.count > 0


def test_the_wiring_makes_one_replica_of_the_settings(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_app.wiring.replica.cache_clear()
    shell = order_app.wiring.replica()
    assert shell is order_app.wiring.replica()
    assert (shell.machine.me, set(shell.peers)) == (ME, {NEAR, FAR})
    assert shell.machine.term == Term(0)
    order_app.wiring.replica.cache_clear()
