"""No page without signing in, no guessing of passwords, and nothing that a page may not load."""

import re
import stat
from collections.abc import Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver
from pytest_django import Settings

from bazaar.settings.admin import SIGN_IN_FAILURES_MAX
from dashboard import services
from dashboard.site import SIGN_INS_MAX, site
from tests.dashboard.conftest import BACKEND, Show, check_policy

URLCONF = "bazaar.urls.dashboard"
SIGN_IN_PATHS = {"/login/", "/logout/"}
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "BREW")
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _passwords_are_hashed_quickly(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def list_paths(patterns: list[Any] | None = None, before: str = "/") -> Iterator[str]:
    """Yield one path for every pattern of the dashboard, with 1 for whatever it takes."""
    for one in patterns if patterns is not None else import_module(URLCONF).urlpatterns:
        text = re.sub(r"<[^>]*>", "1", str(one.pattern)).strip("^$").removesuffix("/?")
        if isinstance(one, URLResolver):
            yield from list_paths(one.url_patterns, before + text)
        else:
            assert isinstance(one, URLPattern)
            yield before + re.sub(r"\(\?P.*\).*|\(\?:.*", "1", text).strip("^$")


PATHS = sorted({*list_paths(), "/nope"} - SIGN_IN_PATHS)


def test_every_page_is_tested() -> None:
    assert {"/", "/api/cluster", "/auth/user/", "/dashboard/auditentry/", "/jsi18n/"} <= set(PATHS)


@pytest.mark.parametrize("is_guest", [True, False])
def test_only_staff_who_signed_in_see_anything(anonymous: Client, *, is_guest: bool) -> None:
    if is_guest:
        anonymous.force_login(User.objects.create_user("guest"), BACKEND)
    for path in PATHS:
        for method in METHODS:
            reply = anonymous.generic(method, path)
            if reply.status_code == 302:
                assert reply["location"].startswith("/login/?next=")
            else:
                assert reply.status_code in (403, 404), (method, path, reply.status_code)
            assert b"order-1" not in reply.content


def sign_in(anonymous: Client, password: str) -> int:
    """Fill the form in as a browser does and return the status."""
    form = anonymous.get("/login/").content.decode()
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    fields = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
    return anonymous.post("/login/?next=/", fields).status_code


def test_a_user_signs_in_and_out(anonymous: Client, show: Show) -> None:
    show()
    User.objects.create_superuser("admin", password=PASSWORD)
    assert sign_in(anonymous, PASSWORD) == 302
    assert anonymous.get("/").status_code == 200
    anonymous.logout()
    assert anonymous.get("/").status_code == 302


def test_a_form_without_its_token_is_refused(anonymous: Client) -> None:
    User.objects.create_superuser("admin", password=PASSWORD)
    fields = {"username": "admin", "password": PASSWORD}
    assert anonymous.post("/login/", fields).status_code == 403


def test_guessing_is_stopped_and_then_even_the_right_password_has_to_wait(
    anonymous: Client,
) -> None:
    User.objects.create_superuser("admin", password=PASSWORD)
    statuses = [sign_in(anonymous, f"wrong {number}") for number in range(SIGN_IN_FAILURES_MAX)]
    assert statuses == [*[200] * (SIGN_IN_FAILURES_MAX - 1), 429]
    assert sign_in(anonymous, PASSWORD) == 429


@pytest.mark.parametrize(
    "path",
    ["/", "/traffic", "/login/", "/api/cluster", "/auth/user/", "/auth/user/add/", "CHANGE"],
)
def test_no_page_holds_what_the_policy_would_stop(superuser: Client, show: Show, path: str) -> None:
    """A script or style in the page, a handler in an attribute, another host's address."""
    show()
    if path == "/login/":
        superuser.logout()
    path = path.replace("CHANGE", f"/auth/user/{User.objects.get().pk}/change/")
    check_policy(superuser.get(path, headers={"Accept": "text/html"}))


def test_the_first_user_is_made_once_and_the_password_is_stored(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.BAZAAR_DATA_DIR = tmp_path
    first, second = StringIO(), StringIO()
    call_command("make_admin", stdout=first)
    call_command("make_admin", stdout=second)
    path = tmp_path / "dashboard.password"
    password = path.read_text().strip()
    assert password in first.getvalue()
    assert second.getvalue() == "There are users already.\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    user = User.objects.get()
    assert (user.username, user.check_password(password)) == (services.ADMIN_NAME, True)
    assert user.is_superuser


def test_a_password_file_without_its_user_is_replaced(db: None, tmp_path: Path) -> None:
    path = tmp_path / "dashboard.password"
    path.write_text("left behind")
    password = services.make_admin(password_path=path)
    assert password
    assert path.read_text() == f"{password}\n"
    assert [one.name for one in tmp_path.iterdir()] == ["dashboard.password"]


def test_more_sign_ins_than_are_checked_at_once_are_refused(anonymous: Client) -> None:
    """Each costs half a second of processor, before it is known to be a stranger's."""
    User.objects.create_superuser("admin", password=PASSWORD)
    for _ in range(SIGN_INS_MAX):
        assert site.sign_ins.acquire(blocking=False)
    try:
        assert sign_in(anonymous, PASSWORD) == 429
        assert anonymous.get("/login/").status_code == 200
    finally:
        for _ in range(SIGN_INS_MAX):
            site.sign_ins.release()
    for _ in range(SIGN_INS_MAX + 1):  # each gives its place back
        assert sign_in(anonymous, "wrong") == 200
    assert sign_in(anonymous, PASSWORD) == 302
