"""A standby and an active catalog, for tests of when one takes over."""

from dataclasses import replace

from bazaar.core.activity import (
    PROTECTION_S,
    ActiveCatalog,
    ActiveRecord,
    Activity,
)
from bazaar.core.election import Ping
from bazaar.core.failures import Unreachable
from bazaar.core.types import CatalogId, Epoch, OrderNo, ReplicaId, Term

ONE, TWO, THREE = map(CatalogId, (1, 2, 3))
LEASE_S = 2.0
SILENT, REFUSED = Unreachable("silent"), Unreachable("refused", is_refused=True)
LONG_S = PROTECTION_S + 1
REACHED = Ping(ReplicaId(1), Term(1), None, OrderNo(0), is_serving=True, is_leading=False)
LOST = replace(REACHED, reaches_catalog=False)


def make_record(epoch: int, active: CatalogId | None, *heartbeat: float) -> ActiveRecord:
    return ActiveRecord(ActiveCatalog(Epoch(epoch), active), heartbeat)


def make_standby(epoch: int = 4, active: CatalogId | None = ONE) -> Activity:
    """Return catalog 2, which heard at time 0 who is active."""
    activity = Activity(TWO, LEASE_S)
    activity.hear(make_record(epoch, active), 0.0)
    return activity


def make_active(*holders: str) -> Activity:
    """Return catalog 2, whose claim of epoch 5 was sent at time 10 and answered at 10.1."""
    activity = make_standby()
    activity.claimed(10.0, 10.1, holders, (1,))
    return activity
