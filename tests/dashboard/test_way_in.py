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
from tests.dashboard.conftest import PASSWORD, Show

URLCONF = "bazaar.urls.dashboard"
WAY_IN = {"/login/", "/logout/"}
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "BREW")


def list_paths(patterns: list[Any] | None = None, before: str = "/") -> Iterator[str]:
    """Yield one path for every pattern of the dashboard, with 1 for whatever it takes."""
    for one in patterns if patterns is not None else import_module(URLCONF).urlpatterns:
        text = re.sub(r"<[^>]*>", "1", str(one.pattern)).strip("^$").removesuffix("/?")
        if isinstance(one, URLResolver):
            yield from list_paths(one.url_patterns, before + text)
        else:
            assert isinstance(one, URLPattern)
            yield before + re.sub(r"\(\?P.*\).*|\(\?:.*", "1", text).strip("^$")


PATHS = sorted({*list_paths(), "/nope"} - WAY_IN)


def test_every_page_is_looked_at() -> None:
    assert {"/", "/api/cluster", "/auth/user/", "/dashboard/deed/", "/jsi18n/"} <= set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_to_who_has_not_signed_in(visitor: Client, path: str) -> None:
    for method in METHODS:
        reply = visitor.generic(method, path)
        if reply.status_code == 302:
            assert reply["location"].startswith("/login/?next=")
        else:
            assert reply.status_code in (403, 404), (method, reply.status_code)
        assert b"order-1" not in reply.content


@pytest.mark.parametrize("path", ["/", "/api/cluster"])
def test_who_is_not_staff_sees_nothing(visitor: Client, path: str) -> None:
    visitor.force_login(
        User.objects.create_user("guest", password=PASSWORD),
        "django.contrib.auth.backends.ModelBackend",
    )
    assert visitor.get(path).status_code in (302, 403)


def sign_in(visitor: Client, password: str) -> int:
    """Fill the form in as a browser does and return the status."""
    form = visitor.get("/login/").content.decode()
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    fields = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
    return visitor.post("/login/?next=/", fields).status_code


def test_a_user_signs_in_and_out(visitor: Client, show: Show) -> None:
    show()
    User.objects.create_superuser("admin", password=PASSWORD)
    assert sign_in(visitor, PASSWORD) == 302
    assert visitor.get("/").status_code == 200
    visitor.logout()
    assert visitor.get("/").status_code == 302


def test_a_form_without_its_token_is_refused(visitor: Client) -> None:
    User.objects.create_superuser("admin", password=PASSWORD)
    fields = {"username": "admin", "password": PASSWORD}
    assert visitor.post("/login/", fields).status_code == 403


def test_guessing_is_stopped_and_then_even_the_right_password_has_to_wait(visitor: Client) -> None:
    User.objects.create_superuser("admin", password=PASSWORD)
    statuses = [sign_in(visitor, f"wrong {number}") for number in range(SIGN_IN_FAILURES_MAX)]
    assert statuses == [*[200] * (SIGN_IN_FAILURES_MAX - 1), 429]
    assert sign_in(visitor, PASSWORD) == 429


def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline(
    staff: Client, show: Show
) -> None:
    show()
    for path in ("/", "/login/", "/auth/user/", "/api/cluster"):
        policy = staff.get(path)["content-security-policy"]
        assert "unsafe-inline" not in policy
        assert "http" not in policy
        assert "default-src 'none'" in policy


@pytest.mark.parametrize("path", ["/", "/traffic", "/login/", "/auth/user/", "/auth/user/add/"])
def test_no_page_holds_what_the_policy_would_stop(staff: Client, show: Show, path: str) -> None:
    """A script or style in the page, a handler in an attribute, another host's address."""
    show()
    if path == "/login/":
        staff.logout()
    html = staff.get(path).content.decode()
    assert "<html" in html
    html = re.sub(r'<script id="[\w-]+" type="application/json">', "", html)  # data, never run
    assert not re.findall(r"<style(?![^>]*nonce)|<script(?![^>]*(?:src|nonce))", html)
    assert not re.findall(r"<[^>]*\s(?:style|on[a-z]+)=", html)
    assert not re.findall(r"(?:src|href|action)=[\"']?(?:https?:)?//", html)


def test_the_first_user_is_made_once_and_the_password_is_kept(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.BAZAAR_DATA_DIR = tmp_path
    said, again = StringIO(), StringIO()
    call_command("make_admin", stdout=said)
    call_command("make_admin", stdout=again)
    path = tmp_path / "dashboard.password"
    password = path.read_text().strip()
    assert password in said.getvalue()
    assert again.getvalue() == "There are users already.\n"
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
