"""A replica with a real log in a real database, between a faked catalog and faked peers."""

import pytest

import order_app.wiring
from bazaar.core.types import ReplicaId, Term
from bazaar.settings.env import Limits
from order_app.replica import ReplicaShell
from order_app.store import OrderLog
from tests.order_app.fakes import FakeCatalog, FakePeer

TERM, ME, NEAR, FAR = Term(3), ReplicaId(2), ReplicaId(1), ReplicaId(3)
LIMITS = Limits(replication_timeout_s=0.05, heartbeat_s=0.01, page_orders_max=10)


@pytest.fixture
def catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture
def peers() -> dict[ReplicaId, FakePeer]:
    return {NEAR: FakePeer(NEAR), FAR: FakePeer(FAR)}


@pytest.fixture
def shell(
    db: None,
    catalog: FakeCatalog,
    peers: dict[ReplicaId, FakePeer],
    monkeypatch: pytest.MonkeyPatch,
) -> ReplicaShell:
    """Replica 2: it has not started yet, and knows of no leader."""
    shell = ReplicaShell(ME, catalog, peers, OrderLog(), LIMITS)
    monkeypatch.setattr(order_app.wiring, "replica", lambda: shell)
    return shell


@pytest.fixture
def leader(shell: ReplicaShell) -> ReplicaShell:
    """Let it lead term 3; no follower is in sync yet."""
    shell.start()
    shell.take_notice(TERM, ME)
    return shell
