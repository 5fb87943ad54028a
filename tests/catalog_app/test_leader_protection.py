"""A new leader that the catalog reaches is not deposed by who cannot reach it (I6)."""

import pytest

from bazaar.core.election import Ping
from bazaar.core.failures import LeaderAlive, Unreachable
from bazaar.core.types import OrderNo, ReplicaId, Term
from catalog_app.leader_protection import LeaderProtection

LEADER = ReplicaId(3)


class Replica:
    """A replica as the catalog pings it."""

    is_alive = True
    is_serving = True

    def ping(self, timeout_s: float) -> Ping:
        if not self.is_alive:
            raise Unreachable
        return Ping(
            LEADER, Term(1), LEADER, OrderNo(0), is_serving=self.is_serving, is_leading=True
        )


class CatalogFake:
    """A leader_protection with a clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.replica = Replica()
        self.leader_protection = LeaderProtection({LEADER: self.replica}, lambda: self.now_s)  # type: ignore[dict-item]


@pytest.fixture
def lease_table() -> CatalogFake:
    return CatalogFake()


def test_a_leader_elected_a_moment_ago_is_protected(lease_table: CatalogFake) -> None:
    lease_table.leader_protection.begin()
    lease_table.now_s += 1.9
    with pytest.raises(LeaderAlive):
        lease_table.leader_protection.check(LEADER)


def test_a_dead_leader_is_replaced_at_once(lease_table: CatalogFake) -> None:
    lease_table.leader_protection.begin()
    lease_table.replica.is_alive = False
    lease_table.leader_protection.check(LEADER)


def test_a_leader_that_does_not_serve_is_replaced_at_once(lease_table: CatalogFake) -> None:
    lease_table.leader_protection.begin()
    lease_table.replica.is_serving = False
    lease_table.leader_protection.check(LEADER)


def test_after_two_seconds_anybody_may_claim(lease_table: CatalogFake) -> None:
    lease_table.leader_protection.begin()
    lease_table.now_s += 2.0
    lease_table.leader_protection.check(LEADER)


def test_a_catalog_that_has_just_started_protects_nobody(lease_table: CatalogFake) -> None:
    lease_table.leader_protection.check(LEADER)
