"""Health endpoints: for anybody, at every port, from memory, with reasons in words."""

import json
from pathlib import Path

import pytest

from bazaar.runtime.health import HealthCheck
from bazaar.runtime.token_file import TokenWatch
from bazaar.settings.env import Limits
from bazaar.web import client_auth
from bazaar.web.client_auth import ClientGate
from bazaar.web.endpoint import Port
from bazaar.web.probes import BOTH, make_health_endpoints
from bazaar.web.router import Router
from tests.support.listeners import Listener
from tests.support.routes import HEALTH, URLCONFS, list_routes

PORTS = (*URLCONFS, "bazaar.urls.dashboard")


class Checks:
    """Checks that a test sets."""

    def __init__(self) -> None:
        self.found: tuple[HealthCheck, ...] = (HealthCheck("disk"), HealthCheck("leader"))

    def __call__(self) -> tuple[HealthCheck, ...]:
        return self.found


@pytest.fixture
def checks() -> Checks:
    return Checks()


def ask(checks: Checks, path: str, query: str = "") -> tuple[int, dict[str, object]]:
    """Return status and body as the thread that reads answers, or fail."""
    router = Router(lambda environ, start: [], make_health_endpoints(checks, BOTH))
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "localhost",
    }
    answer_now = router.admit(environ, has_body=False).answer_now
    assert answer_now is not None, "it needs no thread"
    answer = answer_now(environ)
    assert answer is not None
    return int(answer[0][:3]), json.loads(answer[2])


@pytest.mark.parametrize("urlconf", PORTS)
def test_every_port_has_both(urlconf: str) -> None:
    found = {route.path: route.endpoint for route in list_routes((urlconf,))}
    for path in HEALTH:
        assert not found[path].is_for_members
        assert all(action.is_instant for action in found[path].actions)
        assert (Port.SERVED if urlconf == PORTS[-1] else BOTH[0]) in found[path].ports


@pytest.mark.parametrize("urlconf", URLCONFS)
def test_a_process_that_answers_is_healthy(urlconf: str) -> None:
    assert Listener(urlconf).call("GET", "/healthz").body == b'{"status":"ok"}'


def test_a_process_is_ready_when_nothing_is_wrong(checks: Checks) -> None:
    assert ask(checks, "/readyz") == (200, {"status": "ready"})


def test_one_that_is_not_says_why_and_is_healthy_all_the_same(checks: Checks) -> None:
    checks.found = (HealthCheck("disk", "The disk is full."), HealthCheck("leader"))
    assert ask(checks, "/readyz") == (
        503,
        {"status": "not ready", "reasons": ["The disk is full."]},
    )
    assert ask(checks, "/healthz") == (200, {"status": "ok"})


def test_the_reasons_are_those_that_it_was_refused_for(
    checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was wrong may be well again before the answer is shaped."""
    looks = iter([(HealthCheck("disk", "The disk is full."),)])
    monkeypatch.setattr(Checks, "__call__", lambda self: next(looks, (HealthCheck("disk"),)))
    assert ask(checks, "/readyz") == (
        503,
        {"status": "not ready", "reasons": ["The disk is full."]},
    )


@pytest.mark.parametrize("query", ["verbose", "verbose=1", "a=b&verbose"])
def test_verbose_lists_all_checks(checks: Checks, query: str) -> None:
    checks.found = (HealthCheck("disk", "The disk is full."), HealthCheck("leader"))
    status, body = ask(checks, "/readyz", query)
    assert status == 503
    assert body["checks"] == [
        {"name": "disk", "is_ok": False, "reason": "The disk is full."},
        {"name": "leader", "is_ok": True, "reason": ""},
    ]
    assert "checks" not in ask(checks, "/readyz", "notverbose")[1]


def test_another_failure_keeps_its_shape(checks: Checks) -> None:
    router = Router(lambda environ, start: [], make_health_endpoints(checks))
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/readyz", "HTTP_HOST": "localhost"}
    started: list[str] = []
    body = b"".join(router(environ, lambda status, headers: started.append(status)))
    assert started == ["405 Method Not Allowed"]
    assert json.loads(body)["error"]["code"] == 405


def test_no_limit_counts_a_probe(
    checks: Checks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever balances load asks from the same address as its clients."""
    watch = TokenWatch(tmp_path / "tokens.json", is_expected=False)
    gate = ClientGate(watch, Limits(address_requests_max=1))
    monkeypatch.setattr(client_auth, "gate", lambda: gate)
    assert [ask(checks, "/readyz")[0] for _ in range(3)] == [200] * 3
