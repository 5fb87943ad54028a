"""Everything but the public paths is for cluster members, and whoever is refused is counted."""

import pytest
from pytest_django import Settings

from bazaar.protocol import identity
from bazaar.protocol.http1 import Reply
from bazaar.protocol.signing import SCHEME
from bazaar.topology import Role
from bazaar.web import member_auth
from bazaar.web.decoding import EndpointRefusedError
from bazaar.web.member_auth import refusals
from tests.support.listeners import JSON, Headers, Listener, signature
from tests.support.routes import (
    HEALTH,
    MEMBER_URLCONFS,
    METRICS,
    PUBLIC,
    URLCONFS,
    Route,
    list_routes,
)

MEMBERS = [route for route in list_routes() if not route.is_public]
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "BREW")
QUERY = "/query?stock_name=MenhirCo"


def name_of(value: object) -> str:
    return str(value)


def ask(headers: Headers, path: str = QUERY, body: bytes = b"") -> Reply:
    """Call the catalog."""
    return Listener("bazaar.urls.catalog").call("GET", path, body, headers)


def test_every_path_that_is_not_public_demands_a_member() -> None:
    """A new endpoint is for members unless `PUBLIC` is extended on purpose."""
    routes = list_routes()
    assert [str(one) for one in routes if one.endpoint.is_for_members == one.is_public] == []


@pytest.mark.parametrize("urlconf", MEMBER_URLCONFS)
def test_no_path_inside_the_cluster_is_public(urlconf: str) -> None:
    found = {route.path for route in list_routes((urlconf,)) if route.is_public}
    assert set(HEALTH) <= found <= {*HEALTH, *METRICS}


def test_only_the_front_end_has_public_paths() -> None:
    others = {urlconf for urlconf, path in PUBLIC if path not in (*HEALTH, *METRICS)}
    assert others == set(URLCONFS) - set(MEMBER_URLCONFS)
    assert {path for _, path in PUBLIC} <= {route.path for route in list_routes()}


@pytest.mark.parametrize("route", MEMBERS, ids=name_of)
def test_an_unsigned_or_wrongly_signed_request_is_refused(route: Route) -> None:
    listener = Listener(route.urlconf)
    for method in METHODS:
        reply = listener.call(method, route.path, b"", JSON)
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == SCHEME
        headers = {**JSON, **signature(method, "/another")}
        assert listener.call(method, route.path, b"", headers).status == 403


@pytest.mark.django_db
def test_a_good_signature_is_let_in() -> None:
    odd = f"{QUERY}&a=%41%2F"
    assert ask(signature("GET", QUERY)).status == 404
    assert ask(signature("GET", odd), odd).status == 404


@pytest.mark.parametrize(
    ("path", "body", "late_s"),
    [
        ("/query?stock_name=BoarCo", b"", 0),
        ("/query?stock_name=MenhirCo&a=b", b"", 0),
        ("/query/?stock_name=MenhirCo", b"", 0),
        (QUERY, b"x", 0),
        (QUERY, b"", 31),
        (QUERY, b"", -31),
    ],
)
def test_a_signature_of_another_request_or_time_is_refused(
    path: str, body: bytes, late_s: float
) -> None:
    assert ask(signature("GET", QUERY, late_s=late_s), path, body).status == 403


@pytest.mark.django_db
@pytest.mark.parametrize("late_s", [29, -28])
def test_a_signature_is_good_for_half_a_minute(late_s: float) -> None:
    assert ask(signature("GET", QUERY, late_s=late_s)).status == 404


@pytest.mark.parametrize("receiver", ["catalog", "order-1", "frontend-2", "127.0.0.1:30002", "x"])
def test_a_signature_for_another_process_is_refused(receiver: str) -> None:
    before = refusals.count
    reply = ask(signature("GET", QUERY, receiver=receiver))
    assert reply.status == 403
    assert f"signed for {receiver}, but this process is frontend-1" in reply.body.decode()
    assert refusals.count == before + 1


def test_the_trade_of_a_catalog_is_not_one_of_a_replica(settings: Settings) -> None:
    body = b'{"stock_name": "MenhirCo", "trade_type": "buy", "quantity": 1}'
    signed = {**JSON, **signature("POST", "/trade", body, receiver="catalog")}
    settings.BAZAAR_ROLE, settings.BAZAAR_NODE = Role.ORDER, settings.BAZAAR_TOPOLOGY.replica(2)
    reply = Listener("bazaar.urls.order").call("POST", "/trade", body, signed)
    assert (reply.status, b"this process is order-2" in reply.body) == (403, True)


@pytest.mark.django_db
def test_a_lease_holder_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_auth, "_holder_names", set())
    signed = signature("GET", QUERY, receiver="[::1]:4711")
    assert ask(signed).status == 403
    member_auth.add_holder_name("[::1]:4711")
    assert ask(signed).status == 404


def test_the_head_alone_shows_the_member_and_the_digest() -> None:
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/sync", "QUERY_STRING": ""}
    environ["HTTP_AUTHORIZATION"] = signature("POST", "/sync", b"{}")["Authorization"]
    before, digest = refusals.count, member_auth.check_head(environ)
    member_auth.check_body(digest, b"{}")
    assert refusals.count == before
    with pytest.raises(EndpointRefusedError, match="not the one that was signed"):
        member_auth.check_body(digest, b"{} ")
    assert refusals.count == before + 1


def test_another_secret_is_refused(settings: Settings) -> None:
    signed = signature("GET", QUERY)
    settings.BAZAAR_SECRET = b"the secret of another cluster, 32 bytes"
    assert ask(signed).status == 403


def test_a_session_cookie_or_password_lets_nobody_in() -> None:
    assert ask({"Cookie": "sessionid=1"}).status == 401
    assert ask({"Authorization": "Basic YTpi"}).status == 403


def test_refused_callers_are_counted() -> None:
    before = refusals.count
    ask({})
    ask({"Authorization": "x"})
    assert refusals.count == before + 2


def test_members_are_not_counted() -> None:
    before = refusals.count
    Listener("bazaar.urls.order").call_signed("BREW", "/ping")
    assert refusals.count == before


def test_public_paths_need_no_signature() -> None:
    for urlconf, path in PUBLIC:
        assert Listener(urlconf).call("BREW", path).status == 405


@pytest.mark.parametrize(
    ("theirs", "ours", "status"),
    [("a", "a", 404), ("b", "a", 403), ("", "a", 404), ("b", "", 404)],
    ids=["same", "another", "not told", "not known here"],
)
@pytest.mark.django_db
def test_a_request_of_another_cluster_is_refused(
    theirs: str, ours: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However well it is signed: the secret may be a copy (docs/adr/0031)."""
    monkeypatch.setattr(identity, "cluster", lambda: ours)
    path = QUERY
    headers = signature("GET", path)
    if theirs:
        headers[identity.HEADER] = theirs
    assert ask(headers).status == status
    reply = ask(headers)
    if status == 403:
        assert b"is of the cluster b, but this process is of a." in reply.body
