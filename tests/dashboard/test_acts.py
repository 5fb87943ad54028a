"""What can be done from a page, by whom, and that it is written down."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

import dashboard.wiring
from bazaar.core.failures import UnknownStock
from dashboard.faults import NotStruck
from dashboard.models import Deed
from dashboard.site import site
from tests.dashboard.conftest import PASSWORD, catalog, front_end

STRIKE = {"verb": "kill", "name": "order-3"}


class Striker:
    """Notes what would be struck."""

    def __init__(self, answer: Callable[[], str]) -> None:
        self.answer, self.struck = answer, list[tuple[str, str]]()

    def strike(self, action: str, name: str) -> str:
        self.struck.append((action, name))
        return self.answer()


class Catalog:
    """Knows one stock."""

    def change_price(self, stock_name: str, price: Any) -> Any:
        raise UnknownStock(f"{stock_name}, {price}: there is no such stock.")


@pytest.fixture
def striker(monkeypatch: pytest.MonkeyPatch) -> Striker:
    made = Striker(lambda: "order-3: SIGKILL sent to process group 7")
    monkeypatch.setattr(dashboard.wiring, "striker", lambda: made)
    return made


@pytest.fixture
def at_ease(staff: Client) -> Client:
    """Return a signed-in browser whose forms carry their token."""
    staff.handler.enforce_csrf_checks = False
    return staff


def test_a_fault_is_struck_told_once_and_written_down(
    at_ease: Client, striker: Striker, show: Callable[..., None]
) -> None:
    reply = at_ease.post("/faults", STRIKE)
    assert (reply.status_code, reply["location"]) == (302, "/")
    assert striker.struck == [("kill", "order-3")]
    deed = Deed.objects.get()
    assert (deed.username, deed.action, deed.target) == ("admin", "fault", "kill order-3")
    assert "SIGKILL" in deed.result
    show()
    assert at_ease.get("/").content.decode().count(deed.result) == 1
    audit = at_ease.get("/dashboard/deed/").content.decode()
    assert f"{deed.at:%Y-%m-%d %H:%M:%S}" in audit
    assert deed.result in audit


def test_a_refusal_is_written_down_too(at_ease: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise NotStruck("order-3 is not running.")

    monkeypatch.setattr(dashboard.wiring, "striker", lambda: Striker(refuse))
    at_ease.post("/faults", STRIKE)
    assert Deed.objects.get().result == "order-3 is not running."


@pytest.mark.parametrize("name", ["catalog", "order-1", "frontend-1", "dashboard"])
def test_any_process_can_be_restarted(at_ease: Client, striker: Striker, name: str) -> None:
    at_ease.post("/faults", {"verb": "restart", "name": name})
    assert striker.struck == [("restart", name)]


def test_what_breaks_is_written_down_too(at_ease: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(dashboard.wiring, "striker", lambda: Striker(fail))
    assert at_ease.post("/faults", STRIKE).status_code == 500
    assert Deed.objects.get().result.startswith("It broke")


def test_the_hand_behind_the_buttons_is_the_operators_own(settings: Settings) -> None:
    made = dashboard.wiring.striker()
    assert type(made).__module__ == "bazaar.cluster.fault_injection"
    settings.BAZAAR_STRIKER = "no.such.thing"
    assert dashboard.wiring.striker() is made


@pytest.mark.parametrize(
    "wish",
    [
        {"verb": "erase", "name": "order-3"},
        {"verb": "kill", "name": "order-9"},
        {"verb": "kill", "name": "--help"},
        {"verb": "kill", "name": "dashboard"},
        {"verb": "pause", "name": "dashboard"},
        {"verb": "resume", "name": "dashboard"},
        {"verb": "kill"},
        {},
    ],
)
def test_what_is_not_offered_is_not_done(
    at_ease: Client, striker: Striker, wish: dict[str, str]
) -> None:
    at_ease.post("/faults", wish)
    assert striker.struck == []
    assert not Deed.objects.exists()


def test_a_fault_needs_the_forms_token(staff: Client, striker: Striker) -> None:
    assert staff.post("/faults", STRIKE).status_code == 403
    assert striker.struck == []


def test_a_fault_needs_staff_and_a_post(
    visitor: Client, striker: Striker, settings: Settings
) -> None:
    visitor.handler.enforce_csrf_checks = False
    assert visitor.post("/faults", STRIKE)["location"].startswith("/login/")
    visitor.force_login(
        User.objects.create_user("guest", password=PASSWORD), settings.AUTHENTICATION_BACKENDS[1]
    )
    assert visitor.post("/faults", STRIKE).status_code == 302
    assert visitor.get("/faults", STRIKE).status_code in (302, 405)
    assert striker.struck == []


def test_without_the_flag_there_is_no_such_path(settings: Settings) -> None:
    def paths() -> set[str]:
        return {str(one.pattern) for one in site.get_urls()}

    with_buttons = paths()
    settings.BAZAAR_FAULT_BUTTONS = False
    assert with_buttons - paths() == {"^faults/?$"}


@pytest.mark.parametrize("has_buttons", [True, False])
def test_the_buttons_are_shown_where_they_work(
    staff: Client, show: Callable[..., None], settings: Settings, *, has_buttons: bool
) -> None:
    show()
    settings.BAZAAR_FAULT_BUTTONS = has_buttons
    assert ('action="/faults"' in staff.get("/").content.decode()) is has_buttons


def test_a_stock_is_evicted_from_every_worker_of_a_front_end(show: Callable[..., None]) -> None:
    worker = ("127.0.0.1", 40_123)
    told = msgspec.structs.replace(catalog(), holder_addresses=(worker,))
    show(catalog=told, frontend=front_end())
    dashboard.wiring.collector().collect()
    dashboard.wiring.collector().collect()
    clients = dashboard.wiring.list_processes(1)
    assert [one.control.address for one in clients][1:] == [worker]  # type: ignore[attr-defined]
    assert len(clients) == 2


def test_a_change_that_the_catalog_refuses_is_told(
    at_ease: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard.wiring, "catalog", Catalog)
    reply = at_ease.post("/stocks/price", {"stock_name": "NoSuchCo", "price": "2.5"})
    assert reply["location"] == "/stocks"
    assert "no such stock" in Deed.objects.get().result
