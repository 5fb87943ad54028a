"""The catalog on a disk: services, recovery, verifier and repair, started as in a process."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from uuid import UUID

import pytest
from django.db import DatabaseError

import catalog_app.wiring
from bazaar import clock
from bazaar.core.election import Leadership
from bazaar.core.failures import Unreachable
from bazaar.core.flow import ClaimLeadership, PlaceBatch, ReadLeadership, ReadLedger
from bazaar.core.types import START, Entry, Position, ReplicaId, Stock, Term
from bazaar.runtime.anew import Aside
from bazaar.runtime.loops import Loop
from bazaar.runtime.sequence_store import SequenceStore
from bazaar.runtime.storage import await_storage, find_failure
from bazaar.runtime.verifier import Verifier
from bazaar.settings.env import Limits
from catalog_app import models, selectors, services
from catalog_app.leader_protection import LeaderProtection
from catalog_app.lease_table import Clock, LeaseTableShell
from catalog_app.recovery import LedgerRecovery, Timing
from catalog_app.repair import LedgerRepair
from catalog_app.wiring import Counts
from tests.sim.calls import PeerCalls
from tests.sim.disk import Disk
from tests.sim.messages import ChangePrice, ReadLast
from tests.sim.network import Call
from tests.sim.process import Process
from tests.sim.services import HolderCalls, Request
from tests.sim.stored_checks import StoredChecks
from tests.sim.tasks import TaskLock, Tasks
from tests.sim.threaded import RESTART_S, ThreadedProcess
from tests.sim.waits import TaskWaits

PAGE_ORDERS_MAX = 3
_LEADERSHIP = "SELECT term, leader FROM catalog_app_leadership WHERE id = 1"
_STOCKS = (
    "SELECT name, price, quantity, opening, issued, trade_volume, version FROM catalog_app_stock"
)


class StoredCatalog(ThreadedProcess):
    """The catalog; one a simulation, because its room has one set of parts."""

    def __init__(self, tasks: Tasks, checks: StoredChecks, disk: Disk, limits: Limits) -> None:
        super().__init__("catalog", tasks)
        self.checks, self.limits = checks, limits
        self.disk: Disk = disk
        self.replicas: Mapping[ReplicaId, Process] = {}
        self.holders: dict[int, Process] = {}
        """Front ends by their control port."""
        self.leadership = Leadership(Term(0), None)
        """As it is in the file."""
        self.is_begun = False
        self.position = START.position
        """Where the ledger in the file ends."""
        self.given_up = Position(0)
        """Where the ledger ended that a repair has given up, until the next one decides."""
        self.repaired = 0
        """How often it has begun anew by itself."""
        self._store = SequenceStore(
            "catalog_app_entry",
            "catalog_app_stockchange",
            *selectors.LEDGER.more,
            execute=disk.read,
        )

    def wire(self, patch: pytest.MonkeyPatch) -> None:
        """Take the place of the parts that the room's wiring would make, and of the clock."""
        parts: dict[str, object] = {
            "writer": lambda: self.writer,
            "counts": lambda: self.counts,
            "lease_table": lambda: self.lease_table,
            "recovery": lambda: self.recovery,
            "repair": lambda: self.repair,
            "repairs": lambda: self.repairs,
            "replicas": lambda: self.clients,
            "incarnation": lambda: self.incarnation,
            "leader_protection": lambda: self.protection,
            "page_orders_max": lambda: PAGE_ORDERS_MAX,
            "await_storage": partial(await_storage, pause=self.tasks.wait),
            "begin_recovery": self._begin_recovery,
            "_client_of": self._client_of,
        }
        for name, part in parts.items():
            patch.setattr(catalog_app.wiring, name, part)
        patch.setattr("catalog_app.recovery.ThreadPoolExecutor", partial(SidePool, self.tasks))
        patch.setattr(clock, "monotonic_s", lambda: self.now_s)
        patch.setattr(clock, "wall_s", lambda: self.now_s)
        patch.setattr(clock, "thread_s", lambda: 0.0)
        patch.setattr(clock, "wait", self.tasks.wait)

    def list_stocks(self, stocks: Sequence[Stock]) -> None:
        """List the first stocks, before the first life."""
        self._make_parts()
        with self.disk.session():
            models.Leadership.objects.update_or_create(pk=1, defaults={"term": 0, "leader": None})
            services.list_stocks(stocks=stocks)
        self.disk.close()
        self.disk.before_commit, self.disk.after_commit = self.crash_point, self._note_commit

    def start(self) -> None:
        super().start()
        self.is_begun = False
        self.disk.forget_damage()
        self._make_parts()
        self._look()
        self.tasks.spawn(self, catalog_app.wiring.start)

    def receive(self, call: Call, message: object) -> None:
        if self.is_begun:
            super().receive(call, message)
        else:
            self.network.answer(call, Unreachable("It does not listen yet.", is_refused=True))

    def answer(self, request: object) -> object:
        """Answer as the room's endpoints do. Raises Failure."""
        try:
            if isinstance(request, ReadLedger):
                self.recovery.check()
            else:
                catalog_app.wiring.check_deciding()
            return self._answer(request)
        except DatabaseError as error:
            raise find_failure(error) or Unreachable(str(error)) from error

    @property
    def is_deciding(self) -> bool:
        """Whether it serves."""
        return self.is_up and self.has_recovered and not self.disk.damage_where

    @property
    def has_recovered(self) -> bool:
        """Whether it has asked the replicas; a change that damage overtakes is still committed."""
        return self.is_begun and not self.recovery.reason

    def read_entries(self) -> tuple[Entry, ...]:
        """Return the ledger as it is in the file."""
        return self._store.page(START.position, 10**6).entries

    def find_damage(self) -> str:
        """Return the first order that is not as it was written, in words; nothing: all are."""
        _, fault = self._store.verify(START, 10**6)
        return fault

    def read_stocks(self) -> list[tuple[Any, ...]]:
        """Return the rows of the stocks, from the name to the version."""
        return self.disk.read(_STOCKS)

    def damage(self, order_no: int) -> bool:
        """Change an order in the file; tell whether it is there."""
        update = "UPDATE catalog_app_entry SET quantity = quantity + 1 WHERE order_no = ?"
        return self.disk.change(update, order_no) == 1

    def _make_parts(self) -> None:
        """Make what a process makes once."""
        rng = self.network.rng
        selectors.LEDGER.written = START
        self.writer, self.counts = TaskLock(self.tasks), Counts()
        holders_clock = Clock(lambda: self.now_s, self.tasks.wait)
        self.lease_table = LeaseTableShell(
            self.limits.lease_s, holders_clock, self.tasks.side_by_side
        )
        self.clients = {
            one: PeerCalls(self.tasks, one, replica, self.limits.call_timeout_s)
            for one, replica in self.replicas.items()
        }
        timing = Timing(lambda: self.now_s, self.tasks.wait)
        self.recovery = LedgerRecovery(self.clients, self.limits, timing)
        self.repair = LedgerRepair(self.recovery, Aside(self.disk.path), self.writer, self._restart)
        interval_s = catalog_app.wiring.REPAIR_INTERVAL_S
        self.repairs = Loop("repair", self.repair.round, interval_s, TaskWaits(self.tasks))
        self.incarnation = UUID(int=rng.getrandbits(128))
        self.protection = LeaderProtection(self.clients, lambda: self.now_s)

    def _begin_recovery(self) -> None:
        self.recovery.begin()
        self.is_begun = True
        self.tasks.spawn(self, self.repairs._repeat)
        self.tasks.spawn(self, Verifier(selectors.POINTS, self.limits.verify_turn_s)._repeat)
        self.tasks.spawn(self, self._recover)

    def _recover(self) -> None:
        catalog_app.wiring._recover()
        if self.recovery.reason:
            return  # damage has ended it
        assert self.position >= self.given_up, f"I3 a repair gave up {self.given_up}"
        self.given_up = Position(0)
        self.checks.recovered(self.position, self.read_stocks())
        self.network.note(f"the catalog decides from entry {self.position} on")

    def _restart(self) -> None:
        """End this process, which is started again: a repair has put another file here."""
        self.network.note(f"the catalog has repaired itself; its ledger ended at {self.position}")
        self.given_up, self.repaired = self.position, self.repaired + 1
        self.network.events.after(RESTART_S, self.start_if_dead)
        self.tasks.die()

    def _answer(self, request: object) -> object:
        if isinstance(request, Request):
            return self._answer_holder(request)
        match request:
            case PlaceBatch(batch):
                answer: object = services.place_batch(batch=batch)
            case ClaimLeadership(term, leader):
                answer = services.claim_leadership(term=term, leader=leader)
            case ChangePrice(stock_name, price):
                answer = services.change_price(stock_name=stock_name, price=price)
            case ReadLedger(after):
                answer = selectors.LEDGER.page(after, PAGE_ORDERS_MAX)
            case ReadLast():
                answer = selectors.LEDGER.read_head().order_no
            case ReadLeadership():
                answer = selectors.get_leadership()
            case _:
                raise AssertionError(f"a catalog has no answer to {request}")
        return answer

    def _answer_holder(self, request: Request) -> object:
        match request:
            case Request("/register", holder):
                return services.register_holder(holder=holder)
            case Request("/renew", holder):
                return services.renew_holder(holder_id=holder.holder_id)
            case Request("/read", (holder_id, wanted)):
                return services.read_stocks(holder_id=holder_id, wanted=wanted)
            case Request("/names", (after, limit)):
                return selectors.list_names(after=after, limit=limit)
        raise AssertionError(f"a catalog has no answer to {request}")

    def _client_of(self, _: str, control_port: int) -> HolderCalls:
        return HolderCalls(self.tasks, self.holders[control_port])

    def _note_commit(self) -> None:
        """Have what was committed this moment checked; then die, perhaps."""
        before = self.leadership, self.position
        self._look(is_new=True)
        if before != (self.leadership, self.position):
            self.checks.moved(self.read_stocks(), is_deciding=self.has_recovered)
        self.crash_point()

    def _look(self, *, is_new: bool = False) -> None:
        """Read from the file term and end of the ledger; is_new: all since the last time is."""
        rows = self.disk.read(_LEADERSHIP)
        term, leader = rows[0] if rows else (0, None)
        leadership = Leadership(Term(term), leader)
        if is_new and leadership != self.leadership:
            self.checks.elected(self.leadership, leadership)
        self.leadership = leadership
        if is_new:
            self._take_in()
        else:
            self.position = self._store.read_head().position

    def _take_in(self) -> None:
        end = self._store.read_head()
        if end.position == self.position:
            return
        page = self._store.page(self.position, end.position - self.position)
        rows = self._store.list_rows(page.after.order_no, len(page.entries)).rows
        terms = {row.order_no: (Term(row.term or 0), row.version or 0) for row in rows}
        self.checks.wrote(self.position, page.entries, terms, is_deciding=self.has_recovered)
        self.position = Position(end.position)


class SidePool:
    """A pool whose threads are tasks of the process that waits for them."""

    def __init__(self, tasks: Tasks, threads_max: int) -> None:
        self._tasks, self.threads_max = tasks, threads_max

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """All is done."""

    def map(self, function: Any, items: Any) -> list[Any]:
        """Call a function for each item at the same time."""
        return self._tasks.side_by_side(function, tuple(items))

    def submit(self, function: Any, *values: Any) -> Any:
        """Return a call that is made when its result is asked for."""
        return SimpleNamespace(result=partial(function, *values))
