"""Members of a cluster with several catalogs: they follow the active one, and no older epoch."""

from collections.abc import Mapping
from typing import Any

from bazaar.core.activity import LOOK_TIMEOUT_S, ActivePing, CatalogRoute
from bazaar.core.failures import NotActive, Unconfirmed, Unreachable
from bazaar.core.types import CatalogId
from catalog_app.activity_shell import EpochNotice
from frontend_app.wiring import STOCK_TIMEOUT_S
from tests.sim.calls import LedgerCalls
from tests.sim.process import Process
from tests.sim.replica import SimReplica
from tests.sim.services import CatalogCalls, Request
from tests.sim.shared_catalog import InEpoch, PingActive
from tests.sim.stored_frontend import CachingFrontend, ReadingClient
from tests.sim.tasks import PendingAnswer, Tasks
from tests.sim.waits import TaskWaits

Catalogs = Mapping[CatalogId, Process]
THINK_S = 0.7
"""The longest that a client thinks."""


class RoutedCalls:
    """One member's way to whichever catalog is active."""

    def __init__(self, tasks: Tasks, catalogs: Catalogs) -> None:
        self._tasks, self._catalogs = tasks, catalogs
        self.route = CatalogRoute(tuple(catalogs))
        self._waiting: dict[PendingAnswer, CatalogId] = {}
        """The calls under way, and whom they wait for."""

    @property
    def first(self) -> Process:
        """The catalog that is asked first."""
        return next(iter(self._catalogs.values()))

    def hear(self, notice: EpochNotice) -> None:
        """
        Believe a notice that its catalog confirms; wait for no other one any more.

        Raises NotActive, Unconfirmed (definite), Unreachable.
        """
        if notice.epoch < self.route.epoch:
            raise NotActive(self.route.epoch, self.route.chosen)
        catalog = self._catalogs[notice.catalog]
        ping: ActivePing = self._tasks.call(catalog, PingActive(), LOOK_TIMEOUT_S)
        if ping.epoch != notice.epoch or not ping.is_active:
            raise Unconfirmed
        self.route.admit(notice.catalog, notice.epoch)
        self._wait_for(notice.catalog)

    def _wait_for(self, catalog: CatalogId) -> None:
        for pending, asked in tuple(self._waiting.items()):
            if asked != catalog:
                pending.abort()

    def call(self, message: object, timeout_s: float) -> Any:
        """Call the active catalog, and the next one when it is replaced. Raises Failure."""
        for _ in range(len(self._catalogs) + 1):
            chosen, epoch = self.route.chosen, self.route.epoch
            try:
                return self._ask(chosen, message, timeout_s)
            except Unreachable as failure:
                self.route.turn(chosen, failure)
                if failure.was_sent and self.route.epoch == epoch:
                    raise
        raise Unreachable("No catalog is active.", is_refused=True)

    def _ask(self, chosen: CatalogId, message: object, timeout_s: float) -> Any:
        pending = PendingAnswer(self._tasks, self._catalogs[chosen], message, timeout_s)
        self._waiting[pending] = chosen
        try:
            pending.wait(timeout_s)
        finally:
            del self._waiting[pending]
        answer: InEpoch = pending.take()
        if self.route.admit(chosen, answer.epoch):
            self._wait_for(chosen)
        return answer.answer


class RoutedLedgerCalls(LedgerCalls):
    """The catalog as replicas and the watch over the leader call it."""

    def __init__(self, tasks: Tasks, routed: RoutedCalls, timeout_s: float) -> None:
        super().__init__(tasks, routed.first, timeout_s)
        self._routed = routed

    def _call(self, message: object, timeout_s: float | None = None) -> Any:
        return self._routed.call(message, timeout_s or self._timeout_s)


class RoutedCatalogCalls(CatalogCalls):
    """The catalog as the reader of a front end calls it."""

    def __init__(self, tasks: Tasks, routed: RoutedCalls) -> None:
        super().__init__(tasks, routed.first)
        self._routed = routed

    def _call(self, path: str, body: object) -> Any:
        return self._routed.call(Request(path, body), STOCK_TIMEOUT_S)


class SharedReplica(SimReplica):
    """An order replica that follows the active catalog."""

    catalogs: Catalogs

    def answer(self, request: object) -> object:
        if isinstance(request, EpochNotice):
            self.routed.hear(request)
            return None
        return super().answer(request)

    def _connect(self) -> LedgerCalls:
        self.routed = RoutedCalls(self.tasks, self.catalogs)
        return RoutedLedgerCalls(self.tasks, self.routed, self.limits.call_timeout_s)


class DriftingWaits(TaskWaits):
    """What a process waits with whose clock drifts."""

    def __init__(self, tasks: Tasks, process: Process) -> None:
        super().__init__(tasks)
        self._process = process

    def now_s(self) -> float:
        return self._process.now_s


class SharedFrontend(CachingFrontend):
    """A front end that follows the active catalog, with a clock that drifts."""

    catalogs: Catalogs
    rate = 1.0
    """How fast its clock is."""

    @property
    def now_s(self) -> float:
        """The time on this process's clock."""
        return super().now_s * self.rate

    def start(self) -> None:
        self.routed = RoutedCalls(self.tasks, self.catalogs)
        super().start()

    def answer(self, request: object) -> object:  # type: ignore[override]
        if isinstance(request, EpochNotice):
            self.routed.hear(request)
            self.reader.hear_epoch(request.epoch)
            return None
        return super().answer(request)

    def _connect(self) -> LedgerCalls:
        return RoutedLedgerCalls(self.tasks, self.routed, self.limits.call_timeout_s)

    def _connect_reader(self) -> CatalogCalls:
        return RoutedCatalogCalls(self.tasks, self.routed)

    def _make_waits(self) -> TaskWaits:
        return DriftingWaits(self.tasks, self)


class SharedClient(ReadingClient):
    """A client that reads, trades, and changes prices at any catalog, for as long as it storms."""

    catalogs: Catalogs

    def _pause(self) -> None:
        if self.trades_left:
            self.after(THINK_S * self.network.rng.random(), self._act)

    def _change_price(self) -> None:
        self.catalog = self.network.rng.choice(tuple(self.catalogs.values()))
        super()._change_price()
