"""A catalog with two stocks in term 3, led by replica 2."""

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal

import pytest

import catalog_app.wiring
from bazaar.core.types import ReplicaId, Term
from catalog_app.lease_table import LeaseTableShell
from catalog_app.models import Leadership, Stock
from tests.catalog_app.fakes import BusyLeaseTable, CopyingLeader, FakeTime
from tests.support.histories import STOCK

TERM, LEADER = Term(3), ReplicaId(2)
LEASE_S = 2.0


def _list_stocks() -> None:
    Leadership.objects.update_or_create(pk=1, defaults={"term": TERM, "leader": LEADER})
    Stock.objects.create(**asdict(STOCK))
    Stock.objects.create(
        name="Ünï & Co.", price=Decimal("0.1234"), quantity=5, opening=5, issued=10
    )


@pytest.fixture
def catalog(db: None) -> None:
    """Undone by rolling back; for tests of one thread."""
    _list_stocks()


@pytest.fixture
def committed_catalog(transactional_db: None) -> None:
    """Really committed, so that other threads see it."""
    _list_stocks()


@pytest.fixture(autouse=True)
def leader(monkeypatch: pytest.MonkeyPatch) -> Iterator[CopyingLeader]:
    """Give the catalog a leader that copies whatever it is asked to, and protect no other."""
    leader = CopyingLeader()
    forget = catalog_app.wiring.leader_protection.cache_clear
    forget()
    monkeypatch.setattr(catalog_app.wiring, "replicas", lambda: {LEADER: leader})
    monkeypatch.setattr(catalog_app.wiring, "begin_recovery", lambda: None)
    monkeypatch.setattr(catalog_app.wiring, "activity", lambda: None)
    yield leader
    forget()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def lease_table(time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> LeaseTableShell:
    """Keep the leases on a clock that stands still."""
    lease_table = BusyLeaseTable(LEASE_S, time.clock)
    monkeypatch.setattr(catalog_app.wiring, "lease_table", lambda: lease_table)
    return lease_table
