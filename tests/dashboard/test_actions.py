"""The forms that change something: what they do, what they refuse, and the audit."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

import dashboard.wiring
from bazaar.core.failures import UnknownStock
from dashboard.actions import FAULT_VERBS, FaultRefused
from dashboard.models import AuditEntry
from dashboard.site import site
from tests.dashboard.conftest import Show
from tests.dashboard.statuses import catalog, front_end
from tests.support.disks import refuse_writes

FAULT = {"verb": "kill", "name": "order-3"}


class Injector:
    """Notes the faults that it should inject."""

    def __init__(self, answer: Callable[[], str]) -> None:
        self.answer, self.injected = answer, list[tuple[str, str]]()

    def __call__(self, verb: str, name: str) -> str:
        self.injected.append((verb, name))
        return self.answer()


class Catalog:
    """Knows no stock."""

    def change_price(self, stock_name: str, price: Any) -> Any:
        raise UnknownStock(f"{stock_name}, {price}: there is no such stock.")


@pytest.fixture
def make_injector(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Injector]:
    def make(answer: Callable[[], str]) -> Injector:
        made = Injector(answer)
        monkeypatch.setattr(dashboard.wiring, "fault_injector", lambda: made)
        return made

    return make


@pytest.fixture
def injector(make_injector: Callable[..., Injector]) -> Injector:
    return make_injector(lambda: "order-3: SIGKILL sent to process group 7")


def test_a_fault_is_injected_shown_once_and_audited(
    admin: Client, injector: Injector, show: Show
) -> None:
    reply = admin.post("/faults", FAULT)
    assert (reply.status_code, reply["location"]) == (302, "/?process=order-3")
    assert injector.injected == [("kill", "order-3")]
    entry = AuditEntry.objects.get()
    assert (entry.username, entry.action, entry.target) == ("admin", "fault", "kill order-3")
    assert "SIGKILL" in entry.result
    show()
    assert admin.get("/").content.decode().count(entry.result) == 1
    audit = admin.get("/dashboard/auditentry/").content.decode()
    assert f"{entry.at:%Y-%m-%d %H:%M:%S}" in audit
    assert entry.result in audit


def test_a_refusal_is_audited_too(admin: Client, make_injector: Callable[..., Injector]) -> None:
    def refuse() -> str:
        raise FaultRefused("order-3 is not running.")

    make_injector(refuse)
    admin.post("/faults", FAULT)
    assert AuditEntry.objects.get().result == "order-3 is not running."


def test_our_own_mistake_is_audited_too(
    admin: Client, make_injector: Callable[..., Injector]
) -> None:
    def fail() -> str:
        raise ZeroDivisionError

    make_injector(fail)
    assert admin.post("/faults", FAULT).status_code == 500
    assert AuditEntry.objects.get().result.startswith("The dashboard failed")


@pytest.mark.django_db(transaction=True)
def test_an_action_that_the_audit_lacks_says_so(
    admin: Client, injector: Injector, show: Show
) -> None:
    with refuse_writes():
        reply = admin.post("/faults", FAULT)
    assert (reply.status_code, injector.injected) == (302, [("kill", "order-3")])
    show()
    page = admin.get("/").content.decode()
    assert "SIGKILL sent to process group 7 The audit lacks it: " in page
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_pages_go_on_and_a_sign_in_is_refused_while_the_disk_fails(
    admin: Client, show: Show
) -> None:
    User.objects.create_superuser("other", password="a long password")
    show()
    with refuse_writes():
        assert admin.get("/").status_code == 200
        reply = admin.post("/login/", {"username": "other", "password": "a long password"})
    assert (reply.status_code, reply["Retry-After"]) == (503, "1")
    assert "cannot use its database now" in reply.json()["error"]["message"]


@pytest.mark.parametrize("name", ["catalog", "order-1", "frontend-1", "dashboard"])
def test_any_process_can_be_restarted(admin: Client, injector: Injector, name: str) -> None:
    admin.post("/faults", {"verb": "restart", "name": name})
    assert injector.injected == [("restart", name)]


def test_the_settings_name_the_injector(settings: Settings) -> None:
    made: Any = dashboard.wiring.fault_injector()
    assert type(made.__self__).__module__ == "bazaar.cluster.fault_injection"
    settings.BAZAAR_FAULT_INJECTOR = "no.such.thing"
    assert dashboard.wiring.fault_injector() is made


@pytest.mark.parametrize(
    "fields",
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
def test_a_fault_that_is_not_offered_is_not_injected(
    admin: Client, injector: Injector, fields: dict[str, str]
) -> None:
    admin.post("/faults", fields)
    assert injector.injected == []
    assert not AuditEntry.objects.exists()


def test_a_form_needs_its_token(superuser: Client, injector: Injector) -> None:
    assert superuser.post("/faults", FAULT).status_code == 403
    assert injector.injected == []


def test_without_the_flag_there_is_no_path_for_faults(settings: Settings) -> None:
    def paths() -> set[str]:
        return {str(one.pattern) for one in site.get_urls()}

    with_buttons = paths()
    settings.BAZAAR_FAULT_BUTTONS = False
    assert with_buttons - paths() == {"^faults/?$"}


@pytest.mark.parametrize("has_buttons", [True, False])
def test_the_buttons_are_shown_where_they_work(
    superuser: Client, show: Show, settings: Settings, *, has_buttons: bool
) -> None:
    show()
    settings.BAZAAR_FAULT_BUTTONS = has_buttons
    assert ('action="/faults"' in superuser.get("/").content.decode()) is has_buttons


def test_the_form_keeps_its_choice_and_asks_by_name(superuser: Client, show: Show) -> None:
    show(catalog=catalog())
    html = superuser.get("/?process=order-2").content.decode()
    assert re.findall(r"<option selected>([^<]*)", html) == ["order-2"]
    assert "selected" not in superuser.get("/").content.decode()
    asked = re.findall(r'value="(\w+)" data-confirm="([^"]*)"', html)
    assert asked == [(verb, f"{verb.capitalize()} {{name}}?") for verb in FAULT_VERBS]
    picture, form, tables = (html.index(text) for text in ("bz-picture", "/faults", "bz-rest"))
    assert picture < form < tables


def test_a_stock_is_evicted_from_every_worker_of_a_front_end(show: Show) -> None:
    worker = ("127.0.0.1", 40_123)
    status = msgspec.structs.replace(catalog(), holder_addresses=(worker,))
    show(catalog=status, frontend=front_end())
    dashboard.wiring.collector().poll()
    dashboard.wiring.collector().poll()
    clients = dashboard.wiring.list_processes(1)
    assert [one.control.address for one in clients][1:] == [worker]  # type: ignore[attr-defined]
    assert len(clients) == 2


def test_a_change_that_the_catalog_refuses_is_audited(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard.wiring, "catalog", Catalog)
    reply = admin.post("/stocks/price", {"stock_name": "NoSuchCo", "price": "2.5"})
    assert reply["location"] == "/stocks"
    assert "no such stock" in AuditEntry.objects.get().result
