"""What v1 adds: keys and replays, tags, problem documents, lists (docs/API.md)."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

import frontend_app.wiring
from bazaar.core.failures import Busy, Failure, NotReplicated, Unreachable
from bazaar.protocol.errors import KINDS
from bazaar.protocol.http1 import Reply
from bazaar.web.dispatch import HeadRefusedError
from bazaar.web.endpoint import PUBLIC_BODY_BYTES_MAX
from bazaar.web.problems import MEMBER_KINDS, PROBLEM_JSON, list_kinds, read_pages
from catalog_app.models import Stock
from tests.contract.conftest import Cluster
from tests.support.histories import STOCK, make_trade
from tests.support.listeners import JSON, Listener

FRONT_END = Listener("bazaar.urls.frontend")
STOCKS, ORDERS, CLUSTER = "/api/v1/stocks", "/api/v1/orders", "/api/v1/cluster"
KEY = str(UUID(int=77))
TRADE = {"stock_name": STOCK.name, "trade_type": "buy", "quantity": 2}
PROBLEMS = Path(__file__).parents[2] / "docs" / "problems"
pytestmark = pytest.mark.usefixtures("cluster")


def call(method: str, target: str, body: Any = None, **headers: str) -> Reply:
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return FRONT_END.call(method, target, content, {**(JSON if content else {}), **named})


def get(target: str, **query: Any) -> Any:
    reply = call("GET", f"{target}?{urlencode(query)}" if query else target)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def problem(reply: Reply) -> dict[str, Any]:
    """Return a problem document, which is one."""
    assert reply.headers["content-type"] == PROBLEM_JSON
    body: dict[str, Any] = json.loads(reply.body)
    assert body["status"] == reply.status
    assert body["definite"] is (reply.headers["bazaar-definite"] == "true")
    assert ("retry-after" in reply.headers) == (reply.status in (429, 503))
    kind = body["type"].removeprefix("/problems/")
    assert body["title"] == read_pages()[kind].title
    assert call("GET", body["type"]).status == 200
    return body


# Keys and replays


@pytest.mark.parametrize("sent", [KEY, f'"{KEY}"', KEY.upper(), f'"{KEY.upper()}"'])
def test_a_key_may_be_bare_or_a_string_and_a_replay_says_so(cluster: Cluster, sent: str) -> None:
    """I2: one order, one answer."""
    first = call("POST", ORDERS, TRADE, Idempotency_Key=sent)
    again = call("POST", ORDERS, TRADE, Idempotency_Key=KEY)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == KEY
    assert again.headers["location"] == first.headers["location"] == f"{ORDERS}/3"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert cluster.shell.machine.head.order_no == 3


@pytest.mark.parametrize("sent", ['"', '""', f'"{KEY}', f'{KEY}"', f"'{KEY}'", f'"{KEY}";a=1'])
def test_what_is_no_key_is_refused(sent: str) -> None:
    reply = call("POST", ORDERS, TRADE, Idempotency_Key=sent)
    assert (reply.status, problem(reply)["type"]) == (400, "/problems/bad_request")


def test_the_older_dialects_say_nothing_of_replays() -> None:
    for _ in range(2):
        reply = call("POST", "/orders", TRADE, Idempotency_Key=KEY)
    assert "idempotency-replayed" not in reply.headers
    assert "location" not in reply.headers


# Errors


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "kind"),
    [
        ("GET", f"{STOCKS}/NoSuchCo", None, 404, "unknown_stock"),
        ("GET", f"{ORDERS}/99", None, 404, "unknown_order"),
        ("GET", f"{ORDERS}/x", None, 400, "bad_request"),
        ("GET", f"/api/v1/traces/{KEY}", None, 404, "unknown_trace"),
        ("GET", f"/api/v1/traces/%7B{30 * '0'}-7-7%7D", None, 400, "bad_request"),
        ("GET", f"{ORDERS}?limit=201", None, 400, "bad_request"),
        ("POST", ORDERS, {**TRADE, "stock_name": "NoSuchCo"}, 404, "unknown_stock"),
        ("POST", ORDERS, {**TRADE, "quantity": 10**9}, 409, "insufficient_quantity"),
        ("POST", ORDERS, {**TRADE, "trade_type": "sell", "quantity": 10**9}, 409, "overstock"),
        ("POST", ORDERS, {**TRADE, "quantity": 0}, 400, "bad_request"),
        ("PUT", ORDERS, None, 405, "method_not_allowed"),
        ("DELETE", f"{STOCKS}/MenhirCo", None, 405, "method_not_allowed"),
        ("GET", "/api/v2/stocks", None, 404, "no_such_path"),
        ("GET", "/api/v1/nothing", None, 404, "no_such_path"),
        ("GET", "/problems/nothing", None, 404, "no_such_path"),
    ],
)
def test_every_error_is_a_problem_with_a_page(
    method: str, target: str, body: Any, status: int, kind: str
) -> None:
    found = problem(call(method, target, body))
    assert (found["status"], found["type"]) == (status, f"/problems/{kind}")
    assert found["detail"]
    is_trade = body is not None
    assert ("idempotency_key" in found) is is_trade


def test_a_body_that_is_too_long_is_a_problem_before_it_is_read() -> None:
    """The server asks by the head alone."""
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": ORDERS, "HTTP_HOST": "localhost"}
    environ["SERVER_NAME"] = "127.0.0.1"
    environ["CONTENT_LENGTH"] = str(PUBLIC_BODY_BYTES_MAX + 1)
    with pytest.raises(HeadRefusedError) as refused:
        FRONT_END.router.admit(environ, has_body=True)
    status, headers, body = refused.value.answer
    assert (status[:3], dict(headers)["Content-Type"]) == ("413", PROBLEM_JSON)
    assert json.loads(body)["type"] == "/problems/body_too_large"


def test_a_key_of_another_trade_is_a_conflict_that_names_it() -> None:
    call("POST", ORDERS, TRADE, Idempotency_Key=KEY)
    found = problem(call("POST", ORDERS, {**TRADE, "quantity": 3}, Idempotency_Key=KEY))
    assert (found["status"], found["type"]) == (422, "/problems/key_reused")
    assert (found["idempotency_key"], found["definite"]) == (KEY, True)


@pytest.mark.parametrize("failure", [Busy(), Unreachable("gone"), NotReplicated()])
def test_what_may_be_repeated_says_when_and_whether_it_is_definite(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    """I9."""
    monkeypatch.setattr(cluster.watch, "place", lambda trade, began_s: failure)
    reply = call("POST", ORDERS, TRADE, Idempotency_Key=KEY)
    found = problem(reply)
    assert found["definite"] is failure.is_definite
    assert found["idempotency_key"] == KEY
    assert reply.headers["retry-after"] == "1"


def test_every_kind_that_a_client_may_get_has_a_page_and_no_other() -> None:
    kinds = set(list_kinds())
    assert {page.stem for page in PROBLEMS.glob("*.md")} == kinds
    assert {kind.name for kind in KINDS} <= kinds | MEMBER_KINDS
    for kind in kinds:
        page = get(f"/problems/{kind}")
        assert page["title"]
        assert "**What to do.**" in page["explanation"]
        html = call("GET", f"/problems/{kind}", Accept="text/html").body.decode()
        assert f"<h2>{page['title']}</h2>" in html
        assert "<strong>What to do.</strong>" in html


# Representations


@pytest.mark.parametrize("target", [f"{STOCKS}/MenhirCo", f"{ORDERS}/1", STOCKS, ORDERS])
def test_a_client_that_has_it_is_told_so(target: str) -> None:
    tag = call("GET", target).headers["etag"]
    assert tag.startswith('"')
    for known in (tag, f"W/{tag}", f'"a", {tag}', "*"):
        reply = call("GET", target, If_None_Match=known)
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in reply.headers
        assert "content-length" not in reply.headers
        assert call("HEAD", target, If_None_Match=known).status == 304
    assert call("GET", target, If_None_Match='"other"').status == 200


def test_every_representation_has_a_tag_of_its_own() -> None:
    targets = ("/stocks?stock_name=MenhirCo", "/stocks/MenhirCo", f"{STOCKS}/MenhirCo")
    tags = [call("GET", target).headers["etag"] for target in targets]
    assert tags == ['"3"', '"3-course"', '"3-v1"']
    assert "etag" not in call("GET", targets[2], Accept="text/html").headers


def test_a_change_changes_the_tag() -> None:
    tag = call("GET", f"{STOCKS}/MenhirCo").headers["etag"]
    call("POST", ORDERS, TRADE)
    reply = call("GET", f"{STOCKS}/MenhirCo", If_None_Match=tag)
    assert (reply.status, reply.headers["etag"]) == (200, '"4-v1"')


def test_an_answer_that_may_be_old_has_a_weak_tag_and_says_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("GET", f"{STOCKS}/MenhirCo")
    cluster.reader.lease.lost()

    def fail(*_: object) -> None:
        raise Unreachable(is_refused=True)

    monkeypatch.setattr(cluster.catalog, "read", fail)
    reply = call("GET", f"{STOCKS}/MenhirCo", If_None_Match='"3-v1"')
    assert (reply.status, reply.headers["etag"]) == (200, 'W/"3-v1"')
    assert json.loads(reply.body)["stale"] is True
    assert reply.headers["warning"].startswith("110")
    assert "stale" not in json.loads(call("GET", "/stocks/MenhirCo").body)["data"]


@pytest.mark.parametrize("target", [f"{STOCKS}/MenhirCo", f"{ORDERS}/1", STOCKS, ORDERS, CLUSTER])
def test_head_has_what_get_has_but_the_body(target: str) -> None:
    call("GET", target)
    shown, head = call("GET", target), call("HEAD", target)
    assert (head.status, head.body, head.headers) == (200, b"", shown.headers)


@pytest.mark.parametrize("target", [f"{STOCKS}/MenhirCo", f"{ORDERS}/1", STOCKS, ORDERS, CLUSTER])
def test_options_say_what_there_is(target: str) -> None:
    reply = call("OPTIONS", target)
    methods = [one["method"] for one in json.loads(reply.body)["methods"]]
    assert reply.headers["allow"] == ", ".join([*methods, "HEAD", "OPTIONS"])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/html;q=0.9", "application/json"),
        ("text/html, application/json;q=0.9", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
    ],
)
def test_the_weights_of_accept_are_honoured(accept: str, kind: str) -> None:
    reply = call("GET", f"{STOCKS}/MenhirCo", Accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (200, kind)
    assert "Accept" in reply.headers["vary"]


@pytest.mark.parametrize("target", [f"{STOCKS}/MenhirCo", f"{ORDERS}/1", STOCKS, ORDERS, CLUSTER])
def test_an_unknown_parameter_is_refused_by_name(target: str) -> None:
    reply = call("GET", f"{target}?sort=name")
    assert (reply.status, problem(reply)["detail"][:6]) == (400, "'sort'")
    if target == ORDERS:
        reply = call("POST", f"{target}?sort=name", TRADE)
        assert (reply.status, problem(reply)["detail"][:6]) == (400, "'sort'")


# Lists


@pytest.fixture
def _many(cluster: Cluster) -> None:
    """Add some stocks and orders."""
    for name in ("A-One", "B-Two", "C%Three", "b-four", "Ünï"):
        Stock.objects.create(name=name, price="3.5", quantity=50, opening=50, issued=90)
    trades = [make_trade(number, stock_name="B-Two") for number in (3, 5, 6)]
    cluster.shell.trade(cluster.shell.machine.term, [*trades, make_trade(7)])


@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize("limit", [1, 2, 4, 200])
def test_the_pages_of_a_list_are_the_whole_list_once(limit: int) -> None:
    stocks, orders = walk("stocks", limit), walk("orders", limit)
    names = [one["stock_name"] for one in stocks]
    assert names == sorted(["A-One", "B-Two", "C%Three", STOCK.name, "b-four", "Ünï"])
    assert [one["order_no"] for one in orders] == [6, 5, 4, 3, 2, 1]
    assert stocks[3] == get(f"{STOCKS}/{STOCK.name}")
    assert orders[0] == get(f"{ORDERS}/6")


def walk(what: str, limit: int, **query: Any) -> list[dict[str, Any]]:
    """Return all of a list, a page at a time, and see that the links lead the same way."""
    found: list[dict[str, Any]] = []
    target = f"/api/v1/{what}?{urlencode({**query, 'limit': limit})}"
    while target:
        reply = call("GET", target)
        page = json.loads(reply.body)
        assert len(page[what]) <= limit
        found += page[what]
        link = reply.headers.get("link", "")
        assert bool(link) is (page["next_cursor"] is not None)
        target = link.partition(">")[0].removeprefix("<")
    return found


@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("-", ["A-One", "B-Two", "b-four"]),
        ("b-", ["B-Two", "b-four"]),
        ("%", ["C%Three"]),
        ("_", []),
        ("ï", ["Ünï"]),
        ("", ["A-One", "B-Two", "C%Three", STOCK.name, "b-four", "Ünï"]),
    ],
)
def test_stocks_are_found_by_a_part_of_their_names(q: str, names: list[str]) -> None:
    for limit in (1, 50):
        assert [one["stock_name"] for one in walk("stocks", limit, q=q)] == names


@pytest.mark.usefixtures("_many")
def test_orders_may_be_of_one_stock_and_one_type() -> None:
    assert [one["order_no"] for one in walk("orders", 2, stock_name="B-Two")] == [5, 4, 3]
    assert walk("orders", 2, trade_type="sell") == []
    assert [one["order_no"] for one in walk("orders", 2, stock_name=STOCK.name)] == [6, 2, 1]
    assert walk("orders", 2, stock_name="NoSuchCo") == []


@pytest.mark.parametrize("cursor", [1, 2, 3, 4, 10**9, 2**63 - 1])
def test_a_list_may_begin_anywhere(cursor: int) -> None:
    found = [one["order_no"] for one in get(ORDERS, cursor=cursor)["orders"]]
    assert found == [number for number in (2, 1) if number < cursor]


def test_a_list_has_what_was_acknowledged_before(cluster: Cluster) -> None:
    """I3: an order that another front end placed a moment ago, too."""
    cluster.shell.trade(cluster.shell.machine.term, [make_trade(9)])
    assert [one["order_no"] for one in get(ORDERS)["orders"]] == [3, 2, 1]


def test_without_the_catalog_orders_are_listed_and_stocks_are_not(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unreachable("The catalog is away.", is_refused=True)

    get(ORDERS)
    for name in ("last", "search"):
        monkeypatch.setattr(cluster.catalog, name, fail)
    assert len(get(ORDERS)["orders"]) == 2
    found = problem(call("GET", STOCKS))
    assert (found["status"], found["type"]) == (503, "/problems/unreachable")


# The cluster


def test_the_cluster_says_who_leads_and_who_is_in_sync(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = get(CLUSTER)
    assert (shown["leader"], shown["term"]) == (2, 3)
    replica = {"replica_id": 2, "port": 20002, "is_alive": True, "is_leader": True}
    assert shown["replicas"] == [{**replica, "in_sync": True}]

    def fail(*_: object) -> None:
        raise Unreachable

    monkeypatch.setattr(cluster.replica, "ping", fail)
    monkeypatch.setattr(cluster.replica, "status", fail)
    assert get(CLUSTER) == shown, "it is not asked again at once"
    monkeypatch.setattr(frontend_app.wiring.cluster(), "_until_s", 0.0)
    assert get(CLUSTER)["replicas"] == [{**replica, "is_alive": False, "in_sync": None}]
    assert HTTPStatus(call("GET", CLUSTER).status) is HTTPStatus.OK
