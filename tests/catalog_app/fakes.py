"""Leases and a clock for the catalog's tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from bazaar.core.failures import Failure
from bazaar.core.types import Position
from bazaar.protocol.cache_messages import FoundStocks, HolderBody, LeaseBody, NamesBody
from bazaar.protocol.clients import CatalogClient, Change
from catalog_app import selectors, services, wiring
from catalog_app.lease_table import Clock, HolderClient, LeaseTableShell
from frontend_app.stocks import StockReader
from tests.order_app.fakes import NoNetwork


@dataclass
class FakeTime:
    """Seconds that pass only when somebody waits."""

    now_s: float = 100.0

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, self.wait)


@dataclass
class NotingLock:
    """A lock that nobody else holds, and that notes when it is taken."""

    taken: list[bool] = field(default_factory=list)

    def __enter__(self) -> None:
        self.taken.append(True)

    def __exit__(self, *_: object) -> None:
        """Nothing was held."""


@dataclass
class CopyingLeader:
    """A leader as the catalog sees it; fails as long as there are failures left."""

    replicated: list[Position] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def replicate(self, position: Position) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.replicated.append(position)


class BusyLeaseTable(LeaseTableShell):
    """A lease table whose holders have every stock in memory as soon as they have a lease."""

    def register(self, holder_id: str, client: HolderClient) -> None:
        super().register(holder_id, client)
        self.settle()  # nobody registers while a change is passing
        for stock_name in ("MenhirCo", "BoarCo", "Ünï & Co."):
            assert self.subscribe(holder_id, stock_name)


@dataclass
class FakePending:
    """A notification that was sent to a fake holder."""

    holder: "FakeHolder"
    changes: Sequence[Change]

    def finish(self, until_s: float) -> None:
        self.holder.deadlines_s.append(until_s)
        self.holder.answer(self.changes)


@dataclass
class FakeHolder:
    """A front end as the catalog sees it; fails as long as there are failures left."""

    failures: list[Failure] = field(default_factory=list)
    notified: list[tuple[Change, ...]] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)
    """Of each call."""
    deadlines_s: list[float] = field(default_factory=list)
    """Of each notification that was begun."""
    on_notified: Callable[[], None] = lambda: None
    on_begun: Callable[[], None] = lambda: None

    is_warm: ClassVar[bool] = False
    """Whether there is a kept connection to it."""

    def begin_invalidate(self, changes: Sequence[Change]) -> FakePending | None:
        if not self.is_warm:
            return None
        self.on_begun()
        return FakePending(self, changes)

    def invalidate(self, changes: Sequence[Change], timeout_s: float) -> None:
        self.timeouts_s.append(timeout_s)
        self.answer(changes)

    def answer(self, changes: Sequence[Change]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.notified.append(tuple(changes))
        self.on_notified()


class DirectCatalog(CatalogClient):
    """The catalog's client without a network: it calls the services themselves."""

    def __init__(self) -> None:
        super().__init__(NoNetwork(), NoNetwork(), 1)

    def names(self, after: int, limit: int) -> NamesBody:
        return selectors.list_names(after=after, limit=limit)

    def register(self, holder: HolderBody) -> LeaseBody:
        return services.register_holder(holder=holder)

    def renew(self, holder: HolderBody) -> LeaseBody:
        return services.renew_holder(holder_id=holder.holder_id)

    def read(self, holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
        found = services.read_stocks(holder_id=holder_id, wanted=wanted)
        return FoundStocks(wiring.epoch(), tuple(found))


@dataclass(frozen=True, slots=True)
class ReaderClient:
    """A front end's client without a network."""

    reader: StockReader

    def begin_invalidate(self, changes: Sequence[Change]) -> None:
        """Leave it to `invalidate`."""

    def invalidate(self, changes: Sequence[Change], timeout_s: float) -> None:
        self.reader.invalidate(wiring.epoch(), changes)
