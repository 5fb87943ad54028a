"""The dashboard's one set of running parts; the only file here that reads settings."""

from functools import cache
from pathlib import Path

from django.conf import settings

from bazaar.protocol.clients import status_of
from bazaar.protocol.statuses import Status
from bazaar.topology import Node
from dashboard.collector import Collector


@cache
def collector() -> Collector:
    """Return the one that asks all roles."""
    return Collector(settings.BAZAAR_TOPOLOGY, _ask)


def password_path() -> Path:
    """Return where the first user's password is kept."""
    return Path(settings.BAZAAR_DATA_DIR) / "dashboard.password"


def start() -> None:
    """Begin to ask, so that a page is full when it is first looked at."""
    collector().start()


def _ask(role: str, node: Node, timeout_s: float) -> Status:
    return status_of(role, node, settings.BAZAAR_SECRET, timeout_s)
