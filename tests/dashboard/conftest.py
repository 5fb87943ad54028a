"""A dashboard of a cluster whose statuses the test makes up, and its users."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import signals
from django.db import close_old_connections
from django.test import Client
from pytest_django import Settings

import dashboard.wiring
from bazaar.core.failures import Unreachable
from bazaar.protocol.statuses import Status
from bazaar.settings.admin import ADMIN_MIDDLEWARE
from bazaar.topology import Node, local
from dashboard.collector import Collector
from tests.dashboard.databases import Database
from tests.dashboard.statuses import catalog

Show = Callable[..., None]
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def anonymous(db: None, settings: Settings) -> Iterator[Client]:
    """Return a browser that has not signed in, with the dashboard's whole middleware."""
    settings.ROOT_URLCONF = "bazaar.urls.dashboard"
    settings.MIDDLEWARE = ADMIN_MIDDLEWARE
    yield Client(enforce_csrf_checks=True, raise_request_exception=False)
    # The client connects these again after each request (see `tests/conftest.py`).
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)


@pytest.fixture
def superuser(anonymous: Client) -> Client:
    """Return a browser whose user has signed in as a superuser."""
    anonymous.force_login(User.objects.create_superuser("admin"), BACKEND)
    return anonymous


@pytest.fixture
def admin(superuser: Client) -> Client:
    """Return the same browser; it sends every form with its token."""
    superuser.handler.enforce_csrf_checks = False
    return superuser


@pytest.fixture
def sign_in(anonymous: Client) -> Callable[..., Client]:
    """Return what signs a new user in and returns the browser; it sends every form's token."""

    def sign_in(*permissions: str, is_staff: bool = True) -> Client:
        user = User.objects.create_user("somebody", is_staff=is_staff)
        for codename in permissions:
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label="dashboard", codename=codename)
            )
        anonymous.force_login(user, BACKEND)
        anonymous.handler.enforce_csrf_checks = False
        return anonymous

    return sign_in


def read_page(client: Client, path: str = "/") -> str:
    reply = client.get(path)
    assert (reply.status_code, reply["content-type"]) == (200, "text/html; charset=utf-8")
    return reply.content.decode()


def check_policy(reply: Any) -> None:
    """Fail if a page holds what its policy would stop, or its policy would allow too much."""
    policy, html = reply["content-security-policy"], reply.content.decode()
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "http" not in policy
    assert "<html" in html
    html = re.sub(r'<script id="[\w-]+" type="application/json">', "", html)  # data, never run
    assert not re.findall(r"<style(?![^>]*nonce)|<script(?![^>]*(?:src|nonce))", html)
    assert not re.findall(r"<[^>]*\s(?:style|on[a-z]+)=", html)
    assert not re.findall(r"(?:src|href|action)=[\"']?(?:https?:)?//", html)


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Let every process report its status; those that are not given do not answer."""

    def given(**statuses: Status) -> None:
        def fetch_status(role: str, node: Node, timeout_s: float) -> Status:
            assert timeout_s > 0
            name = f"{role}_{node.id}" if role == "order" else role.replace("worker", "frontend")
            if name not in statuses:
                address = f"{node.host}:{node.control_port}"
                raise Unreachable(f"{address} did not answer: refused", is_refused=True)
            return statuses[name]

        collector = Collector(local(3), fetch_status)
        monkeypatch.setattr(dashboard.wiring, "collector", lambda: collector)

    return given


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch, show: Show) -> Callable[..., None]:
    """Give the ledger and two replicas their rows; None: it does not answer."""

    def given(ledger: Any, first: Any, second: Any) -> None:
        show(catalog=catalog(last=7))
        found = {"order-1": Database(first), "order-2": Database(second)}
        monkeypatch.setattr(dashboard.wiring, "catalog", lambda: Database(ledger))
        monkeypatch.setattr(dashboard.wiring, "replicas", lambda: found)

    return given
