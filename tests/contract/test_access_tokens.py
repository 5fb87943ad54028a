"""A trade with an access token, from the front end to every database (docs/adr/0038)."""

import json
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import pytest

from bazaar.core.access import AccessList, AccessToken, Scope, hash_token
from bazaar.core.types import OrderNo, Position
from bazaar.protocol.http1 import Reply
from bazaar.runtime import token_file
from bazaar.runtime.metrics import events
from bazaar.runtime.token_file import TokenWatch
from bazaar.settings.env import Limits
from bazaar.settings.private import FILE_MODE
from bazaar.web import client_auth
from bazaar.web.client_auth import ClientGate
from catalog_app import models
from order_app.models import LogEntry
from tests.contract.conftest import Cluster
from tests.support.forms import read_forms
from tests.support.histories import STOCK
from tests.support.listeners import JSON, Headers, Listener

TOKENS = AccessList.of(
    (
        AccessToken("bob", hash_token("trades"), (Scope.READ, Scope.TRADE), 100),
        AccessToken("ann", hash_token("reads"), (Scope.READ,), 100),
        AccessToken("new", hash_token("newer"), (Scope.TRADE,), 100),
    )
)
HTML = {"Accept": "text/html"}
TRADE = {"stock_name": STOCK.name, "trade_type": "buy", "quantity": 3}
KEY = UUID(int=77)
pytestmark = pytest.mark.usefixtures("cluster")


def make_gate(path: Path, limits: Limits | None = None, *, is_open: bool = False) -> ClientGate:
    """Return a gate; is_open: whether trades need no token."""
    path.write_text(token_file.encode(TOKENS))
    path.chmod(FILE_MODE)
    watch = TokenWatch(path, is_expected=True)
    watch.look()
    return ClientGate(watch, limits or Limits(), anonymous_trades=is_open)


@pytest.fixture(autouse=True)
def _closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the front end refuse trades without a token."""
    _use(make_gate(tmp_path / "tokens.json"), monkeypatch)


def _use(gate: ClientGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_auth, "gate", lambda: gate)


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def trade(
    headers: Headers | None = None,
    *,
    path: str = "/orders",
    body: object = TRADE,
    key: UUID = KEY,
) -> Reply:
    """Place a trade."""
    told = {**JSON, "Idempotency-Key": str(key), **(headers or {})}
    return Listener("bazaar.urls.frontend").call("POST", path, json.dumps(body).encode(), told)


def test_an_order_remembers_who_placed_it_everywhere(cluster: Cluster) -> None:
    reply = trade(bearer("trades"))
    assert (reply.status, json.loads(reply.body)) == (200, {"order_no": 3})
    assert cluster.replica.look_up(OrderNo(3)).placed_by == "bob"
    assert models.Entry.objects.get(pk=3).placed_by == "bob"
    assert LogEntry.objects.get(pk=3).placed_by == "bob"
    assert [row.placed_by for row in cluster.catalog.rows(OrderNo(0), 9).rows] == [
        *(None, None, "bob"),
    ]
    page = cluster.catalog.ledger(Position(2), 9)
    assert page == cluster.replica.log(Position(2), 9)
    assert [getattr(entry, "placed_by", "") for entry in page.entries] == ["bob"]
    assert cluster.shell.log.find_fault() == ""


def test_the_seeds_answers_do_not_change() -> None:
    trade(bearer("trades"))
    shown = Listener("bazaar.urls.frontend").call("GET", "/orders?order_no=3")
    assert json.loads(shown.body) == {"data": {"order_no": 3, **TRADE}}


def test_a_retry_with_a_newer_token_is_the_same_order() -> None:
    """I2: a token that is replaced while a client repeats its trade makes no second one."""
    first, second = trade(bearer("trades")), trade(bearer("newer"))
    assert first.body == second.body
    assert models.Entry.objects.get(key=KEY).placed_by == "bob"


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({}, 401, "`manage.py token create NAME`"),
        (bearer("guess"), 401, "not known"),
        (bearer("reads"), 403, "--scope trade"),
    ],
)
def test_a_trade_that_is_refused_says_what_to_do(headers: Headers, status: int, told: str) -> None:
    """I9: definitely nothing was done."""
    reply = trade(headers)
    body = json.loads(reply.body)
    assert (reply.status, body["order_no"], set(body)) == (status, -1, {"order_no", "message"})
    assert told in body["message"]
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert reply.headers["bazaar-definite"] == "true"
    assert reply.headers["idempotency-key"] == str(KEY)
    assert models.Entry.objects.count() == 2


@pytest.mark.parametrize(
    ("token", "status", "kind", "challenge"),
    [
        (None, 401, "token_required", 'scope="trade"'),
        ("guess", 401, "token_refused", 'error="invalid_token"'),
        ("reads", 403, "access_denied", 'error="insufficient_scope"'),
    ],
)
def test_in_v1_a_refusal_is_a_problem_that_names_the_key(
    token: str | None, status: int, kind: str, challenge: str
) -> None:
    reply = trade(bearer(token) if token else {}, path="/api/v1/orders")
    found = json.loads(reply.body)
    assert (reply.status, found["status"]) == (status, status)
    assert reply.headers["content-type"] == "application/problem+json"
    assert (found["type"], found["definite"]) == (f"/problems/{kind}", True)
    assert found["idempotency_key"] == reply.headers["idempotency-key"] == str(KEY)
    assert challenge in reply.headers["www-authenticate"]
    assert models.Entry.objects.count() == 2


@pytest.mark.parametrize("path", ["/stocks/MenhirCo", "/orders/1"])
def test_in_the_courses_dialect_a_refusal_is_its_error(path: str) -> None:
    reply = Listener("bazaar.urls.frontend").call("GET", path, headers=bearer("guess"))
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], set(error)) == (401, 401, {"code", "message"})
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]


def test_every_dialect_notes_who_placed_an_order_and_v1_shows_it() -> None:
    course = {"name": STOCK.name, "type": "buy", "quantity": 3}
    by_course = trade(bearer("trades"), body=course, key=UUID(int=78))
    assert json.loads(by_course.body) == {"data": {"transaction_number": 3}}
    by_v1 = trade(bearer("newer"), path="/api/v1/orders", key=UUID(int=79))
    assert (by_v1.status, json.loads(by_v1.body)["placed_by"]) == (201, "new")
    listener = Listener("bazaar.urls.frontend")
    listed = json.loads(listener.call("GET", "/api/v1/orders").body)["orders"]
    assert [order["placed_by"] for order in listed] == ["new", "bob", None, None]
    for order in listed:
        shown = listener.call("GET", f"/api/v1/orders/{order['order_no']}")
        assert json.loads(shown.body) == order
    assert "placed_by" not in listener.call("GET", "/orders/3").body.decode()


def test_reads_are_open_and_a_wrong_token_is_refused_there_too() -> None:
    listener = Listener("bazaar.urls.frontend")
    target = f"/stocks?{urlencode({'stock_name': STOCK.name})}"
    assert listener.call("GET", target).status == 200
    assert listener.call("GET", target, headers=bearer("reads")).status == 200
    refused = listener.call("GET", target, headers=bearer("guess"))
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (401, 401)


def test_too_many_requests_are_429(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(address_requests_max=1, rate_window_s=3600)
    _use(make_gate(tmp_path / "tokens.json", limits), monkeypatch)
    assert trade().status == 401
    reply = trade()
    assert reply.status == 429
    assert int(reply.headers["retry-after"]) > 3500
    assert reply.headers["ratelimit-policy"] == '"address";q=1;w=3600'
    listed = Listener("bazaar.urls.frontend").call("GET", "/api/v1/stocks")
    assert (listed.status, json.loads(listed.body)["type"]) == (429, "/problems/rate_limited")
    assert {"retry-after", "ratelimit", "ratelimit-policy"} <= set(listed.headers)
    assert trade(bearer("trades")).status == 200


def test_a_form_trades_where_no_token_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(make_gate(tmp_path / "tokens.json", is_open=True), monkeypatch)
    reply = send_form()
    assert reply.status == 200
    assert models.Entry.objects.get(pk=3).placed_by is None


def test_a_form_says_why_it_may_not_trade() -> None:
    reply = send_form()
    assert reply.status == 401
    assert "manage.py token create NAME" in reply.body.decode()
    assert models.Entry.objects.count() == 2


def send_form() -> Reply:
    """Send the form for trades as a browser does."""
    listener = Listener("bazaar.urls.frontend")
    page = listener.call("GET", "/orders", headers=HTML).body.decode()
    (form,) = (one for one in read_forms(page) if one.method == "post")
    fields = {**form.fields, **{name: str(value) for name, value in TRADE.items()}}
    told = {**HTML, "Content-Type": "application/x-www-form-urlencoded"}
    return listener.call("POST", "/orders", urlencode(fields).encode(), told)


def test_no_event_has_a_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        for token in ("guess-of-a-token", "trades", "reads"):
            trade(bearer(token))
    assert "guess-of-a-token" not in caplog.text
    assert "guess-of-a-token" not in str(events.snapshot())
