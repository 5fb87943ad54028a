"""The browsable API at the dashboard: every endpoint for staff, nothing else for anybody."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

import dashboard.wiring
import order_app.wiring
from bazaar.core.types import ReplicaId
from bazaar.protocol.messages import PingBody
from bazaar.protocol.signing import SCHEME, fault
from bazaar.topology import local
from dashboard import relay
from dashboard.models import Deed
from dashboard.relay import Courier
from tests.dashboard.conftest import PASSWORD
from tests.dashboard.ports import Replica, Starting
from tests.support.forms import Form, read_forms

PING, SYNC, TRADE = (
    "/api/order-1/control/ping",
    "/api/order-1/control/sync",
    "/api/order-1/served/trade",
)
PINGED = PingBody(
    replica_id=1, port=20001, term=7, leader=1, last=42, is_serving=True, is_leading=True
)


@pytest.fixture
def replica(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    made = Replica()
    courier = Courier(made.topology, settings.BAZAAR_SECRET)
    monkeypatch.setattr(dashboard.wiring, "courier", lambda: courier)
    monkeypatch.setattr(order_app.wiring, "ping", lambda: PINGED)
    monkeypatch.setattr(order_app.wiring, "replica", Starting)
    yield made
    made.served.end()
    made.control.end()


def forms_at(staff: Client, path: str) -> dict[str, Form]:
    """Return the forms for an endpoint by the method that they are for."""
    html = staff.get(path).content.decode()
    told = [one for one in read_forms(html) if one.action == path]
    return {one.fields.get("_method", one.method.upper()): one for one in told}


def page(staff: Client, path: str, status: int = 200) -> str:
    reply = staff.get(path)
    assert reply.status_code == status
    return reply.content.decode()


def test_the_list_has_every_process_and_what_it_serves(staff: Client, replica: Replica) -> None:
    html = page(staff, "/api")
    for path in (PING, SYNC, TRADE, "/api/cluster", "/api/traffic"):
        assert f'href="{path}"' in html
    for name in ("catalog", "order-1", "frontend-1"):
        assert f'id="{name}"' in html
    assert "did not answer" in html, "catalog and front end are dead"
    assert 'href="/api"' in page(staff, PING), "it is in the navigation"


def test_staff_see_what_an_endpoint_does_and_answers(staff: Client, replica: Replica) -> None:
    html = page(staff, PING)
    assert "Return whether this replica is alive" in html
    assert "Who may call it" in html
    assert "&quot;last&quot;: 42" in html
    (came,) = (one for one in replica.control.came if one["PATH_INFO"] == "/ping")
    signed = came["HTTP_AUTHORIZATION"]
    stamp = int(re.findall(rf"{SCHEME} (\d+):", signed)[0])
    secret = dashboard.wiring.courier()._secret
    assert fault(secret, signed, "GET", "/ping", b"", stamp) == ""


def test_staff_send_a_form_and_see_the_answer(staff: Client, replica: Replica) -> None:
    form = forms_at(staff, SYNC)["POST"]
    reply = staff.post(SYNC, form.fields)
    assert reply.status_code == 200
    assert "503 Service Unavailable" in reply.content.decode(), "the replica is starting"
    assert replica.targets == ["POST /sync"]
    deed = Deed.objects.get()
    assert (deed.username, deed.action) == ("admin", "api")
    assert deed.target == "order-1 control POST /sync"
    assert deed.result.startswith("503 Service Unavailable")


def test_a_form_without_its_token_is_not_sent(staff: Client, replica: Replica) -> None:
    form = forms_at(staff, SYNC)["POST"]
    del form.fields["csrfmiddlewaretoken"]
    assert staff.post(SYNC, form.fields).status_code == 403
    assert replica.targets == []
    assert not Deed.objects.exists()


@pytest.mark.parametrize("is_guest", [True, False])
def test_nobody_but_staff_gets_anything_signed(
    visitor: Client, replica: Replica, *, is_guest: bool
) -> None:
    if is_guest:
        guest = User.objects.create_user("guest", password=PASSWORD)
        visitor.force_login(guest, "django.contrib.auth.backends.ModelBackend")
    visitor.handler.enforce_csrf_checks = False
    for path in ("/api", PING, SYNC, TRADE):
        for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"):
            reply = visitor.generic(method, path, "_method=GET&_method=POST")
            assert reply.status_code == 302
            assert reply["location"].startswith("/login/?next=")
    assert replica.came == []


def test_a_request_without_a_form_changes_nothing(staff: Client, replica: Replica) -> None:
    """The seed's dialect trades on GET; a link must not."""
    staff.handler.enforce_csrf_checks = False
    query = "?stock_name=3M&trade_type=buy&quantity=1&_method=GET&_method=POST"
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        staff.generic(method, TRADE + query)
        staff.generic(method, SYNC + query)
    assert replica.targets == []


def test_a_get_that_changes_something_is_a_form_with_a_token(
    staff: Client, replica: Replica
) -> None:
    form = forms_at(staff, TRADE)["GET"]
    assert form.method == "post"
    assert form.fields["csrfmiddlewaretoken"]
    staff.post(TRADE, form.fields)
    assert replica.targets == ["GET /trade?stock_name=3M&trade_type=buy&quantity=1"]
    assert Deed.objects.get().target == (
        "order-1 served GET /trade?stock_name=3M&trade_type=buy&quantity=1"
    )


def test_a_form_cannot_name_a_method_that_is_not_offered(staff: Client, replica: Replica) -> None:
    staff.handler.enforce_csrf_checks = False
    for method in ("GET", "POST", "DELETE", "PUT", "", "get", "POST /x"):
        assert staff.post(PING, {"_method": method}).status_code == 400
    assert replica.targets == []


TRICKS = (
    *("/api/order-1/control/../served/trade", "/api/order-1/control/..", "/api/order-1/control/."),
    *("/api/order-1/control//evil.example/ping", "/api/order-1/control/http://evil.example/"),
    *("/api/order-1/control/%2e%2e%2fserved", "/api/order-1/control/%2F%2Fevil.example"),
    *("/api/order-1/control/ping%2f..%2fsync", "/api/order-1/control/ping%3fa=b"),
    *(
        "/api/order-1/control/ping%0d%0aX:1",
        "/api/order-1/control/ping%0a",
        "/api/order-1/control/",
    ),
    *("/api/order-1/control/PING", "/api/order-1/control/%70ing%00", "/api/order-1/control/ping/x"),
    *("/api/order-2/control/ping", "/api/order-01/control/ping", "/api/order/control/ping"),
    *("/api/dashboard/served/login", "/api/dashboard/control/ping", "/api/127.0.0.1/control/ping"),
    *("/api/order-1/other/ping", "/api/order-1:22/control/ping", "/api/order-1@evil/control/ping"),
    *(
        "/api/order-1/control/%EF%BC%8E",
        "/api/order-1%2fcontrol/ping/x",
        "/api/%2e%2e/control/ping",
    ),
    *("/api/order-1/control/" + "a" * 21, "/api/order-1/control/ping;a", "/api/order-1/static/a"),
)


def test_no_other_path_is_signed(staff: Client, replica: Replica) -> None:
    staff.handler.enforce_csrf_checks = False
    for path in TRICKS:
        for method in ("GET", "POST"):
            assert staff.generic(method, path).status_code == 404, path
    assert replica.came == []


def test_a_path_that_the_listener_does_not_list_is_not_asked_for(
    staff: Client, replica: Replica
) -> None:
    staff.handler.enforce_csrf_checks = False
    for word in ("nope", "static", "rm", "batch", "price"):
        for method in ("GET", "POST"):
            reply = staff.generic(method, f"/api/order-1/control/{word}")
            assert reply.status_code == 404
    assert replica.targets == []


def test_only_listed_fields_are_passed_on(staff: Client, replica: Replica) -> None:
    page(staff, f"{PING}?a=b&Authorization=c")
    page(staff, "/api/order-1/control/log?after=0&limit=1%26x=y&a=b")
    assert replica.targets == ["GET /ping", "GET /log?after=0&limit=1%26x%3Dy"]


def test_too_much_is_not_sent(
    staff: Client, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = forms_at(staff, SYNC)["POST"]
    form.fields["body"] = "x" * (relay.BODY_BYTES_MAX + 1)
    reply = staff.post(SYNC, form.fields)
    assert reply.status_code == 413
    assert "At most" in reply.content.decode()
    assert replica.targets == []


def test_a_question_without_its_fields_is_not_asked_yet(staff: Client, replica: Replica) -> None:
    html = page(staff, "/api/order-1/control/log")
    assert 'id="answer"' not in html
    assert forms_at(staff, "/api/order-1/control/log")["GET"].fields == {
        "after": "0",
        "limit": "10",
    }
    assert replica.targets == []


@pytest.mark.parametrize("path", ["/api", PING, SYNC, TRADE, "/api/stocks?after=1"])
def test_the_pages_hold_nothing_that_the_policy_would_stop(
    staff: Client, replica: Replica, path: str
) -> None:
    reply = staff.get(path, headers={"Accept": "text/html"})
    html = reply.content.decode()
    assert "<html" in html
    assert not re.findall(r"<style(?![^>]*nonce)|<script(?![^>]*(?:src|nonce))", html)
    assert not re.findall(r"<[^>]*\s(?:style|on[a-z]+)=", html)
    assert not re.findall(r"(?:src|href|action)=[\"']?(?:https?:)?//", html)
    assert "unsafe-inline" not in reply["content-security-policy"]


@pytest.mark.parametrize("name", ["cluster", "cache", "stocks", "orders", "events", "traffic"])
def test_a_panels_json_is_a_page_in_a_browser(
    staff: Client, show: Callable[..., None], name: str
) -> None:
    show()
    html = staff.get(f"/api/{name}", headers={"Accept": "text/html"}).content.decode()
    assert "as an object" in html
    assert "Who may call it: Staff" in html
    assert 'id="answer"' in html
    assert staff.get(f"/api/{name}")["content-type"] == "application/json"


def test_a_panels_page_shows_strangers_the_sign_in_only(visitor: Client) -> None:
    reply = visitor.get("/api/cluster", headers={"Accept": "text/html"})
    assert reply.status_code == 403
    assert 'href="/login/?next=%2Fapi%2Fcluster"' in reply.content.decode()
    assert "unsafe-inline" not in reply["content-security-policy"]
    assert 'style nonce="' in reply.content.decode()


def test_the_places_are_those_of_the_description() -> None:
    courier = Courier(local(2), b"x" * 32)
    assert [(one.process, one.listener) for one in courier.places] == [
        (name, listener)
        for name in ("catalog", "order-1", "order-2", "frontend-1")
        for listener in ("served", "control")
    ]
    assert courier.place("dashboard", "served") is None
    assert courier.place(f"order-{ReplicaId(3)}", "served") is None
