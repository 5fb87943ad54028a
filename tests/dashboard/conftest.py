"""A dashboard that looks at a cluster of answers given by the test."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.core import signals
from django.db import close_old_connections
from django.test import Client
from pytest_django import Settings

import dashboard.wiring
from bazaar.core.digest import GENESIS
from bazaar.core.failures import Unreachable
from bazaar.protocol.statuses import CatalogStatus, FrontEndStatus, ReplicaStatus, Status
from bazaar.settings.admin import ADMIN_MIDDLEWARE
from bazaar.topology import Node, local
from dashboard.collector import Collector

Show = Callable[..., None]
BASE = {"id": 1, "pid": 4242, "up_since_s": 0.0, "is_ready": True, "digest": GENESIS}


def catalog(term: int = 3, leader: int | None = 2, last: int = 9) -> CatalogStatus:
    return CatalogStatus(role="catalog", term=term, leader=leader, last=last, stocks=10, **BASE)  # type: ignore[arg-type]


def replica(number: int, term: int = 3, leader: int | None = 2, last: int = 9) -> ReplicaStatus:
    return ReplicaStatus(
        role="order",
        term=term,
        leader=leader,
        last=last,
        state="leading" if number == leader else "following",
        lag_orders=0,
        lag_ms=0.5,
        **{**BASE, "id": number},  # type: ignore[arg-type]
    )


def front_end(term: int = 3, leader: int | None = 2) -> FrontEndStatus:
    return FrontEndStatus(
        role="frontend",
        term=term,
        leader=leader,
        lease_left_s=1.5,
        hits=7,
        **BASE,  # type: ignore[arg-type]
    )


PASSWORD = "correct horse battery staple"


@pytest.fixture
def visitor(db: None, settings: Settings) -> Iterator[Client]:
    """Return a browser that has not signed in, before the dashboard's whole middleware."""
    settings.ROOT_URLCONF = "bazaar.urls.dashboard"
    settings.MIDDLEWARE = ADMIN_MIDDLEWARE
    yield Client(enforce_csrf_checks=True, raise_request_exception=False)
    # The client connects these again after each request (see `tests/conftest.py`).
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)


@pytest.fixture
def staff(visitor: Client) -> Client:
    """Return a browser whose user has signed in as staff."""
    visitor.force_login(
        User.objects.create_superuser("admin", password=PASSWORD),
        "django.contrib.auth.backends.ModelBackend",
    )
    return visitor


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Let every role answer with its status; those that are not given do not answer."""

    def given(**statuses: Status) -> None:
        def ask(role: str, node: Node, timeout_s: float) -> Status:
            assert timeout_s > 0
            name = f"{role}_{node.id}" if role == "order" else role
            if name not in statuses:
                raise Unreachable(f"{node.host}:{node.control_port} did not answer: refused")
            return statuses[name]

        collector = Collector(local(3), ask)
        monkeypatch.setattr(dashboard.wiring, "collector", lambda: collector)

    return given
