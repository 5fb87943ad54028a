"""Every view of every role is usable in a browser, by who may call it and by nobody else."""

import json
import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.conf import settings

from bazaar.core.failures import Unreachable
from bazaar.protocol.endpoints import EndpointBody
from bazaar.protocol.http1 import Reply
from tests.contract.conftest import Cluster
from tests.contract.refusals import snapshot
from tests.support.forms import Form, read_forms
from tests.support.histories import STOCK
from tests.support.listeners import CONTROL, Headers, Listener, signature
from tests.support.routes import Route, list_routes

pytestmark = pytest.mark.usefixtures("cluster")

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FORM = {**HTML, "Content-Type": "application/x-www-form-urlencoded"}
ROUTES = list_routes()
MEMBERS = [route for route in ROUTES if not route.is_public]
ORDERS = Listener("bazaar.urls.frontend")
BAD = frozenset({400, 401, 403, 405, 411, 413, 415, 500})


def name_of(value: object) -> str:
    return str(value)


def look(route: Route) -> str:
    """Return the page that a member's browser gets first."""
    reply = Listener(route.urlconf).call_signed("GET", route.link, headers=HTML)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    return reply.body.decode()


def plain(html: str) -> str:
    """Return the text of a page on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def told(route: Route) -> EndpointBody:
    return route.endpoint.describe()


def send(listener: Listener, form: Form, path: str, headers: Headers | None = None) -> Reply:
    """Send a form as a browser does, signed."""
    text = urlencode(form.fields)
    if form.method == "get":
        target = f"{path}?{text}" if text else path
        return listener.call_signed("GET", target, headers=HTML)
    return listener.call_signed("POST", path, text.encode(), {**FORM, **(headers or {})})


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_page_has_all_that_its_view_takes_and_runs_nothing(route: Route) -> None:
    """What it does, who may call it, and a form for every method, as one file."""
    reply = Listener(route.urlconf).call_signed("GET", route.link, headers=HTML)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    html = reply.body.decode()
    check_description(route, plain(html))
    check_forms(route, {form.method.upper(): form for form in read_forms(html)})
    assert "<script" not in html
    assert not re.findall(r"<[^>]*\s(?:style|on[a-z]+)=", html)
    assert not re.findall(r"(?:src|href|action)=[\"'](?!/[^/]|/[\"']|data:,)[^\"']", html)
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def check_description(route: Route, text: str) -> None:
    """See that a page says what the view does and who may call it."""
    for part in told(route).description.split("\n\n"):
        assert " ".join(part.replace("`", "").split()) in text
    assert f"Who may call it: {route.endpoint.audience}" in text
    assert len(told(route).description) > 60
    for method in route.methods:
        assert re.search(rf"\b{method}\b", told(route).description), "the description says how"


def check_forms(route: Route, forms: Mapping[str, Form]) -> None:
    """See that a page has a form for every method and field."""
    if route.path != "/":
        assert set(forms) == set(route.methods)
    if "POST" in forms:
        assert forms["POST"].fields, "a body has fields"
    for method in told(route).methods:
        names = [one.name for one in method.fields if one.part != "path"]
        assert method.method not in forms or list(forms[method.method].fields) == names


def test_each_form_is_made_of_the_message_that_the_view_takes() -> None:
    actions = [action for route in ROUTES for action in route.endpoint.actions if action.example]
    assert [one for one in actions if type(one.example) is not one.request] == []
    assert actions


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_every_form_is_a_good_request_as_it_is(route: Route) -> None:
    for form in read_forms(look(route)):
        reply = send(Listener(route.urlconf), form, route.link)
        assert reply.status not in BAD, plain(reply.body.decode())
        assert f"{reply.status} " in plain(reply.body.decode())


@pytest.mark.parametrize("route", MEMBERS, ids=name_of)
def test_a_browser_that_nobody_vouches_for_is_told_where_to_go(route: Route) -> None:
    """And a form that nobody signed changes nothing."""
    listener = Listener(route.urlconf)
    wrong, late = signature("GET", "/another"), signature("GET", route.path, late_s=31)
    for headers, status in (({}, 401), (wrong, 403), (late, 403)):
        reply = listener.call("GET", route.path, b"", {**HTML, **headers})
        assert reply.status == status
        html = reply.body.decode()
        assert "In a browser, sign in to the dashboard" in html
        assert "A program signs its request" in html
        assert not read_forms(html)
        assert told(route).description[:30] not in plain(html)
    forms = read_forms(look(route))
    before = snapshot()
    for form in forms:
        text = urlencode(form.fields).encode()
        target, body = (
            (f"{route.path}?{text.decode()}", b"") if form.method == "get" else (route.path, text)
        )
        assert listener.call(form.method.upper(), target, body, FORM).status == 401
    assert snapshot() == before


@pytest.mark.parametrize("listener", ["served", "control"])
def test_the_way_in_is_this_very_view_at_the_dashboard(listener: str) -> None:
    urlconf = "bazaar.urls.frontend" + ("_control" if listener == "control" else "")
    html = Listener(urlconf).call("GET", "/rm?stock_name=a", b"", HTML).body.decode()
    node = settings.BAZAAR_TOPOLOGY.dashboard
    assert f'href="http://{node.host}:{node.port}/api/frontend-2/{listener}/rm"' in html


@pytest.mark.parametrize("urlconf", sorted({route.urlconf for route in ROUTES}))
def test_the_root_lists_every_path_of_its_port(urlconf: str) -> None:
    reply = Listener(urlconf).call_signed("GET", "/")
    paths = [one["link"] for one in json.loads(reply.body)["endpoints"]]
    assert paths == [route.link for route in list_routes((urlconf,)) if route.path != "/"]
    html = Listener(urlconf).call_signed("GET", "/", headers=HTML).body.decode()
    assert all(f'href="{path}"' in html for path in paths)


def order_form(**fields: str) -> Form:
    """Return the form for an order with other things entered."""
    html = ORDERS.call("GET", "/orders", b"", HTML).body.decode()
    (form,) = (one for one in read_forms(html) if one.method == "post")
    form.fields.update({"stock_name": STOCK.name, **fields})
    return form


def place(form: Form, headers: Headers | None = None) -> Reply:
    """Send it as anybody's browser does."""
    body = urlencode(form.fields).encode()
    return ORDERS.call("POST", "/orders", body, {**FORM, **(headers or {})})


def test_an_order_is_placed_and_looked_up_in_a_browser() -> None:
    reply = place(order_form(trade_type="sell"), {"Origin": "http://127.0.0.1"})
    assert reply.status == 200
    assert '"order_no": 3' in plain(reply.body.decode())
    (look_up,) = (one for one in read_forms(reply.body.decode()) if one.method == "get")
    assert look_up.fields == {"order_no": "1"}
    page = ORDERS.call("GET", "/orders?order_no=3", b"", HTML).body.decode()
    assert '"trade_type": "sell"' in plain(page)


def test_a_page_that_is_sent_again_places_no_second_order() -> None:
    form = order_form()
    assert UUID(form.fields["Idempotency-Key"])
    assert plain(place(form).body.decode()).count('"order_no": 3') == 1
    again = place(form).body.decode()
    assert '"order_no": 3' in plain(again)
    (fresh,) = (one for one in read_forms(again) if one.method == "post")
    assert fresh.fields["Idempotency-Key"] != form.fields["Idempotency-Key"]


def test_an_order_that_may_have_happened_keeps_its_key(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I9: the same form again repeats the same trade."""

    def fail(*_: object, **__: object) -> None:
        raise Unreachable

    monkeypatch.setattr(cluster.watch, "place", fail)
    form = order_form()
    reply = place(form)
    assert reply.status == 503
    (again,) = (one for one in read_forms(reply.body.decode()) if one.method == "post")
    assert again.fields == form.fields


def test_a_program_does_not_send_forms() -> None:
    body = urlencode(order_form().fields).encode()
    headers = {"Content-Type": FORM["Content-Type"]}
    assert ORDERS.call("POST", "/orders", body, headers).status == 415


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"quantity": "x"}, "quantity: This must be a whole number."),
        ({"quantity": "0"}, "quantity: This must be from 1"),
        ({"quantity": "1.5"}, "quantity: This must be a whole number."),
        ({"trade_type": "steal"}, 'trade_type: "steal" is not a valid choice.'),
        ({"stock_name": ""}, "stock_name: this may not be empty."),
        ({"Idempotency-Key": "x"}, "Idempotency-Key: 'x' is not a UUID."),
    ],
)
def test_what_is_entered_wrongly_is_said_and_kept(fields: dict[str, str], said: str) -> None:
    reply = place(order_form(**fields))
    assert reply.status == 400
    assert said in plain(reply.body.decode()).replace("\\", "")
    (form,) = (one for one in read_forms(reply.body.decode()) if one.method == "post")
    kept = {name: form.fields[name] for name in {"quantity", "stock_name"} & set(fields)}
    assert kept == {name: fields[name] for name in kept}


def test_what_is_entered_is_escaped() -> None:
    bad = '"><script>alert(1)</script>'
    html = place(order_form(stock_name=bad)).body.decode()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_page_that_is_only_opened_shows_no_error() -> None:
    reply = ORDERS.call("GET", "/stocks", b"", HTML)
    assert reply.status == 200
    assert 'id="answer"' not in reply.body.decode()
    assert ORDERS.call("GET", "/stocks").status == 400


@pytest.mark.parametrize("urlconf", CONTROL)
def test_pages_at_a_control_port_need_no_static_files(urlconf: str) -> None:
    html = Listener(urlconf).call("GET", "/status", b"", HTML).body.decode()
    assert "<style>" in html
    assert '<link rel="stylesheet"' not in html
