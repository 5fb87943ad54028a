"""The dashboard's one set of running parts; the only file here that reads settings."""

from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from bazaar.client.client import Client
from bazaar.client.exchange import Timeouts
from bazaar.protocol.clients import (
    CLIENTS,
    CatalogClient,
    FrontEndClient,
    ReplicaClient,
    RoleClient,
)
from bazaar.protocol.statuses import Status
from bazaar.topology import Node, Topology
from dashboard import events
from dashboard.collector import Collector
from dashboard.faults import Striker
from dashboard.findings import WORKER
from dashboard.relay import Courier
from dashboard.shared import Shared

CALL_TIMEOUT_S = 2.0
"""For a question that a person waits for."""
ASKERS_MAX = 256
"""Kept clients: a worker has another port each time it starts."""
TRADE_TIMEOUT_S = 12.0
"""A front end itself tries for 10 s."""


@cache
def collector() -> Collector:
    """Return the one that asks all roles."""
    return Collector(settings.BAZAAR_TOPOLOGY, _ask, events.keep)


def topology() -> Topology:
    """Return who is in the cluster."""
    found: Topology = settings.BAZAAR_TOPOLOGY
    return found


@cache
def shared() -> Shared:
    """Return what pages show, made once for all of them."""
    return Shared()


@cache
def catalog() -> CatalogClient:
    """Return the client of the catalog."""
    return CatalogClient.at(topology().catalog, settings.BAZAAR_SECRET, CALL_TIMEOUT_S)


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
    """Return a client for each process of one front end that is known."""
    workers = (
        _asker("frontend", found.node, CALL_TIMEOUT_S)
        for found in collector().look().findings
        if found.role == WORKER and found.status and found.status.id == number
    )
    return [front_ends()[number], *(one for one in workers if isinstance(one, FrontEndClient))]


@cache
def courier() -> Courier:
    """Return the one that carries what staff enter to any endpoint."""
    return Courier(topology(), settings.BAZAAR_SECRET)


@cache
def public() -> Client:
    """Return the client that trades as everybody does, at any front end."""
    urls = [f"http://{_host(node)}:{node.port}" for node in topology().front_ends]
    return Client(urls, Timeouts(deadline_s=TRADE_TIMEOUT_S, silence_s=CALL_TIMEOUT_S))


def password_path() -> Path:
    """Return where the first user's password is kept."""
    return Path(settings.BAZAAR_DATA_DIR) / "dashboard.password"


def has_fault_buttons() -> bool:
    """Tell whether this is a cluster to break."""
    return bool(settings.BAZAAR_FAULT_BUTTONS)


@cache
def striker() -> Striker:
    """Return the one that breaks and mends processes."""
    made: Striker = import_string(settings.BAZAAR_STRIKER)(Path(settings.BAZAAR_DATA_DIR))
    return made


def start() -> None:
    """Begin to ask, so that a page is full when it is first looked at."""
    collector().start()


def _ask(role: str, node: Node, timeout_s: float) -> Status:
    return _asker(role, node, timeout_s).status()


@lru_cache(maxsize=ASKERS_MAX)
def _asker(role: str, node: Node, timeout_s: float) -> RoleClient:
    """Return the client that the collector asks with; its connection is kept."""
    return CLIENTS[role].at(node, settings.BAZAAR_SECRET, timeout_s)


def _host(node: Node) -> str:
    return f"[{node.host}]" if ":" in node.host else node.host
