"""Staff read every endpoint through the dashboard; nothing that changes something is signed."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
import pytest
from django.conf import settings
from django.test import Client
from pytest_django import Settings

import dashboard.wiring
import order_app.wiring
from bazaar import clock
from bazaar.core.failures import NotServing, Unreachable
from bazaar.protocol.http1 import Reply
from bazaar.protocol.leadership_messages import PingBody
from bazaar.protocol.signing import SCHEME, digest_of, verify
from bazaar.protocol.transport import HttpTransport
from bazaar.topology import Role, local
from bazaar.web.endpoint import Audience
from dashboard import api_relay
from dashboard.api_relay import READ_PATHS, ApiRelay
from dashboard.models import AuditEntry
from tests.dashboard.conftest import check_policy
from tests.support.forms import read_forms
from tests.support.listeners import Listener
from tests.support.servers import ScriptedServer, answer, end
from tests.support.waits import WAIT_S

PING, SYNC, TRADE = (
    "/api/order-1/control/ping",
    "/api/order-1/control/sync",
    "/api/order-1/served/trade",
)
PINGED = PingBody(
    replica_id=1, port=20001, term=7, leader=1, last=42, is_serving=True, is_leading=True
)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "BREW")


class StartingReplica:
    """A replica that serves nothing yet."""

    def __getattr__(self, name: str) -> Any:
        raise NotServing


class ListeningReplica:
    """order-1 with the real URLs of both ports; every other process is dead."""

    def __init__(self) -> None:
        node = local(1).replicas[0]
        self.urlconfs = {
            node.address: "bazaar.urls.order",
            node.control_address: "bazaar.urls.order_control",
        }
        self.requests: list[str] = []

    @property
    def targets(self) -> list[str]:
        """The requests without those for the index."""
        return [one for one in self.requests if one != "GET /"]


class ReplicaTransport(HttpTransport):
    """Calls a listening replica without a network."""

    def __init__(self, replica: ListeningReplica, address: tuple[str, int], name: str) -> None:
        super().__init__(address, name, b"", clock.wall_s)
        self.replica = replica

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        if self.address not in self.replica.urlconfs:
            raise Unreachable(f"{self.address} did not answer: refused")
        self.replica.requests.append(f"{method} {path}")
        listener = Listener(self.replica.urlconfs[self.address])
        with ThreadPoolExecutor(1) as pool:  # the request under way keeps its connection
            return pool.submit(listener.call_signed, method, path, body).result()


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch) -> ListeningReplica:
    made = ListeningReplica()
    relay = ApiRelay(local(1), partial(ReplicaTransport, made))
    monkeypatch.setattr(dashboard.wiring, "api_relay", lambda: relay)
    monkeypatch.setattr(order_app.wiring, "ping", lambda: PINGED)
    monkeypatch.setattr(order_app.wiring, "replica", StartingReplica)
    return made


@pytest.fixture
def scripted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ScriptedServer]]:
    """Return what puts a real server with a script in the place of order-1's control port."""
    made: list[ScriptedServer] = []

    def given(*script: Any) -> ScriptedServer:
        server = ScriptedServer(list(script))
        made.append(server)
        one = local(1)
        node = msgspec.structs.replace(one.replicas[0], control_port=server.address[1])
        settings.BAZAAR_TOPOLOGY = msgspec.structs.replace(one, replicas=(node,))
        relay = dashboard.wiring.api_relay.__wrapped__()
        monkeypatch.setattr(dashboard.wiring, "api_relay", lambda: relay)
        return server

    yield given
    for server in made:
        server.close()


def index(path: str = "/ping", text: str = "Alive?", **more: Any) -> bytes:
    """Return an index with one endpoint, a GET that is said to change nothing."""
    method = {"method": "GET", "changes": False, **more}
    endpoint = {"path": path, "description": text, "audience": text, "methods": [method]}
    return json.dumps({"endpoints": [endpoint]}).encode()


def read_page(client: Client, path: str, status: int = 200) -> str:
    reply = client.get(path)
    assert reply.status_code == status
    return reply.content.decode()


def test_the_list_has_every_process_and_what_it_serves(
    superuser: Client, replica: ListeningReplica
) -> None:
    html = read_page(superuser, "/api")
    for path in (PING, SYNC, TRADE, "/api/cluster", "/api/traffic"):
        assert f'href="{path}"' in html
    for name in ("catalog", "order-1", "frontend-1"):
        assert f'id="{name}" open' in html
    assert "did not answer" in html, "catalog and front end are dead"
    assert 'href="/api"' in read_page(superuser, PING), "it is in the navigation"


def test_staff_see_what_an_endpoint_does_and_its_answer(
    superuser: Client, replica: ListeningReplica
) -> None:
    html = read_page(superuser, PING)
    assert "Return whether this replica is alive" in html
    assert "Who may call it" in html
    assert "&quot;last&quot;: 42" in html
    assert replica.targets == ["GET /ping"]
    assert not AuditEntry.objects.exists(), "reading is not audited"


def test_a_read_is_signed(superuser: Client, scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted(answer(index()), answer())
    read_page(superuser, PING)
    signed = re.findall(rb"Authorization: (.*)\r", server.requests[1])[0].decode()
    stamp = int(re.findall(rf"{SCHEME} (\d+) ", signed)[0])
    named = verify(settings.BAZAAR_SECRET, signed, "GET", "/ping", stamp)
    assert named == ("order-1", digest_of(b""))


def test_only_listed_fields_are_passed_on(superuser: Client, replica: ListeningReplica) -> None:
    read_page(superuser, f"{PING}?a=b&Authorization=c")
    read_page(superuser, "/api/order-1/control/log?after=0&limit=1%26x=y&a=b")
    assert replica.targets == ["GET /ping", "GET /log?after=0&limit=1%26x%3Dy"]


def test_an_endpoint_is_not_read_before_its_form_is_filled_in(
    superuser: Client, replica: ListeningReplica
) -> None:
    html = read_page(superuser, "/api/order-1/control/log")
    assert 'id="answer"' not in html
    (form,) = (one for one in read_forms(html) if one.action == "/api/order-1/control/log")
    assert (form.method, form.fields) == ("get", {"after": "0", "limit": "10"})
    assert replica.targets == []


def test_a_query_that_is_too_long_is_not_sent(superuser: Client, replica: ListeningReplica) -> None:
    long = "1" * api_relay.TARGET_CHARS_MAX
    html = read_page(superuser, f"/api/order-1/control/log?after={long}&limit=1", 413)
    assert "longer than" in html
    assert replica.targets == []


# What changes something


def test_only_endpoints_that_change_nothing_are_readable() -> None:
    """
    Every `GET` is readable, or says that it changes something, or takes another proof.

    Longer paths are public: a browser asks the front end itself.
    """
    found = dict[str, set[str]]()
    for role in (role for role in Role if role.has_control_port):
        for urlconf in (f"bazaar.urls.{role}", f"bazaar.urls.{role}_control"):
            listed = json.loads(Listener(urlconf).call_signed("GET", "/").body)["endpoints"]
            found.setdefault(role, set()).update(
                one["path"]
                for one in listed
                for method in one["methods"]
                if (method["method"], method["changes"]) == ("GET", False)
                and one["audience"] != Audience.MONITOR
                and one["path"].count("/") == 1
            )
    assert found == READ_PATHS


@pytest.mark.parametrize("path", [SYNC, TRADE])
def test_an_endpoint_that_changes_something_is_described_and_not_called(
    admin: Client, replica: ListeningReplica, path: str
) -> None:
    query = "?stock_name=3M&trade_type=buy&quantity=1&_method=GET&_method=POST"
    html = read_page(admin, path + query)
    assert "Not sent from the dashboard, because it changes something" in html
    assert 'id="answer"' not in html
    assert not [one for one in read_forms(html) if one.action == path]
    for method in METHODS:
        admin.generic(method, path + query, "_method=GET&_method=POST")
    assert replica.targets == []
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "path", ["/trade", "/rm", "/sync", "/batch", "/renew", "/leadership", "/x"]
)
def test_the_index_of_a_liar_gets_nothing_else_signed(
    admin: Client, scripted: Callable[..., ScriptedServer], path: str
) -> None:
    """A process on a dead one's port may say that a call changes nothing, and pass it on."""
    field = {"name": "stock_name", "part": "query"}
    server = scripted(*[answer(index(path, fields=[field]))] * 9)
    html = read_page(admin, f"/api/order-1/control{path}?stock_name=3M")
    assert 'id="answer"' not in html
    for method in METHODS:
        admin.generic(method, f"/api/order-1/control{path}?stock_name=3M")
    assert {one.split(b" HTTP")[0] for one in server.requests} == {b"GET /"}


def test_a_read_that_is_said_to_change_something_is_not_sent(
    superuser: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(answer(index(changes=True)))
    assert "because it changes something: GET" in read_page(superuser, PING)
    assert len(server.requests) == 1


def test_a_readable_endpoint_takes_no_other_method(
    admin: Client, replica: ListeningReplica
) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "BREW"):
        assert admin.generic(method, PING, "_method=GET").status_code == 405
    assert replica.requests == []


@pytest.mark.parametrize(
    ("path", "action"),
    [("/orders", "/stocks/trade"), ("/price", "/stocks/price"), ("/rm", "/cache/evict")],
)
def test_an_endpoint_with_a_form_of_the_dashboard_shows_it(
    superuser: Client, scripted: Callable[..., ScriptedServer], path: str, action: str
) -> None:
    scripted(answer(index(path, method="POST", changes=True)))
    (form,) = (
        one
        for one in read_forms(read_page(superuser, f"/api/order-1/control{path}"))
        if one.method == "post" and one.action != "/logout/"
    )
    assert form.action == action
    assert form.fields["csrfmiddlewaretoken"]


TRICKS = (
    *("/api/order-1/control/../served/trade", "/api/order-1/control/..", "/api/order-1/control/."),
    *("/api/order-1/control//evil.example/ping", "/api/order-1/control/http://evil.example/"),
    *("/api/order-1/control/%2e%2e%2fserved", "/api/order-1/control/%2F%2Fevil.example"),
    *("/api/order-1/control/ping%2f..%2fsync", "/api/order-1/control/ping%3fa=b"),
    *("/api/order-1/control/ping%0d%0aX:1", "/api/order-1/control/ping%0a"),
    *("/api/order-1/control/", "/api/order-1/control/ping/x", "/api/order-1/control/ping;a"),
    *("/api/order-1/control/PING", "/api/order-1/control/%70ing%00", "/api/order-1/static/a"),
    *("/api/order-2/control/ping", "/api/order-01/control/ping", "/api/order/control/ping"),
    *("/api/dashboard/served/login", "/api/dashboard/control/ping", "/api/127.0.0.1/control/ping"),
    *("/api/order-1/other/ping", "/api/order-1:22/control/ping", "/api/order-1@evil/control/ping"),
    *("/api/order-1/control/%EF%BC%8E", "/api/order-1%2fcontrol/ping/x"),
    *("/api/%2e%2e/control/ping", "/api/order-1/control/" + "a" * 21),
)


def test_no_other_path_is_signed(superuser: Client, replica: ListeningReplica) -> None:
    for path in TRICKS:
        assert superuser.get(path).status_code == 404, path
    assert replica.requests == []


def test_a_path_that_the_listener_does_not_list_is_not_read(
    superuser: Client, replica: ListeningReplica
) -> None:
    for word in ("nope", "static", "rm", "query"):
        assert superuser.get(f"/api/order-1/control/{word}").status_code == 404
    assert replica.targets == []


# A process that is dead, slow or hostile


@pytest.mark.parametrize(
    "script",
    [
        [end],
        [answer(index()), end],
        [answer(b"not json")],
        [answer(b"{}", status="403 Forbidden")],
    ],
)
def test_a_process_that_fails_is_a_page_that_says_so(
    superuser: Client, scripted: Callable[..., ScriptedServer], script: list[Any]
) -> None:
    scripted(*script)
    html = read_page(superuser, PING, 503)
    assert 'id="fault"' in html
    assert "<html" in html


def test_a_dead_process_is_a_page_that_says_so(
    superuser: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    scripted().stop_listening()
    assert "did not answer: [Errno" in read_page(superuser, PING, 503)
    assert "did not answer: [Errno" in read_page(superuser, "/api")


def test_a_silent_process_is_waited_for_until_the_timeout(
    superuser: Client, scripted: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_relay, "READ_TIMEOUT_S", 0.05)

    def stay_silent(server: ScriptedServer, connection: Any) -> bool:
        server.release.wait()
        return False

    scripted(stay_silent)
    assert "timed out" in read_page(superuser, PING, 503)


def test_an_answer_that_comes_in_drops_is_cut_off(
    superuser: Client, scripted: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_relay, "READ_TIMEOUT_S", 0.2)
    ended = threading.Event()

    def drip(server: ScriptedServer, connection: Any) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n")
        try:
            while not server.release.wait(0.02):
                connection.sendall(b"x")
        finally:
            ended.set()
        return False

    scripted(drip)
    assert "the answer ended too soon" in read_page(superuser, PING, 503)
    assert ended.wait(WAIT_S)


def test_what_a_process_says_is_escaped(
    superuser: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    """A process on a dead one's port can say anything."""
    bad = "<script>alert(1)</script>"
    field = {"name": bad, "part": "query", "example": bad, "hint": bad, "is_required": False}
    scripted(
        answer(index(text=bad, fields=[field])),
        answer(json.dumps(bad).encode(), f"X-Bad: {bad}\r\n"),
    )
    html = read_page(superuser, f"{PING}?a=b&%3Cscript%3Ealert(1)%3C%2Fscript%3E=1")
    assert html.count("&lt;script&gt;") >= 6
    assert bad not in html


# The pages themselves


@pytest.mark.parametrize("path", ["/api", PING, SYNC, TRADE, "/api/stocks?after=1"])
def test_the_pages_hold_nothing_that_the_policy_would_stop(
    superuser: Client, replica: ListeningReplica, path: str
) -> None:
    check_policy(superuser.get(path, headers={"Accept": "text/html"}))


def test_the_listeners_are_those_of_the_description() -> None:
    relay = ApiRelay(local(2), partial(ReplicaTransport, ListeningReplica()))
    assert [(one.process, one.port_name) for one in relay.listeners] == [
        (name, port_name)
        for name in ("catalog", "order-1", "order-2", "frontend-1")
        for port_name in ("served", "control")
    ]
    assert relay.find_listener("dashboard", "served") is None
    assert relay.find_listener("order-3", "served") is None
