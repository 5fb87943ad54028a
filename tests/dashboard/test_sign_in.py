"""No page without signing in, no guessing of passwords, and nothing that a page may not load."""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver
from pytest_django import Settings

import dashboard.wiring
from bazaar.core.failures import Busy
from bazaar.settings.admin import SIGN_IN_FAILURES_MAX, SIGN_IN_PAUSE_S
from dashboard import services
from dashboard.sign_in import (
    CHECKS_MAX,
    DEVICE_COOKIE,
    UNKNOWN_BURST,
    WAITING_MAX,
    Places,
    SignIn,
    SignInGuard,
    SignInThrottle,
    address_of,
)
from tests.dashboard.conftest import BACKEND, Show, check_policy
from tests.support.routes import HEALTH, METRICS
from tests.support.waits import WAIT_S, in_thread

URLCONF = "bazaar.urls.dashboard"
SIGN_IN_PATHS = {"/login/", "/logout/"}
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "BREW")
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _passwords_are_hashed_quickly(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def guard(monkeypatch: pytest.MonkeyPatch) -> SignInGuard:
    """Return the guard of one test; its clock stands, and nobody waits long for a place."""
    guard = SignInGuard(SIGN_IN_FAILURES_MAX, SIGN_IN_PAUSE_S, lambda: 7.0)
    monkeypatch.setattr("dashboard.sign_in.WAIT_S", 0.01)
    monkeypatch.setattr(dashboard.wiring, "sign_in_guard", lambda: guard)
    return guard


def list_paths(patterns: list[Any] | None = None, before: str = "/") -> Iterator[str]:
    """Yield one path for every pattern of the dashboard, with 1 for whatever it takes."""
    for one in patterns if patterns is not None else import_module(URLCONF).urlpatterns:
        text = re.sub(r"<[^>]*>", "1", str(one.pattern)).strip("^$").removesuffix("/?")
        if isinstance(one, URLResolver):
            yield from list_paths(one.url_patterns, before + text)
        else:
            assert isinstance(one, URLPattern)
            yield before + re.sub(r"\(\?P.*\).*|\(\?:.*", "1", text).strip("^$")


OPEN_PATHS = {*HEALTH, *METRICS}
"""What says how the process is: `tests/web/test_probes.py`, `test_metrics_page.py`."""
PATHS = sorted({*list_paths(), "/nope"} - SIGN_IN_PATHS - OPEN_PATHS)


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


def sign_in(browser: Client, password: str, name: str = "admin", address: str = "127.0.0.1") -> int:
    """Fill the form in as a browser does and return the status."""
    form = browser.get("/login/").content.decode()
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    fields = {"username": name, "password": password, "csrfmiddlewaretoken": token}
    return browser.post("/login/?next=/", fields, REMOTE_ADDR=address).status_code


def sign_out(browser: Client) -> None:
    """End the session as the server does; the browser keeps its other cookies."""
    del browser.cookies["bazaar_session"]


def browser() -> Client:
    """Return one more browser, without a cookie."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


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


def test_nobody_is_locked_out_at_another_address(anonymous: Client) -> None:
    User.objects.create_superuser("admin", password=PASSWORD)
    for number in range(SIGN_IN_FAILURES_MAX):
        sign_in(anonymous, f"wrong {number}")
    assert sign_in(browser(), PASSWORD) == 429
    assert sign_in(browser(), PASSWORD, address="127.0.0.2") == 302


def test_a_browser_that_has_signed_in_before_is_counted_apart(anonymous: Client) -> None:
    """Whatever strangers try at the same address, and only for that user."""
    User.objects.create_superuser("admin", password=PASSWORD)
    User.objects.create_superuser("other", password=PASSWORD)
    assert sign_in(anonymous, PASSWORD) == 302
    cookie = anonymous.cookies[DEVICE_COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/login/", True, "Strict")
    sign_out(anonymous)
    for name in ("admin", "other"):
        for number in range(SIGN_IN_FAILURES_MAX):
            sign_in(browser(), f"wrong {number}", name)
    assert sign_in(anonymous, PASSWORD, "other") == 429
    assert sign_in(anonymous, PASSWORD) == 302
    sign_out(anonymous)
    for number in range(SIGN_IN_FAILURES_MAX):
        last = sign_in(anonymous, f"wrong {number}")
    assert (last, sign_in(anonymous, PASSWORD)) == (429, 429)


def test_a_cookie_that_the_server_has_not_signed_is_none(anonymous: Client) -> None:
    user = User.objects.create_superuser("admin", password=PASSWORD)
    for number in range(SIGN_IN_FAILURES_MAX):
        sign_in(anonymous, f"wrong {number}")
    forged = browser()
    forged.cookies[DEVICE_COOKIE] = f"{user.pk}-{'a' * 32}:1:signature"
    assert sign_in(forged, PASSWORD) == 429


@pytest.mark.parametrize("name", ["admin", " admin", "admin ", "\uff41dmin", "nobody"])
def test_a_name_is_counted_however_it_is_written(anonymous: Client, name: str) -> None:
    User.objects.create_superuser("admin", password=PASSWORD)
    for number in range(SIGN_IN_FAILURES_MAX - 1):
        assert sign_in(anonymous, f"wrong {number}", name) == 200
    assert sign_in(anonymous, "wrong", name.strip()) == 429


def test_no_name_that_nobody_has_keeps_a_user_out(anonymous: Client) -> None:
    """Those tries together cost a few checks; the names that exist do not wait for them."""
    User.objects.create_superuser("admin", password=PASSWORD)
    statuses = [sign_in(anonymous, "wrong", f"nobody-{number}") for number in range(20)]
    assert statuses == [200] * UNKNOWN_BURST + [429] * (20 - UNKNOWN_BURST)
    assert sign_in(anonymous, PASSWORD) == 302


def test_no_more_passwords_than_said_are_checked_at_once(
    anonymous: Client, guard: SignInGuard
) -> None:
    """Who finds no place has not failed, and a browser that is known has its own."""
    User.objects.create_superuser("admin", password=PASSWORD)
    known = browser()
    assert sign_in(known, PASSWORD) == 302
    sign_out(known)
    with taken(guard.places):
        for _ in range(SIGN_IN_FAILURES_MAX + 1):
            assert sign_in(anonymous, PASSWORD) == 429
        assert anonymous.get("/login/").status_code == 200
        assert sign_in(known, PASSWORD) == 302
    assert sign_in(anonymous, "wrong") == 200
    assert sign_in(anonymous, PASSWORD) == 302


@contextmanager
def taken(places: Places) -> Iterator[None]:
    """Take all places for a while."""
    for _ in range(CHECKS_MAX):
        assert places.take()
    try:
        yield
    finally:
        for _ in range(CHECKS_MAX):
            places.give_back()


def test_a_user_does_not_wait_for_names_that_nobody_has(
    anonymous: Client, guard: SignInGuard
) -> None:
    User.objects.create_superuser("admin", password=PASSWORD)
    assert guard.nobodys_places.take()
    assert sign_in(anonymous, "wrong", "nobody") == 429
    assert sign_in(anonymous, PASSWORD) == 302


def test_only_so_many_wait_for_a_place() -> None:
    places = Places()
    with taken(places):
        waiting = [in_thread(places.take) for _ in range(WAITING_MAX * 3)]
        assert not any(one.result(WAIT_S) for one in waiting)
    assert places.take()


def attempt(number: int = 1, user_id: int | None = 1, device: str | None = None) -> SignIn:
    """Return a try of one user, or of a name that nobody has, at one of many addresses."""
    return SignIn(user_id, f"name {number}", f"10.0.0.{number}", device)


def test_sixty_at_once_are_no_more_than_the_limit() -> None:
    """Each is counted before it begins."""
    throttle = SignInThrottle(5, 300.0, lambda: 7.0)

    def begin() -> bool:
        try:
            throttle.begin(attempt())
        except Busy:
            return False
        return True

    begun = [in_thread(begin) for _ in range(60)]
    assert sum(one.result(WAIT_S) for one in begun) == 5


def test_a_failure_counts_for_the_pause_and_a_success_ends_it() -> None:
    times = [0.0]
    throttle = SignInThrottle(2, 300.0, lambda: times[0])
    first = throttle.begin(attempt())
    throttle.take_back(attempt(), first)
    throttle.begin(attempt())
    times[0] = 100.0
    throttle.begin(attempt())
    assert throttle.is_over(attempt())
    throttle.begin(attempt(number=2))
    throttle.begin(attempt(device="known"))
    times[0] = 299.0
    with pytest.raises(Busy):
        throttle.begin(attempt())
    times[0] = 300.0
    throttle.begin(attempt())
    with pytest.raises(Busy):
        throttle.begin(attempt())
    throttle.succeed(attempt())
    throttle.begin(attempt())


def test_the_memory_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """I10: the oldest is forgotten."""
    monkeypatch.setattr("dashboard.sign_in.SOURCES_MAX", 3)
    throttle = SignInThrottle(1, 300.0, lambda: 7.0)
    for number in range(1, 5):
        throttle.begin(attempt(number))
    with pytest.raises(Busy):
        throttle.begin(attempt(4))
    throttle.begin(attempt(1))


@pytest.mark.parametrize(
    ("sender", "counted"),
    [
        ("127.0.0.2", "127.0.0.2"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("", ""),
    ],
)
def test_an_address_is_what_a_sender_cannot_choose(sender: str, counted: str) -> None:
    request = RequestFactory().post("/login/", REMOTE_ADDR=sender, HTTP_X_FORWARDED_FOR="10.9.9.9")
    assert address_of(request) == counted
