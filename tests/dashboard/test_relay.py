"""A process that is dead, slow or hostile, seen through the dashboard's API pages."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from django.test import Client
from pytest_django import Settings

import dashboard.wiring
from bazaar.topology import local
from dashboard import relay
from dashboard.models import Deed
from dashboard.relay import Courier
from tests.support.servers import ScriptedServer, answer
from tests.support.waits import WAIT_S

PING = "/api/order-1/control/ping"


def page(staff: Client, path: str, status: int) -> str:
    reply = staff.get(path)
    assert reply.status_code == status
    return reply.content.decode()


@pytest.fixture
def scripted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ScriptedServer]]:
    """Return what puts a server with these manners in the place of order-1's control port."""
    made: list[ScriptedServer] = []

    def given(*script: Any) -> ScriptedServer:
        server = ScriptedServer(list(script))
        made.append(server)
        one = local(1)
        node = msgspec.structs.replace(one.replicas[0], control_port=server.address[1])
        topology = msgspec.structs.replace(one, replicas=(node,))
        courier = Courier(topology, settings.BAZAAR_SECRET)
        monkeypatch.setattr(dashboard.wiring, "courier", lambda: courier)
        return server

    yield given
    for server in made:
        server.close()


def listing(path: str = "/ping", method: str = "GET", text: str = "Alive?", **more: Any) -> bytes:
    told = {"method": method, "changes": method == "POST", **more}
    endpoint = {"path": path, "description": text, "audience": text, "methods": [told]}
    return json.dumps({"endpoints": [endpoint]}).encode()


def hang_up(server: ScriptedServer, connection: Any) -> bool:
    return False


@pytest.mark.parametrize(
    "script",
    [
        [hang_up],
        [answer(listing()), hang_up],
        [answer(b"not json")],
        [answer(b"{}", status="403 Forbidden")],
    ],
)
def test_a_process_that_fails_is_a_page_that_says_so(
    staff: Client, scripted: Callable[..., ScriptedServer], script: list[Any]
) -> None:
    scripted(*script)
    html = page(staff, PING, 503)
    assert 'id="fault"' in html
    assert "<html" in html


def test_a_dead_process_is_a_page_that_says_so(
    staff: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    scripted().stop_listening()
    assert "did not answer: [Errno" in page(staff, PING, 503)
    assert "did not answer: [Errno" in page(staff, "/api", 200)


def test_a_silent_process_is_waited_for_so_long_and_no_longer(
    staff: Client, scripted: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LOOK_TIMEOUT_S", 0.05)

    def hang(server: ScriptedServer, connection: Any) -> bool:
        server.release.wait()
        return False

    scripted(hang)
    assert "timed out" in page(staff, PING, 503)


def test_a_process_that_dribbles_is_not_heard_for_ever(
    staff: Client, scripted: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LOOK_TIMEOUT_S", 0.2)
    ended = threading.Event()

    def dribble(server: ScriptedServer, connection: Any) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n")
        try:
            while not server.release.wait(0.02):
                connection.sendall(b"x")
        finally:
            ended.set()
        return False

    scripted(dribble)
    assert "the answer ended too soon" in page(staff, PING, 503)
    assert ended.wait(WAIT_S)


def test_what_changes_something_is_sent_once_and_may_have_happened(
    staff: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    """A connection that dies is no reason to trade twice."""
    staff.handler.enforce_csrf_checks = False
    server = scripted(answer(listing(method="POST")), hang_up)
    reply = staff.post(PING, {"_method": "POST"})
    assert reply.status_code == 503
    assert "It may have happened" in reply.content.decode()
    assert [one.split(b" HTTP")[0] for one in server.requests] == [b"GET /", b"POST /ping"]
    assert "It may have happened" in Deed.objects.get().result


def test_what_a_process_says_is_escaped(
    staff: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    """Whoever takes a dead process's port can say anything."""
    bad = "<script>alert(1)</script>"
    field = {"name": bad, "part": "query", "example": bad, "hint": bad, "is_required": False}
    told = listing(text=bad, fields=[field])
    scripted(answer(told), answer(json.dumps(bad).encode(), f"X-Bad: {bad}\r\n"))
    html = page(staff, f"{PING}?{'a=b'}&%3Cscript%3Ealert(1)%3C%2Fscript%3E=1", 200)
    assert html.count("&lt;script&gt;") >= 6
    assert bad not in html


def test_an_idempotency_key_brings_no_header_of_its_own(
    staff: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    staff.handler.enforce_csrf_checks = False
    field = {"name": "Idempotency-Key", "part": "header"}
    server = scripted(answer(listing(method="POST", fields=[field])), answer())
    staff.post(PING, {"_method": "POST", "Idempotency-Key": "a\r\nAuthorization: b"})
    assert server.requests[1].count(b"Authorization:") == 2
    assert b"Idempotency-Key: a??Authorization: b\r\n" in server.requests[1]
