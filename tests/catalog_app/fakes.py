"""Leases and a clock for the catalog's tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from bazaar.core.failures import Failure
from catalog_app.lease_table import Change, Clock, HolderClient, LeaseTable


@dataclass
class FakeTime:
    """Seconds that pass only when somebody waits."""

    now_s: float = 100.0

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, self.wait)


class BusyLeaseTable(LeaseTable):
    """A lease_table whose holders have every stock in memory as soon as they have a lease."""

    def register(self, holder_id: str, client: HolderClient) -> None:
        super().register(holder_id, client)
        self.settle()  # nobody registers while a change is passing
        for stock_name in ("MenhirCo", "BoarCo", "Ünï & Co."):
            assert self.admit(holder_id, stock_name)


@dataclass
class FakeHolder:
    """A front end as the catalog sees it; fails as long as there are failures left."""

    failures: list[Failure] = field(default_factory=list)
    told: list[tuple[Change, ...]] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)
    on_told: Callable[[], None] = lambda: None
    on_begun: Callable[[], None] = lambda: None

    is_warm: ClassVar[bool] = False
    """Whether there is a kept connection to it."""

    def begin_invalidate(self, changes: Sequence[Change]) -> Callable[[float], None] | None:
        if not self.is_warm:
            return None
        self.on_begun()
        return lambda timeout_s: self.invalidate(changes, timeout_s)

    def invalidate(self, changes: Sequence[Change], timeout_s: float) -> None:
        self.timeouts_s.append(timeout_s)
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(tuple(changes))
        self.on_told()
