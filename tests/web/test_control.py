"""The control listener for real: its own port, its own URLs, members only."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from queue import Queue

import pytest
import requests
from django.conf import settings
from django.test import override_settings
from pytest_django import Settings

from bazaar.core.failures import Unreachable
from bazaar.protocol.clients import FrontEndClient
from bazaar.protocol.transport import HttpTransport
from bazaar.settings.env import SettingsError
from bazaar.topology import Node
from bazaar.web import control
from bazaar.web.endpoint import MEMBER_BODY_BYTES_MAX
from bazaar.web.listeners import open_port
from tests.support.callers import Caller, check_refused
from tests.support.listeners import signature
from tests.support.waits import WAIT_S, run_together

HOST = "127.0.0.1"
ANY_PORT = 1
"""The served port of the node; nobody listens there."""


class ClosedClient(FrontEndClient):
    """A client that ends its kept connections when the test is over."""

    def close(self) -> None:
        for transport in (self.served, self.control):
            assert isinstance(transport, HttpTransport)
            for connection in transport._idle:
                connection.close()


@dataclass(frozen=True, slots=True)
class Control:
    """A control listener of a front end that runs in this process."""

    node: Node

    def client(self) -> "ClosedClient":
        return ClosedClient.at(self.node, settings.BAZAAR_SECRET, WAIT_S)

    def url(self, path: str) -> str:
        return f"http://{self.node.host}:{self.node.control_port}{path}"


def find_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def listener() -> Iterator[Control]:
    wanted = Node(port=ANY_PORT, control_port=find_port())
    with override_settings(BAZAAR_NODE=wanted), pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "_node", None)
        server = control.open_listener(100)
        assert control.node() == wanted
        control.serve(server)
        yield Control(wanted)
        server.stop()


def test_a_members_call_is_answered(listener: Control) -> None:
    with closing(listener.client()) as client:
        status = client.status()
    assert status.role == "frontend"


def test_an_unsigned_caller_is_refused(listener: Control) -> None:
    reply = requests.get(listener.url("/status"), timeout=WAIT_S)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == 401


@pytest.mark.parametrize("path", ["/stocks?stock_name=x", "/orders", "/leader", "/nope"])
def test_what_is_served_to_clients_is_not_there(listener: Control, path: str) -> None:
    reply = requests.get(listener.url(path), timeout=WAIT_S)
    assert reply.status_code == 404
    assert path.partition("?")[0] in reply.json()["error"]["message"]


def test_a_body_that_is_too_long_is_refused(listener: Control) -> None:
    body = b"x" * (MEMBER_BODY_BYTES_MAX + 1)
    signed = signature("POST", "/invalidate", body)
    reply = requests.post(listener.url("/invalidate"), data=body, headers=signed, timeout=WAIT_S)
    assert reply.status_code == 413


def test_an_unsigned_body_is_refused_by_its_head(listener: Control) -> None:
    head = f"POST /invalidate HTTP/1.1\r\nHost: {HOST}\r\n"
    head += f"Content-Length: {MEMBER_BODY_BYTES_MAX}\r\n\r\n"
    with closing(Caller((HOST, listener.node.control_port))) as caller:
        check_refused(caller.call(head.encode()), 401)
        assert caller.is_ended()


def test_a_body_whose_head_is_known_is_checked_each_time(listener: Control) -> None:
    """What was found out about one request is nothing for the next that looks like it."""
    body, other = (
        b'{"changes": [{"stock_name": "MenhirCo", "version": %d}]}' % version for version in (2, 3)
    )
    signed = signature("POST", "/invalidate", body)["Authorization"]

    def call(authorization: str, content: bytes = body) -> int:
        lines = [f"POST /invalidate HTTP/1.1\r\nHost: {HOST}", "Content-Type: application/json"]
        lines += [f"Authorization: {authorization}"] if authorization else []
        lines += [f"Content-Length: {len(content)}\r\n\r\n"]
        return caller.call("\r\n".join(lines).encode() + content).status

    with closing(Caller((HOST, listener.node.control_port))) as caller:
        assert [call(signed), call(signed)] == [200, 200]
        assert call(signed, other) == 403
        assert call(signature("POST", "/invalidate", other)["Authorization"], other) == 200
        assert call(signed[:-1] + ("0" if signed[-1] != "0" else "1")) == 403
        assert call(signature("POST", "/invalidate", body, late_s=60)["Authorization"]) == 403
        assert call("") == 401
        assert call(signed) == 200


def test_a_request_in_pieces_is_read_whole(listener: Control) -> None:
    body = b'{"changes": [{"stock_name": "MenhirCo", "version": 2}]}'
    headers = {**signature("POST", "/invalidate", body), "Content-Type": "application/json"}
    pieces = iter([body[:10], body[10:]])
    reply = requests.post(listener.url("/invalidate"), data=pieces, headers=headers, timeout=WAIT_S)
    assert reply.json() == {"done": True}


def test_many_callers_share_the_port(listener: Control) -> None:
    with closing(listener.client()) as client:
        statuses = run_together([client.status for _ in range(20)])
    assert {status.pid for status in statuses} == {statuses[0].pid}


def test_the_served_port_is_another_one(listener: Control) -> None:
    with closing(listener.client()) as client, pytest.raises(Unreachable) as caught:
        client.served.call("GET", "/status", timeout_s=WAIT_S)
    assert caught.value.is_refused


@pytest.fixture
def taken(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give the node a control port on which somebody else listens already."""
    monkeypatch.setattr(control, "_node", None)
    with socket.create_server((HOST, 0)) as other:
        port: int = other.getsockname()[1]
        settings.BAZAAR_NODE = Node(port=ANY_PORT, control_port=port)
        yield port


def test_a_taken_port_is_a_sentence_that_names_the_variable(taken: int) -> None:
    with pytest.raises(SettingsError) as caught:
        control.open_listener(10)
    assert str(caught.value) == (
        f"BAZAAR_CLUSTER: the control port 127.0.0.1:{taken} of the frontend "
        "cannot be used (Address already in use)."
    )


def test_a_port_that_is_not_answered_yet_refuses(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """docs/adr/0052: nobody waits for a process that starts."""
    monkeypatch.setattr(control, "_node", None)
    settings.BAZAAR_NODE = Node(port=ANY_PORT, control_port=find_port())
    server = control.open_listener(10)
    transport = HttpTransport((HOST, server.port), "", settings.BAZAAR_SECRET, float)
    with pytest.raises(Unreachable) as caught:
        transport.call("GET", "/status", timeout_s=WAIT_S)
    assert caught.value.is_refused
    control.serve(server)
    try:
        transport.call("GET", "/healthz", timeout_s=WAIT_S)
    finally:
        transport.close()
        server.stop()


def test_a_port_that_is_taken_while_it_is_bound_is_a_sentence_too(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(control, "_node", None)
    settings.BAZAAR_NODE = Node(port=ANY_PORT, control_port=0)
    with closing(control.open_listener(10)) as server:
        monkeypatch.setattr(control, "_node", Node(port=ANY_PORT, control_port=server.port))
        with open_port(HOST, server.port), pytest.raises(SettingsError, match="already in use"):
            control.serve(server)


def test_one_of_several_workers_takes_another_port_and_says_which(taken: int) -> None:
    with closing(control.open_listener(10, is_shared=True)) as server:
        port = server.port
    found = control.node()
    assert found.control_port == port != taken
    assert found.port == ANY_PORT


def test_a_worker_takes_over_the_port_of_its_role_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """So operators and peers reach the process that serves, whichever worker it is."""
    monkeypatch.setattr(control, "_node", None)
    moved: Queue[Node] = Queue()
    other = socket.create_server((HOST, 0))
    wanted = Node(port=ANY_PORT, control_port=other.getsockname()[1])
    settings.BAZAAR_NODE = wanted
    server = control.open_listener(10, is_shared=True)
    own = server.port
    control.serve(server, moved.put)
    try:
        assert control.node().control_port == own
        other.close()
        assert moved.get(timeout=WAIT_S) == wanted == control.node()
        for port in (own, wanted.control_port):
            client = ClosedClient.at_address((HOST, port), settings.BAZAAR_SECRET, WAIT_S)
            with closing(client):
                assert client.status().role == "frontend"
    finally:
        server.stop()
