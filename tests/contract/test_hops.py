"""The short way of a hop answers as the long way does, and only where it may (ADR 0014)."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import pytest

from bazaar.protocol.http1 import Reply
from bazaar.web.router import HopPath
from tests.contract.conftest import Cluster
from tests.contract.examples import EXAMPLES, Example
from tests.support.hearing import Hearing
from tests.support.listeners import JSON, Headers, Listener, signature

pytestmark = pytest.mark.usefixtures("cluster")

TOLD = ("content-type", "content-length", "retry-after")
"""With those that begin with Bazaar-, the headers that members read."""


def is_hop(example: Example) -> bool:
    return (example.method, example.path) in HopPath(refuse, example.urlconf)._hops


def refuse(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("418 the long way", [])
    return []


HOPS = [example for example in EXAMPLES if is_hop(example)]
STEADY = [example for example in HOPS if example.path != "/status"]
"""Those whose answer is not about the requests before it."""


def told(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    names = [name for name in reply.headers if name in TOLD or name.startswith("bazaar-")]
    return reply.status, {name: reply.headers[name] for name in names}, reply.body


def short(
    example: Example, target: str = "", content: bytes = b"", headers: Headers | None = None
) -> Reply:
    """Send a signed request to the hops of a listener, with nothing behind them."""
    target = target or example.target
    content = content or example.content
    signed = signature(example.method, target, content)
    kind = JSON if content else {}
    return Listener(example.urlconf).call(
        *(example.method, target, content),
        {**kind, **signed, **(headers or {})},
        through=lambda _: HopPath(refuse, example.urlconf),
    )


def long(example: Example, target: str = "", content: bytes = b"") -> Reply:
    """Send a signed request to Django itself."""
    listener = Listener(example.urlconf)
    target = target or example.target
    content = content or example.content
    signed = signature(example.method, target, content)
    return listener.call(
        *(example.method, target, content),
        {**(JSON if content else {}), **signed},
        through=lambda _: listener.django,
    )


def test_every_hop_of_a_trade_and_of_a_read_has_a_short_way() -> None:
    assert {(example.method, example.path) for example in HOPS} >= {
        ("GET", "/stock"),
        ("POST", "/batch"),
        ("POST", "/trades"),
        ("POST", "/sync"),
        ("GET", "/ping"),
        ("GET", "/order"),
        ("POST", "/invalidate"),
        ("POST", "/renew"),
    }


@pytest.mark.parametrize("example", STEADY, ids=str)
def test_both_ways_give_the_same_answer(example: Example) -> None:
    assert short(example).status == HTTPStatus.OK
    assert told(short(example)) == told(long(example))


@pytest.mark.parametrize("example", [one for one in HOPS if one not in STEADY], ids=str)
def test_both_ways_tell_a_status(example: Example) -> None:
    first, second = json.loads(short(example).body), json.loads(long(example).body)
    assert first.keys() == second.keys()
    assert (first["role"], first["up_since_s"]) == (second["role"], second["up_since_s"])


def test_every_request_is_counted_once_by_what_it_asked_for() -> None:
    hearing = Hearing()
    for headers in ({}, {"Accept": "text/html"}):
        Listener("bazaar.urls.order_control").call_signed("GET", "/ping/", headers=headers)
        Listener("bazaar.urls.order_control").call_signed("GET", "/ping", headers=headers)
    Listener("bazaar.urls.catalog").call("GET", "/stock?stock_name=a")
    Listener("bazaar.urls.catalog").call_signed("GET", "/stock?stock_name=a")
    Listener("bazaar.urls.catalog").call("GET", "/no/such/path")
    Listener("bazaar.urls.catalog").call("BREW", "/stock")
    assert hearing.requests() == {
        "GET /ping": (4, 0, 0),
        "GET /stock": (2, 2, 0),
        "other": (2, 2, 0),
    }


@pytest.mark.parametrize("target", ["/stock?stock_name=nobody", "/order?order_no=99"])
def test_both_ways_miss_alike(target: str) -> None:
    example = next(one for one in HOPS if one.path == target.partition("?")[0])
    answered = short(example, target)
    assert told(answered) == told(long(example, target))
    assert answered.status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("path", ["/batch", "/sync", "/trades"])
def test_both_ways_refuse_alike(path: str) -> None:
    """I9: the name of the failure and whether it is definite travel in headers."""
    example = next(one for one in HOPS if (one.method, one.path) == ("POST", path))
    content = json.dumps({**(example.body or {}), "term": 1}).encode()
    answered = short(example, content=content)
    assert told(answered) == told(long(example, content=content))
    assert answered.headers["bazaar-definite"] == "true"
    assert answered.status in (HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)


ODD: tuple[Headers, ...] = (
    {"Authorization": ""},
    {"Authorization": "Bazaar-HMAC-SHA256 1:00"},
    {"Accept": "text/html"},
    {"Content-Type": "text/plain"},
    {"Content-Length": "x"},
    {"Content-Length": "99999999999"},
)


@pytest.mark.parametrize("example", HOPS, ids=str)
def test_everything_else_goes_the_long_way(example: Example) -> None:
    for headers in ODD if example.method == "POST" else ODD[:3]:
        assert short(example, headers=headers).status == HTTPStatus.IM_A_TEAPOT


@pytest.mark.parametrize("example", [one for one in HOPS if one.body is not None], ids=str)
def test_a_bad_body_goes_the_long_way_and_is_still_there_to_be_read(example: Example) -> None:
    for content in (b"{", b"[]", b'{"a": "\xff"}', b"[" * 100_000):
        assert short(example, content=content).status == HTTPStatus.IM_A_TEAPOT
        reply = Listener(example.urlconf).call_signed("POST", example.target, content)
        assert reply.status == HTTPStatus.BAD_REQUEST
        assert reply.body == long(example, content=content).body


@pytest.mark.parametrize("example", [one for one in HOPS if one.query], ids=str)
def test_more_or_other_parameters_go_the_long_way(example: Example) -> None:
    for target in (example.path, f"{example.target}&a=b", f"{example.path}?b=c"):
        assert short(example, target).status == HTTPStatus.IM_A_TEAPOT


def test_our_own_mistake_is_told_and_is_indefinite(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(cluster.reader, "invalidate", fail)
    hearing = Hearing()
    example = next(one for one in HOPS if one.path == "/invalidate")
    reply = short(example)
    assert (reply.status, reply.headers["bazaar-definite"]) == (500, "false")
    assert hearing.requests() == {"POST /invalidate": (1, 0, 1)}
    assert b"secret" not in reply.body
