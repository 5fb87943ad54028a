"""A front end with orders, stocks and a lease in memory, and a client that reads there."""

from functools import partial
from uuid import UUID

import pytest

from bazaar.core.failures import Failure
from bazaar.core.types import Version
from bazaar.topology import Node
from frontend_app.stocks import StockReader
from tests.sim.client import LOOK_UP_TIMEOUT_S, SimClient
from tests.sim.frontend import SimFrontend
from tests.sim.messages import LookUp
from tests.sim.reads import ReadAnswer
from tests.sim.services import CatalogCalls, Request
from tests.sim.stored_catalog import StoredCatalog
from tests.sim.stored_checks import StoredChecks
from tests.sim.tasks import Tasks

READS = 3
"""Stocks that a client reads for each trade."""


class CachingFrontend(SimFrontend):
    """One front-end process with all that it remembers."""

    reader: StockReader

    def __init__(self, number: int, tasks: Tasks, deadline_s: float, checks: StoredChecks) -> None:
        super().__init__(f"front end {number}", tasks, deadline_s)
        self.checks = checks
        self.node = Node(host="127.0.0.1", port=30000 + number, control_port=31000 + number)

    @staticmethod
    def wire(patch: pytest.MonkeyPatch, tasks: Tasks) -> None:
        """Let the ids of leases be drawn from the seed."""
        draw = tasks.network.rng.getrandbits
        patch.setattr("frontend_app.stocks.uuid4", lambda: UUID(int=draw(128)))

    def start(self) -> None:
        super().start()
        calls, waits = self._connect_reader(), self._make_waits()
        self.reader = StockReader(calls, self.node, self.limits, waits, self._forget)
        self.tasks.spawn(self, self._keep_lease)

    def _connect_reader(self) -> CatalogCalls:
        """Return the catalog as the reader of this life calls it."""
        raise NotImplementedError

    def answer(self, request: object) -> object:  # type: ignore[override]
        match request:
            case Request("/invalidate", (epoch, changes)):
                self.reader.invalidate(epoch, changes)
                return None
            case Request("/stocks", (stock_name, is_fresh)):
                return self._read(stock_name, is_fresh=is_fresh)
            case LookUp(order_no) if entry := self.orders.hit(order_no):
                return entry.order
        return super().answer(request)

    def check(self) -> None:
        """Check what may be answered from memory at this moment: I7."""
        if self.is_up and self.reader.lease.is_valid(self.now_s):
            for name, entry in self.reader.cache.entries.items():
                committed = self.checks.versions[name]
                assert entry.version >= committed, f"I7 {self.name} has {entry}, not {committed}"

    def check_end(self) -> None:
        """Check that nothing is remembered that the ledger does without: I1, I7."""
        for order_no, remembered in self.orders.entries.items():
            order = remembered.order
            assert order == self.checks.orders[order_no - 1], f"I1 {self.name} remembers {order}"
        for name, entry in self.reader.cache.entries.items():
            committed = self.checks.versions[name]
            assert entry.version <= committed, f"I7 {self.name} has {entry}, not {committed}"

    def _read(self, stock_name: str, *, is_fresh: bool) -> ReadAnswer:
        if not is_fresh and (hit := self.reader.hit(stock_name, self.now_s)):
            return ReadAnswer(hit[0].version, is_stale=False)
        read = self.reader.read(stock_name, is_fresh=is_fresh)
        return ReadAnswer(read.entry.version, read.is_stale)

    def _forget(self) -> None:
        """Forget what `frontend_app.wiring.forget` does."""
        self.orders.forget()
        self.watch.forget()

    def _keep_lease(self) -> None:
        while True:
            try:
                self.reader.keep_lease()
            except Failure as failure:
                self.network.note(f"{self.name} keeps no lease: {failure!r}")
            self.tasks.wait(self.limits.renewal_s)


class StoredFrontend(CachingFrontend):
    """A front end of a catalog on a disk."""

    def _connect_reader(self) -> CatalogCalls:
        assert isinstance(self.catalog, StoredCatalog), "it has a catalog on a disk"
        self.catalog.holders[self.node.control_port] = self
        return CatalogCalls(self.tasks, self.catalog)


class ReadingClient(SimClient):
    """A client that reads stocks, too."""

    checks: StoredChecks

    def _act(self) -> None:
        super()._act()
        rng = self.network.rng
        for _ in range(READS):
            name = rng.choice(tuple(self.checks.tallies))
            floor, losses = self.checks.floors[name], self.checks.losses
            request = Request("/stocks", (name, rng.random() < 0.1))
            judged = partial(self._judge, name, floor, losses)
            frontend = rng.choice(self.frontends)
            self.network.call(self, frontend, request, judged, LOOK_UP_TIMEOUT_S)

    def _judge(self, name: str, floor: Version, losses: int, answer: ReadAnswer | Failure) -> None:
        if isinstance(answer, ReadAnswer) and not answer.is_stale:
            self.checks.read(name, floor, losses, answer.version)
