"""The dashboard's running parts; the only file here that reads settings."""

from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from bazaar import clock
from bazaar.client.client import Client
from bazaar.client.exchange import Timeouts
from bazaar.clock import Pause
from bazaar.protocol.catalog_route import CatalogLink
from bazaar.protocol.clients import (
    CLIENTS,
    CatalogClient,
    FrontEndClient,
    ReplicaClient,
    RoleClient,
)
from bazaar.protocol.statuses import Status
from bazaar.protocol.transport import HttpTransport
from bazaar.runtime.health import HealthCheck
from bazaar.runtime.prometheus import MetricPage, add_process
from bazaar.topology import WORKER, Node, Role, Topology
from dashboard import models
from dashboard.api_relay import ApiRelay
from dashboard.collector import Collector
from dashboard.render_cache import RenderCache
from dashboard.sign_in import SignInGuard

CALL_TIMEOUT_S = 2.0
"""For a call that a person waits for."""
CLIENTS_MAX = 256
"""Clients kept for polling: a worker has another port each time it starts."""
VIEW_AGE_READY_S_MAX = 10.0
"""Past this age of what pages show, the dashboard is not ready."""
TRADE_TIMEOUT_S = 12.0
"""A front end itself tries for 10 s."""


@cache
def collector() -> Collector:
    """Return the one collector."""
    return Collector(settings.BAZAAR_TOPOLOGY, _fetch_status, models.store_events)


def topology() -> Topology:
    """Return the cluster description."""
    found: Topology = settings.BAZAAR_TOPOLOGY
    return found


@cache
def render_cache() -> RenderCache:
    """Return the cache of what pages show."""
    return RenderCache()


@cache
def catalog() -> CatalogClient:
    """Return the client of the catalog."""
    return CatalogLink(topology(), settings.BAZAAR_SECRET).connect(CALL_TIMEOUT_S)


@cache
def replicas() -> dict[str, ReplicaClient]:
    """Return the client of each order replica, by name."""
    return {
        f"order-{node.id}": ReplicaClient.at(node, settings.BAZAAR_SECRET, CALL_TIMEOUT_S)
        for node in topology().replicas
    }


@cache
def front_ends() -> dict[int, FrontEndClient]:
    """Return the client of each front end, by its number."""
    return {
        node.id: FrontEndClient.at(node, settings.BAZAAR_SECRET, CALL_TIMEOUT_S)
        for node in topology().front_ends
    }


def list_processes(number: int) -> list[FrontEndClient]:
    """Return a client for each known process of one front end."""
    workers = (
        _client(WORKER, one.node, CALL_TIMEOUT_S)
        for one in collector().view().workers
        if one.status and one.status.id == number
    )
    return [front_ends()[number], *(one for one in workers if isinstance(one, FrontEndClient))]


@cache
def api_relay() -> ApiRelay:
    """Return the relay that reads the endpoints of other processes."""
    secret = settings.BAZAAR_SECRET
    return ApiRelay(
        topology(),
        lambda address, receiver: HttpTransport(address, receiver, secret, clock.wall_s),
        lambda: ((one.name, one.node) for one in collector().view().workers),
    )


@cache
def public_client() -> Client:
    """Return a client that trades at any front end, like any other client."""
    urls = [node.url for node in topology().front_ends]
    timeouts = Timeouts(deadline_s=TRADE_TIMEOUT_S, silence_s=CALL_TIMEOUT_S)
    return Client(urls, timeouts, settings.BAZAAR_TOKEN)


def password_path() -> Path:
    """Return the file that holds the first user's password."""
    return Path(settings.BAZAAR_DATA_DIR) / "dashboard.password"


def has_fault_buttons() -> bool:
    """Tell whether staff may inject faults into this cluster at all."""
    return bool(settings.BAZAAR_FAULT_BUTTONS)


@cache
def fault_injector() -> Callable[[str, str], str]:
    """
    Return the function that injects a fault into a process.

    It raises FaultRefused.
    """
    injector = import_string(settings.BAZAAR_FAULT_INJECTOR)(Path(settings.BAZAAR_DATA_DIR))
    inject: Callable[[str, str], str] = injector.inject
    return inject


@cache
def sign_in_guard() -> SignInGuard:
    """Return the one guard of all sign-ins."""
    return SignInGuard(settings.SIGN_IN_FAILURES_MAX, settings.SIGN_IN_PAUSE_S)


def start() -> None:
    """Begin to poll, so that the first page that is opened is full."""
    collector().start()


def retire(pause: Pause) -> None:
    """Do nothing: no other process counts on this one."""
    del pause


def list_checks() -> tuple[HealthCheck, ...]:
    """Return what the dashboard needs: what the cluster was like a moment ago."""
    age_s, problem = collector().age_s(), ""
    if age_s is None:
        problem = "It has not polled the cluster yet."
    elif age_s > VIEW_AGE_READY_S_MAX:
        problem = f"It last polled the cluster {age_s:.0f} s ago."
    return (HealthCheck("polling", problem),)


def read_metrics(page: MetricPage) -> None:
    """Add what a scrape shows of the dashboard; see `bazaar.runtime.metric_families`."""
    add_process(page, list_checks(), str(Role.DASHBOARD), str(Role.DASHBOARD))
    page.add("bazaar_poll_age_seconds", collector().age_s())


def _fetch_status(role: str, node: Node, timeout_s: float) -> Status:
    return _client(role, node, timeout_s).status()


@lru_cache(maxsize=CLIENTS_MAX)
def _client(role: str, node: Node, timeout_s: float) -> RoleClient:
    """Return a client whose connection stays open from poll to poll."""
    secret = settings.BAZAAR_SECRET
    if role == WORKER:  # whichever front end it works for
        return FrontEndClient.at_address(node.control_address, secret, timeout_s)
    return CLIENTS[role].at(node, secret, timeout_s)
