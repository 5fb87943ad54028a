"""The real catalog and real front ends, services, shells and stores, as simulated processes."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError

import catalog_app.wiring
from bazaar.core.failures import Failure
from bazaar.core.ledger import Batch, BatchAnswer
from bazaar.core.types import NO_EPOCH, VERSION_FIRST, Epoch, Order, Stock
from bazaar.protocol.cache_messages import FoundStocks, HolderBody, LeaseBody, NamesBody
from bazaar.protocol.clients import CatalogClient, Change
from bazaar.settings.env import Limits
from bazaar.topology import Node
from catalog_app import selectors, services
from catalog_app.counts import Counts
from catalog_app.lease_table import Clock, LeaseTableShell
from frontend_app.entries import StockRead
from frontend_app.stocks import StockReader
from frontend_app.wiring import STOCK_TIMEOUT_S
from tests.catalog_app.fakes import CopyingLeader
from tests.order_app.fakes import NoNetwork
from tests.sim.network import Call
from tests.sim.process import Process
from tests.sim.reads import ReadAnswer, ReadChecks
from tests.sim.tasks import PendingAnswer, TaskFuture, TaskLock, Tasks
from tests.sim.threaded import GAP_S, ThreadedProcess
from tests.sim.waits import TaskWaits

PAGES = 0.3
"""The share of readers that wait in a thread."""
LIST = "list"
"""Lists a stock; the catalog has no endpoint for it."""


def new_stock(name: str) -> Stock:
    """Return a stock to list."""
    shares = {"quantity": 10**6, "opening": 10**6, "issued": 2 * 10**6}
    return Stock(name, Decimal("10.00"), **shares, trade_volume=0, version=VERSION_FIRST)


@dataclass(frozen=True, slots=True)
class Request:
    """A message to a process: the endpoint's path, and what its service is called with."""

    path: str
    body: Any


class RecordedProcess(ThreadedProcess):
    """A process of which all requests are recorded."""

    def __init__(self, name: str, tasks: Tasks) -> None:
        super().__init__(name, tasks)
        self.received: list[Request] = []

    def receive(self, call: Call, message: object) -> None:
        assert isinstance(message, Request)
        self.received.append(message)
        super().receive(call, message)


@dataclass
class SimCounts(Counts):
    """The catalog's counts; a thread is held up between a subscription and the read after it."""

    tasks: Tasks | None = None

    def add_reads(self, stocks: int) -> None:
        assert self.tasks is not None, "given by the catalog"
        self.tasks.wait(GAP_S * self.tasks.network.rng.random())


class ServingCatalog(RecordedProcess):
    """The catalog: its services on a real database, its lease table, its writer's lock."""

    def __init__(self, tasks: Tasks, checks: ReadChecks, limits: Limits) -> None:
        super().__init__("catalog", tasks)
        self.checks, self.limits = checks, limits
        self.holders: dict[int, ServingFrontEnd] = {}
        """By control port."""
        self.counts = SimCounts(tasks=tasks)
        self.clock = Clock(lambda: self.now_s, tasks.wait)

    def wire(self, patch: pytest.MonkeyPatch) -> None:
        """Take the place of the parts that `wiring` would make."""
        patch.setattr(catalog_app.wiring, "writer", lambda: self.writer)
        patch.setattr(catalog_app.wiring, "counts", lambda: self.counts)
        patch.setattr(catalog_app.wiring, "lease_table", lambda: self.lease_table)
        patch.setattr(catalog_app.wiring, "_client_of", self._client_of)
        patch.setattr(catalog_app.wiring, "begin_recovery", lambda: None)
        patch.setattr(catalog_app.wiring, "replicas", lambda: defaultdict(CopyingLeader))

    def start(self) -> None:
        super().start()
        self.writer = TaskLock(self.tasks)
        side_by_side = self.tasks.side_by_side
        self.lease_table = LeaseTableShell(self.limits.lease_s, self.clock, side_by_side)
        catalog_app.wiring.start()

    def answer(self, request: object) -> object:
        assert isinstance(request, Request)
        body = request.body
        answers: dict[str, Callable[[], object]] = {
            "/register": lambda: services.register_holder(holder=body),
            "/renew": lambda: services.renew_holder(holder_id=body.holder_id),
            "/read": lambda: services.read_stocks(holder_id=body[0], wanted=body[1]),
            "/batch": lambda: self._place(body),
            "/price": lambda: self._change_price(*body),
            "/names": lambda: selectors.list_names(after=body[0], limit=body[1]),
            LIST: lambda: self._list(body),
        }
        return answers[request.path]()

    def _place(self, batch: Batch) -> BatchAnswer:
        answer = services.place_batch(batch=batch)
        for order in answer.answers:  # nothing has happened since the commit
            if isinstance(order, Order):
                stock = selectors.get_stock(stock_name=order.stock_name)
                self.checks.placed(order, stock.version)
        return answer

    def _change_price(self, stock_name: str, price: Decimal) -> Stock:
        stock = services.change_price(stock_name=stock_name, price=price)
        self.checks.committed[stock_name] = stock.version
        return stock

    def _list(self, stock_name: str) -> None:
        with suppress(IntegrityError):  # it was listed, and that was not heard of
            services.list_stocks(stocks=[new_stock(stock_name)])
        self.checks.committed[stock_name] = VERSION_FIRST

    def _client_of(self, _: str, control_port: int) -> "HolderCalls":
        return HolderCalls(self.tasks, self.holders[control_port])


@dataclass(frozen=True, slots=True)
class HolderCalls:
    """A front end's client over the simulated network."""

    tasks: Tasks
    target: Process
    epoch: Epoch = NO_EPOCH

    def begin_invalidate(self, changes: Sequence[Change]) -> PendingAnswer | None:
        """Begin a notification on a kept connection; one in four has none."""
        if self.tasks.network.rng.random() < 0.25:
            return None
        return PendingAnswer(self.tasks, self.target, self._request(changes), 1.0)

    def invalidate(self, changes: Sequence[Change], timeout_s: float) -> None:
        self.tasks.call(self.target, self._request(changes), timeout_s)

    def _request(self, changes: Sequence[Change]) -> Request:
        return Request("/invalidate", (self.epoch, tuple(changes)))


class CatalogCalls(CatalogClient):
    """The catalog's client over the simulated network."""

    def __init__(self, tasks: Tasks, catalog: Process) -> None:
        super().__init__(NoNetwork(), NoNetwork(), STOCK_TIMEOUT_S)
        self._tasks, self._catalog = tasks, catalog

    def register(self, holder: HolderBody) -> LeaseBody:
        lease: LeaseBody = self._call("/register", holder)
        return lease

    def renew(self, holder: HolderBody) -> LeaseBody:
        lease: LeaseBody = self._call("/renew", holder)
        return lease

    def names(self, after: int, limit: int) -> NamesBody:
        names: NamesBody = self._call("/names", (after, limit))
        return names

    def read(self, holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
        found = self._call("/read", (holder_id, wanted))
        return found if isinstance(found, FoundStocks) else FoundStocks(NO_EPOCH, tuple(found))

    def _call(self, path: str, body: object) -> Any:
        return self._tasks.call(self._catalog, Request(path, body), STOCK_TIMEOUT_S)


class ServingFrontEnd(RecordedProcess):
    """A front end: its cache and its lease."""

    def __init__(self, number: int, catalog: ServingCatalog, limits: Limits) -> None:
        super().__init__(f"front end {number}", catalog.tasks)
        self.catalog, self.limits = catalog, limits
        self.node = Node(host="127.0.0.1", port=30000 + number, control_port=31000 + number)
        catalog.holders[self.node.control_port] = self

    def start(self) -> None:
        super().start()
        calls = CatalogCalls(self.tasks, self.catalog)
        self.reader = StockReader(calls, self.node, self.limits, TaskWaits(self.tasks))
        self.tasks.spawn(self, self._keep_lease)

    def answer(self, request: object) -> object:
        assert isinstance(request, Request)
        if request.path == "/invalidate":
            self.reader.invalidate(*request.body)
            return None
        stock_name, is_fresh = request.body
        if not is_fresh and (hit := self.reader.hit(stock_name, self.now_s)):
            return ReadAnswer(hit[0].version, is_stale=False)
        read = self._read(stock_name, is_fresh=is_fresh)
        return ReadAnswer(read.entry.version, read.is_stale)

    def _read(self, stock_name: str, *, is_fresh: bool) -> StockRead:
        """Read as a page does, or as a program's query, which has no thread that waits."""
        if self.network.rng.random() < PAGES:
            return self.reader.read(stock_name, is_fresh=is_fresh)
        answer = TaskFuture(self.tasks)
        self.reader.read_later(stock_name, is_fresh=is_fresh, loop=None, done=answer.set_result)
        read: StockRead | Exception = answer.result()
        if isinstance(read, Exception):
            raise read
        return read

    def check(self) -> None:
        """Check what may be answered from memory now (I7)."""
        if self.is_up and self.reader.lease.is_valid(self.now_s):
            lacking = filter(self.reader.listing.lacks, self.catalog.checks.committed)
            assert not list(lacking), f"I7: {self.name} does not know what is listed"
            entries = self.reader.cache.entries.items()
            versions = [(name, entry.version) for name, entry in entries]
            self.catalog.checks.cached(self.name, versions)

    def _keep_lease(self) -> None:
        while True:
            try:
                self.reader.keep_lease()
            except Failure as failure:
                self.network.note(f"{self.name} keeps no lease: {failure!r}")
            self.tasks.wait(self.limits.renewal_s)
