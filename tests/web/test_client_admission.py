"""Who calls is found out for each request, also on connections and heads that are known."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bazaar.core.access import AccessList, AccessToken, Scope, hash_token
from bazaar.runtime import token_file
from bazaar.runtime.token_file import TokenWatch
from bazaar.settings.env import Limits
from bazaar.settings.private import FILE_MODE
from bazaar.web import client_auth
from bazaar.web.client_auth import ClientGate
from bazaar.web.dispatch import PlainService
from bazaar.web.endpoint import CLIENT_NAME, Audience, Endpoint, Environ, get, post
from bazaar.web.listeners import open_port
from bazaar.web.router import Router
from bazaar.web.server import HttpServer
from bazaar.web.server_limits import ServerLimits
from tests.support.callers import Caller, Connect, Listen, Start, echo
from tests.web.conftest import LANES

BOB = AccessToken("bob", hash_token("bobs"), (Scope.TRADE,), 100)
ANN = AccessToken("ann", hash_token("anns"), (Scope.READ,), 100)
ANYWHERE, HERE = "0.0.0.0", "127.0.0.1"  # noqa: S104 - a listener that others could reach
Call = Callable[..., Any]


class TradeBody(msgspec.Struct, frozen=True):
    """A body."""

    quantity: int


class NameQuery(msgspec.Struct, frozen=True):
    """A query."""

    name: str = "a"


class Shop:
    """Says who calls, and has tokens that a test may change."""

    def __init__(self, path: Path) -> None:
        self.path, self.watch = path, TokenWatch(path, is_expected=True)
        self.bodies = 0
        self.have(BOB, ANN)

    def have(self, *tokens: AccessToken) -> None:
        """Replace the tokens."""
        part = self.path.with_suffix(".part")
        part.write_text(token_file.encode(AccessList.of(tokens)))
        part.chmod(FILE_MODE)
        part.replace(self.path)
        self.watch.look()

    def trade(self, body: TradeBody, environ: Environ) -> dict[str, Any]:
        """Trade."""
        self.bodies += 1
        return {"client": environ.get(CLIENT_NAME)}

    def look(self, query: NameQuery, environ: Environ) -> dict[str, Any]:
        """Look."""
        return {"client": environ.get(CLIENT_NAME)}

    def service(self) -> Router:
        """Return the router."""
        trade = post(self.trade, TradeBody, TradeBody(1), takes_environ=True)
        look = get(self.look, NameQuery, takes_environ=True, is_instant=True)
        return Router(
            _nothing_here,
            (
                Endpoint("/orders", trade, audience=Audience.PUBLIC),
                Endpoint("/stocks", look, audience=Audience.PUBLIC),
            ),
        )


def _nothing_here(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path / "tokens.json")
    gate = ClientGate(shop.watch, Limits())
    monkeypatch.setattr(client_auth, "gate", lambda: gate)
    return shop


@pytest.fixture
def caller(shop: Shop, listen: Listen, connect: Connect) -> Caller:
    """Connect to a listener that others could reach."""
    server = listen(None, ANYWHERE, service=shop.service())
    assert server.environ["SERVER_NAME"] == ANYWHERE
    return connect(server)


def head(method: str, token: str | None) -> bytes:
    path = "/orders" if method == "POST" else "/stocks?name=a"
    authorization = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}".encode()


def order(token: str | None) -> bytes:
    rest = b"Content-Type: application/json\r\nContent-Length: 14\r\n\r\n"
    return head("POST", token) + rest + b'{"quantity":1}'


def read(token: str | None) -> bytes:
    return head("GET", token) + b"\r\n"


def test_each_request_of_a_connection_is_of_its_own_client(caller: Caller) -> None:
    """Heads that differ in their token only are known as one."""
    asked = [read("bobs"), read("anns"), read(None), read("bobs"), read("anns")]
    told = [caller.call(one).json()["client"] for one in asked]
    assert told == ["bob", "ann", None, "bob", "ann"]
    assert caller.call(read("eves")).status == 401
    assert caller.call(read("bobs")).json() == {"client": "bob"}


def test_a_known_head_trades_no_longer_than_its_token(
    shop: Shop, listen: Listen, connect: Connect
) -> None:
    server = listen(None, ANYWHERE, service=shop.service())
    caller = connect(server)
    for _ in range(3):
        assert caller.call(order("bobs")).json() == {"client": "bob"}
    shop.have(replace(BOB, revoked_s=200), ANN)
    assert caller.call(order("bobs")).status == 401
    assert shop.bodies == 3
    assert connect(server).call(order("anns")).status == 403
    assert connect(server).call(order(None)).status == 401


def test_a_refused_trade_is_answered_before_its_body_comes(shop: Shop, caller: Caller) -> None:
    """I10: whoever may not trade makes nobody wait for a body."""
    caller.sock.sendall(order(None)[:-14])
    answer = caller.answer()
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (401, 401)
    assert shop.bodies == 0


@pytest.mark.parametrize("hosts", [(HERE, ANYWHERE), (ANYWHERE, HERE)])
def test_one_listener_that_others_reach_is_enough(hosts: tuple[str, str]) -> None:
    """A process may listen twice: then all its trades need a token."""
    listeners = [open_port(host, 0) for host in hosts]
    server = HttpServer(PlainService(echo), listeners, ServerLimits(), LANES)
    assert server.environ["SERVER_NAME"] == ANYWHERE
    server.close()
