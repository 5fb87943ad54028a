"""One of several catalogs, over a fake network and a clock that stands still, for tests."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NoReturn
from uuid import UUID

import pytest

import catalog_app.wiring
from bazaar.core.activity import ActivePing, Activity
from bazaar.core.election import Ping
from bazaar.core.failures import Failure
from bazaar.core.types import CatalogId, Epoch, OrderNo, ReplicaId
from bazaar.protocol.cache_messages import HolderBody
from bazaar.web.endpoint import process_headers
from catalog_app import head_row, selectors, store
from catalog_app.database_activity import DatabaseActivity
from catalog_app.head_row import Fence
from tests.catalog_app.conftest import LEASE_S, TERM
from tests.catalog_app.fakes import FakeTime

ME, OTHER = CatalogId(1), CatalogId(2)
HOLDER = HolderBody(holder_id=UUID(int=1), host="127.0.0.1", control_port=30002)


class EndedError(Exception):
    """The process has ended."""


class FakeMember:
    """A front end, or another catalog, as this one sees it."""

    def __init__(self) -> None:
        self.heard: list[tuple[Epoch, CatalogId]] = []
        self.failure: Failure | None = None
        self.ping_answer = ActivePing(Epoch(0), is_active=False, is_proven=False)
        self.reaches_catalog = True

    def notify_epoch(self, epoch: Epoch, catalog: CatalogId, timeout_s: float) -> None:
        if self.failure is not None:
            raise self.failure
        self.heard.append((epoch, catalog))

    def ping_active(self) -> ActivePing:
        if self.failure is not None:
            raise self.failure
        return self.ping_answer

    def ping(self, timeout_s: float) -> Ping:
        found = Ping(ReplicaId(1), TERM, None, OrderNo(0), is_serving=True, is_leading=False)
        return replace(found, reaches_catalog=self.reaches_catalog)

    def close(self) -> None:
        """Nothing is kept."""


class LocalActivity(DatabaseActivity):
    """On a clock that stands still; another thread's work is done at once, or held back."""

    time: FakeTime
    held: list[Callable[[], None]] | None = None
    """Work that is held back; None: none is."""

    def now_s(self) -> float:
        return self.time.now_s

    def wait(self, seconds: float) -> None:
        self.time.wait(seconds)

    def spawn(self, work: Callable[[], None]) -> None:
        if self.held is None:
            work()
        else:
            self.held.append(work)


def claim_elsewhere() -> None:
    """Have the other catalog claim the next epoch."""
    known = selectors.get_active().active
    fence, head_row.fence = head_row.fence, Fence()
    try:
        store.claim_epoch(known, OTHER, None, None)
    finally:
        head_row.fence = fence


@pytest.fixture
def member() -> FakeMember:
    return FakeMember()


@pytest.fixture
def watch(
    member: FakeMember, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalActivity]:
    """Return a standby whose decisions are fenced; its end is an EndedError."""

    def end() -> NoReturn:
        raise EndedError

    fence = Fence()
    made = LocalActivity(
        Activity(ME, LEASE_S),
        {OTHER: member},  # type: ignore[dict-item]
        {},
        lambda host, port: member,  # type: ignore[arg-type, return-value]
        threading.Lock(),
    )
    made.time, made.on_end = time, end
    made.on_begin = catalog_app.wiring.begin_epoch
    fence.activity = made.activity
    fence.on_over = lambda: made.end("its epoch is over")
    monkeypatch.setattr(head_row, "fence", fence)
    monkeypatch.setattr(catalog_app.wiring, "activity", lambda: made)
    monkeypatch.setattr(catalog_app.wiring, "begin_upkeep", lambda: None)
    monkeypatch.setattr("bazaar.clock.monotonic_s", lambda: time.now_s)
    yield made
    process_headers.clear()
