"""Which client may call a public endpoint (docs/adr/0038)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bazaar.core.access import AccessList, AccessToken, Scope, hash_token
from bazaar.core.failures import (
    AccessDenied,
    Failure,
    RateLimited,
    TokenRefused,
    TokenRequired,
    TokensUnavailable,
)
from bazaar.protocol.errors import headers_of, status_of
from bazaar.runtime import token_file
from bazaar.runtime.token_file import TokenWatch
from bazaar.settings.env import Limits
from bazaar.settings.private import FILE_MODE
from bazaar.web.client_auth import ClientGate, caller_of, is_loopback

NOW_S = 1000.0
TOKENS = AccessList.of(
    (
        AccessToken("bob", hash_token("trades"), (Scope.READ, Scope.TRADE), 100),
        AccessToken("ann", hash_token("reads"), (Scope.READ,), 100),
        AccessToken("eve", hash_token("revoked"), (Scope.TRADE,), 100, revoked_s=200),
        AccessToken("old", hash_token("expired"), (Scope.TRADE,), 100, expires_s=1000),
    )
)
HERE, THERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - it is only compared
MakeGate = Callable[..., ClientGate]


@pytest.fixture
def make_gate(tmp_path: Path) -> MakeGate:
    """Return what makes a gate; its tokens are TOKENS."""
    path = tmp_path / "tokens.json"
    path.write_text(token_file.encode(TOKENS))
    path.chmod(FILE_MODE)

    def make(limits: Limits | None = None, **more: Any) -> ClientGate:
        watch = TokenWatch(path, is_expected=True)
        watch.look()
        return ClientGate(watch, limits or Limits(), **{"wall_s": lambda: NOW_S, **more})

    return make


def request(
    token: str | None = None, listener: str = HERE, address: str = "10.0.0.1"
) -> dict[str, str]:
    """Return the head of a request; token: sent as Bearer."""
    told = {"SERVER_NAME": listener, "REMOTE_ADDR": address}
    return told if token is None else {**told, "HTTP_AUTHORIZATION": f"Bearer {token}"}


@pytest.mark.parametrize("listener", [HERE, THERE])
def test_anybody_may_read(make_gate: MakeGate, listener: str) -> None:
    assert make_gate().check(request(listener=listener), is_trade=False) is None


def test_anybody_may_trade_on_loopback(make_gate: MakeGate) -> None:
    assert make_gate().check(request(), is_trade=True) is None


@pytest.mark.parametrize("listener", [THERE, "::", "10.0.0.7", "192.0.2.1", "", "host.example"])
def test_a_trade_beyond_loopback_needs_a_token(make_gate: MakeGate, listener: str) -> None:
    with pytest.raises(TokenRequired, match=r"manage\.py token create NAME") as caught:
        make_gate().check(request(listener=listener), is_trade=True)
    assert status_of(caught.value) == 401
    assert headers_of(caught.value)["WWW-Authenticate"].startswith("Bearer ")
    assert make_gate().check(request("trades", listener), is_trade=True) == "bob"


def test_the_operator_may_open_or_close_it(make_gate: MakeGate) -> None:
    opened = make_gate(anonymous_trades=True)
    assert opened.check(request(listener=THERE), is_trade=True) is None
    closed = make_gate(anonymous_trades=False)
    with pytest.raises(TokenRequired):
        closed.check(request(), is_trade=True)
    assert closed.check(request(), is_trade=False) is None


@pytest.mark.parametrize("token", ["unknown", "revoked", "expired", "", "trades, Bearer trades"])
@pytest.mark.parametrize("is_trade", [True, False])
def test_a_token_that_is_not_good_is_refused_everywhere(
    make_gate: MakeGate, token: str, *, is_trade: bool
) -> None:
    """On loopback too: whoever sends one means to be somebody."""
    with pytest.raises(TokenRefused) as caught:
        make_gate(anonymous_trades=True).check(request(token), is_trade=is_trade)
    assert status_of(caught.value) == 401
    challenge = headers_of(caught.value)["WWW-Authenticate"]
    assert challenge == 'Bearer realm="bazaar", error="invalid_token"'
    assert "token" in caught.value.message


def test_a_scope_that_is_missing_is_said(make_gate: MakeGate) -> None:
    gate = make_gate()
    assert gate.check(request("reads"), is_trade=False) == "ann"
    with pytest.raises(AccessDenied, match="--scope trade") as caught:
        gate.check(request("reads"), is_trade=True)
    assert status_of(caught.value) == 403
    assert 'error="insufficient_scope"' in headers_of(caught.value)["WWW-Authenticate"]


@pytest.mark.parametrize("authorization", ["bearer trades", "BEARER   trades", "Bearer trades "])
def test_the_scheme_is_read_as_http_has_it(make_gate: MakeGate, authorization: str) -> None:
    told = {**request(listener=THERE), "HTTP_AUTHORIZATION": authorization}
    assert make_gate().check(told, is_trade=True) == "bob"


@pytest.mark.parametrize("authorization", ["", "Basic Ym9iOng=", "Bazaar 1:2:3", "trades"])
def test_another_scheme_is_no_token(make_gate: MakeGate, authorization: str) -> None:
    told = {**request(listener=THERE), "HTTP_AUTHORIZATION": authorization}
    assert make_gate().check(told, is_trade=False) is None
    with pytest.raises(TokenRequired):
        make_gate().check(told, is_trade=True)


def test_tokens_that_cannot_be_read_are_said_to_be(make_gate: MakeGate, tmp_path: Path) -> None:
    gate = make_gate()
    (tmp_path / "tokens.json").unlink()
    gate.watch.look()
    with pytest.raises(TokensUnavailable) as caught:
        gate.check(request("trades"), is_trade=True)
    assert (status_of(caught.value), headers_of(caught.value)["Retry-After"]) == (503, "1")
    assert gate.check(request(), is_trade=True) is None, "who shows none is as before"


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def passed(gate: ClientGate, *told: dict[str, str]) -> list[bool]:
    """Tell of each request whether its rate was admitted."""

    def try_one(one: dict[str, str]) -> bool:
        try:
            gate.check(one, is_trade=False)
        except RateLimited:
            return False
        except Failure:
            return True
        return True

    return [try_one(one) for one in told]


def test_each_token_and_each_address_has_a_rate(make_gate: MakeGate) -> None:
    clock = Clock()
    limits = Limits(token_requests_max=3, address_requests_max=2, rate_window_s=6)
    gate = make_gate(limits, monotonic_s=clock)
    bob, ann, nobody = request("trades"), request("reads"), request()
    assert passed(gate, *[bob] * 4, *[ann] * 4) == [True, True, True, False] * 2
    assert passed(gate, *[nobody] * 3) == [True, True, False]
    assert passed(gate, request(address="10.0.0.2")) == [True]
    clock.now_s = 2.0
    assert passed(gate, bob, bob, nobody) == [True, False, False]


def test_a_wrong_token_counts_for_its_address(make_gate: MakeGate) -> None:
    """Otherwise tokens could be guessed without a limit."""
    gate = make_gate(Limits(address_requests_max=2), monotonic_s=lambda: 0.0)
    guesses = [request(f"guess {number}") for number in range(4)]
    assert passed(gate, *guesses) == [True, True, False, False]
    assert passed(gate, request("trades")) == [True], "a good one is not held up by them"


def test_a_refusal_for_its_rate_has_the_headers(make_gate: MakeGate) -> None:
    gate = make_gate(Limits(address_requests_max=4, rate_window_s=60), monotonic_s=lambda: 0.0)
    passed(gate, *[request()] * 4)
    with pytest.raises(RateLimited) as caught:
        gate.check(request(), is_trade=True)
    assert status_of(caught.value) == 429
    headers = headers_of(caught.value)
    assert headers["Retry-After"] == "15"
    assert headers["RateLimit-Policy"] == '"address";q=4;w=60'
    assert headers["RateLimit"] == '"address";r=0;t=15'
    assert "4 in 60 s" in caught.value.message


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),  # noqa: S104 - it is only compared
        ("::", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_site_of_ipv6_is_one_caller() -> None:
    """It has 2**64 addresses to itself; otherwise a limit would be none."""
    assert caller_of("2001:db8::1") == caller_of("2001:db8::ffff:1")
    assert caller_of("2001:db8::1") != caller_of("2001:db8:0:1::1")
    assert caller_of("::ffff:10.0.0.1") == caller_of("10.0.0.1")
    assert caller_of("10.0.0.1") != caller_of("10.0.0.2")
    assert caller_of("odd") == "odd"
