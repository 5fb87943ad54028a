"""Staff may do what a superuser permits, and nothing else; everybody who signed in may look."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

import dashboard.wiring
from bazaar.core.failures import UnknownStock
from dashboard.actions import ACTIONS, FaultAction
from dashboard.models import PERMISSIONS, AuditEntry
from dashboard.panels import PANELS
from tests.dashboard.conftest import Show

SignIn = Callable[..., Client]
PAGES = ["/" if panel.is_index else f"/{panel.name}" for panel in PANELS]
TRADE = {"stock_name": "3M", "trade_type": "buy", "quantity": "1"}
ACTS = {
    "trade": ("/stocks/trade", TRADE),
    "change_price": ("/stocks/price", {"stock_name": "3M", "price": "1"}),
    "evict": ("/cache/evict", {"stock_name": "3M", "front_end": "1"}),
    "inject_fault": ("/faults", {"verb": "kill", "name": "order-1"}),
}
"""By permission, the path and the fields of a form."""
READS = {
    "browse_api": ("/api", "/api/order-1/control/status"),
    "view_auditentry": ("/dashboard/auditentry/",),
}
"""By permission, the paths of pages."""
CHANGING_FORMS = r'action="(/(?:stocks|cache|faults)[^"]*)"'


@pytest.fixture(autouse=True)
def _nothing_is_reached(monkeypatch: pytest.MonkeyPatch, show: Show) -> None:
    """Let every call of the cluster fail with the same words."""

    def refuse(*_: object) -> Any:
        raise UnknownStock("reached")

    show()
    for name in ("public_client", "catalog", "list_processes", "fault_injector"):
        monkeypatch.setattr(dashboard.wiring, name, refuse)


def test_each_permission_permits_something_and_is_in_the_database(db: None) -> None:
    assert {*ACTS, *READS} == set(PERMISSIONS)
    assert {*(one.permission for one in ACTIONS), FaultAction.permission} == set(ACTS)
    own = Permission.objects.filter(content_type__app_label="dashboard")
    assert dict(own.values_list("codename", "name")) == PERMISSIONS


def test_staff_without_permissions_see_every_page_and_no_form(sign_in: SignIn) -> None:
    staff = sign_in()
    for path in PAGES:
        reply = staff.get(path)
        assert reply.status_code == 200
        html = reply.content.decode()
        assert re.findall(CHANGING_FORMS, html) == []
        for link in ("/api", "/auth/user/", "/dashboard/auditentry/"):
            assert f'href="{link}"' not in html


@pytest.mark.parametrize("permission", ACTS)
def test_a_form_needs_its_own_permission(sign_in: SignIn, permission: str) -> None:
    path, fields = ACTS[permission]
    staff = sign_in(*(name for name in PERMISSIONS if name != permission))
    reply = staff.post(path, fields)
    assert reply.status_code == 403
    assert PERMISSIONS[permission] in reply.content.decode()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("permission", ACTS)
def test_a_form_needs_no_other_permission(sign_in: SignIn, permission: str) -> None:
    path, fields = ACTS[permission]
    staff = sign_in(permission)
    pages = "".join(staff.get(page).content.decode() for page in PAGES)
    assert set(re.findall(CHANGING_FORMS, pages)) == {path}
    assert staff.post(path, fields).status_code == 302
    entry = AuditEntry.objects.get()
    assert (entry.username, entry.result) == ("somebody", "reached")


@pytest.mark.parametrize("permission", READS)
def test_a_page_needs_its_own_permission(sign_in: SignIn, permission: str) -> None:
    staff = sign_in(*(name for name in PERMISSIONS if name != permission))
    for path in READS[permission]:
        assert staff.get(path).status_code == 403
    assert f'href="{READS[permission][0]}"' not in staff.get("/").content.decode()
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename=permission))
    for path in READS[permission]:
        assert staff.get(path).status_code in (200, 503)
    assert f'href="{READS[permission][0]}"' in staff.get("/").content.decode()


def test_a_permission_without_staff_permits_nothing(sign_in: SignIn) -> None:
    guest = sign_in(*PERMISSIONS, is_staff=False)
    for path, fields in ACTS.values():
        assert guest.post(path, fields)["location"].startswith("/login/")
    for path in ("/api", "/dashboard/auditentry/", *PAGES):
        assert guest.get(path)["location"].startswith("/login/")


def test_a_superuser_permits_and_takes_back(superuser: Client) -> None:
    user = User.objects.create_user("somebody", is_staff=True)
    path = f"/auth/user/{user.pk}/change/"
    html = superuser.get(path).content.decode()
    offered = dict(_list_checkboxes(html))
    assert set(offered.values()) == set(PERMISSIONS.values())
    superuser.handler.enforce_csrf_checks = False
    wanted = [number for number, name in offered.items() if name.startswith(("API", "Stocks"))]
    for chosen in (wanted, []):
        fields = {"username": "somebody", "is_active": "on", "is_staff": "on"}
        assert superuser.post(path, {**fields, "user_permissions": chosen}).status_code == 302
        names = {one.name for one in user.user_permissions.all()}
        assert names == {offered[number] for number in chosen}


def _list_checkboxes(html: str) -> list[tuple[str, str]]:
    """Return value and label of each checkbox for a permission."""
    boxes = re.findall(
        r"<label[^>]*>(?:(?!</label>).)*user_permissions(?:(?!</label>).)*</label>", html, re.S
    )
    return [
        (re.findall(r'value="(\d+)"', box)[0], " ".join(re.sub(r"<[^>]*>", "", box).split()))
        for box in boxes
    ]


def test_no_other_permission_can_be_given(superuser: Client) -> None:
    """Neither one of the admin nor one that an earlier version left in the database."""
    user = User.objects.create_user("somebody", is_staff=True)
    superuser.handler.enforce_csrf_checks = False
    kind = Permission.objects.get(codename="browse_api").content_type
    for other in (
        Permission.objects.get(codename="change_user"),
        Permission.objects.create(codename="delete_deed", name="any", content_type=kind),
    ):
        fields = {"username": "somebody", "is_active": "on", "user_permissions": [other.pk]}
        reply = superuser.post(f"/auth/user/{user.pk}/change/", fields)
        assert reply.status_code == 200
        assert "not one of the available choices" in reply.content.decode()
        assert not user.user_permissions.exists()


def test_staff_cannot_permit_anything_to_themselves(sign_in: SignIn) -> None:
    staff = sign_in(*PERMISSIONS)
    user = User.objects.get()
    fields = {"username": "somebody", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    for path in ("/auth/user/", "/auth/user/add/", f"/auth/user/{user.pk}/change/"):
        assert staff.get(path).status_code == 403
        assert staff.post(path, fields).status_code == 403
    user.refresh_from_db()
    assert not user.is_superuser
