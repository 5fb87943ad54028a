"""
What an active catalog decides and grants, in its epoch (docs/adr/0048).

The core decides what becomes of a trade, and the lease table is the real one. What is read out to
others is never more than this active's own commits have acknowledged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bazaar.core.activity import ActiveCatalog, Heartbeat, check_epoch
from bazaar.core.digest import link
from bazaar.core.election import LEADER_PROTECTION_S, Leadership, Ping, claim_term, is_protected
from bazaar.core.failures import Failure, LeaderAlive, NotReplicated, Unreachable
from bazaar.core.flow import ClaimLeadership, PingReplica, PlaceBatch, ReadLeadership, ReadLedger
from bazaar.core.ledger import (
    Batch,
    BatchAnswer,
    Decision,
    LedgerFacts,
    Page,
    decide_batch,
    describe,
    reprice,
)
from bazaar.core.types import Entry, Epoch, Head, Position, ReplicaId, Stock
from bazaar.protocol.cache_messages import FoundStocks, HolderBody, LeaseBody, NamesBody
from bazaar.protocol.clients import Change
from catalog_app.leader_protection import PING_TIMEOUT_S
from catalog_app.lease_table import Clock, LeaseTableShell
from tests.sim.messages import ChangePrice, ReadLast, Replicate
from tests.sim.services import HolderCalls, Request
from tests.sim.shared_database import Rows, Transaction
from tests.sim.tasks import TaskLock

if TYPE_CHECKING:
    from tests.sim.shared_catalog import SharedCatalog

T = TypeVar("T")
PAGE_ENTRIES_MAX = 3
"""Small, so that every catch-up has to page."""
REPLICATE_TIMEOUT_S = 3.0
HEARTBEAT = ("proofs", "decisions")
"""The rows of which each write of an active changes one; the first is a time on its clock."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the newest commit of this active has made of leadership and ledger."""

    leadership: Leadership
    head: Head


@dataclass(frozen=True, slots=True)
class Registered:
    """What a claim reads when it is committed."""

    settled: Settled
    holders: tuple[tuple[str, int], ...]
    """Every holder whose lease may run, with its control port."""
    heartbeat: Heartbeat
    """Of the active before."""

    @classmethod
    def read(cls, rows: Rows) -> "Registered":
        """Read it in a transaction."""
        holders = (
            (key[1], port)
            for key, port in rows.items()
            if isinstance(key, tuple) and key[0] == "holder" and port is not None
        )
        settled = Settled(rows["leadership"], rows["head"])
        return cls(settled, tuple(holders), read_heartbeat(rows))


def read_heartbeat(rows: Rows) -> Heartbeat:
    """Return what each write of an active changes."""
    return tuple(rows[one] for one in HEARTBEAT)


def fence(known: ActiveCatalog) -> tuple[Rows, Rows]:
    """Return what each transaction of an active expects in the head row, and writes into it."""
    return {"active": known}, {"active": known}


class ActiveShell:
    """One process's work in the epoch that it has claimed."""

    def __init__(self, process: "SharedCatalog", found: Registered) -> None:
        self.process, self.settled = process, found.settled
        self._decisions = found.heartbeat[1]
        self.activity, self.checks = process.activity, process.checks
        self.database, self.writer = process.database, TaskLock(process.tasks)
        self.registered = set[str]()
        self.elected_s = process.now_s - LEADER_PROTECTION_S
        clock = Clock(lambda: process.now_s, process.tasks.wait)
        side_by_side = process.tasks.side_by_side
        self.leases = LeaseTableShell(process.limits.lease_s, clock, side_by_side)
        for holder_id, _ in found.holders:
            self.leases.remember(holder_id)  # none of them is renewed, nor begins another lease

    @property
    def epoch(self) -> Epoch:
        """The epoch that it has claimed."""
        return self.activity.known.epoch

    def perform(self, request: object) -> object:
        """Decide or grant what was asked for. Raises Failure."""
        match request:
            case PlaceBatch(batch):
                answer: object = self._place(batch)
            case ClaimLeadership():
                answer = self._claim_leadership(request)
            case ChangePrice():
                answer = self._change_price(request)
            case ReadLedger(after):
                answer = self._read_page(after)
            case ReadLeadership():
                answer = self._read_out(lambda rows: self.settled.leadership)
            case ReadLast():
                answer = self._read_out(lambda rows: self.settled.head.order_no)
            case _:
                assert isinstance(request, Request), f"{request} is for nobody"
                answer = self._answer_holder(request)
        return answer

    def _answer_holder(self, request: Request) -> object:
        match request:
            case Request("/register", holder):
                return self._register(holder)
            case Request("/renew", holder):
                self.leases.renew(str(holder.holder_id))
                return self._granted(self._describe_lease())
            case Request("/read", (holder_id, wanted)):
                return self._read(str(holder_id), wanted)
            case Request("/names", _):
                names = tuple(self.checks.tallies)
                return self._read_out(lambda rows: NamesBody(names=names, end=len(names)))
        raise AssertionError(f"a catalog has no answer to {request}")

    def count_decision(self) -> Rows:
        """Return what the next decision changes, so that a standby sees it."""
        self._decisions += 1
        return {"decisions": self._decisions}

    def end_leases(self, holder_ids: tuple[str, ...]) -> None:
        """Note that the leases of older epochs are over."""
        with self.writer:
            self._decide({}, {("holder", holder_id): None for holder_id in holder_ids})

    def _granted(self, answer: T) -> T:
        """Return what was read, if it may be given out by now. Raises NotActive, Unreachable."""
        self.activity.check_granting(self.process.now_s)
        return answer

    def _read_out(self, read: Callable[[Rows], T]) -> T:
        """
        Return rows for others to see, as of a moment of this epoch.

        Raises NotActive (definite), Unreachable.
        """
        active, found = self.database.read(lambda rows: (rows["active"], read(rows)))
        check_epoch(active, self.epoch)
        return self._granted(found)

    def _decide(
        self, expected: Rows, writes: Rows, note: Callable[[], None] = lambda: None
    ) -> None:
        """Commit what was decided, in this epoch only."""
        fenced, written = fence(self.activity.known)
        transaction = Transaction({**expected, **fenced}, {**writes, **written}, note=note)
        self.process.commit_fenced(transaction)

    def _read_facts(self, read: Callable[[Rows], T]) -> T:
        """Read rows of this epoch, as of the newest commit. Raises NotActive, Unreachable."""
        active, settled, found = self.database.read(
            lambda rows: (rows["active"], Settled(rows["leadership"], rows["head"]), read(rows))
        )
        check_epoch(active, self.epoch)
        if settled != self.settled:
            raise Unreachable("The database does not have what was committed last.")
        return found

    def _place(self, batch: Batch) -> BatchAnswer:
        with self.writer:
            self.activity.check_deciding()
            facts = self._read_facts(partial(_read_batch_facts, batch))
            decision = decide_batch(facts, batch)
            changes = [(stock.name, stock.version) for stock in decision.stocks]
            leadership = self.settled.leadership
            note = partial(self.checks.wrote_batch, self.epoch, batch, leadership, decision)
            expected, writes = _describe_decision(facts, decision)
            self._change(changes, decision.head, (expected, writes), note)
        if batch.after != facts.head.position:
            return BatchAnswer(decision.answers, self._read_page(batch.after))
        head = decision.head
        page = Page(facts.head, decision.orders, head.digest, head.position)
        return BatchAnswer(decision.answers, page)

    def _change_price(self, request: ChangePrice) -> Stock:
        with self.writer:
            self.activity.check_deciding()
            key = ("stock", request.stock_name)
            before: Stock = self._read_facts(lambda rows: rows[key])
            after = reprice(before, request.price)
            ((entry, head),) = link(self.settled.head, [describe(after)])
            note = partial(self.checks.wrote_price, self.epoch, before, after)
            expected = {key: before, "head": self.settled.head}
            writes = {key: after, "head": head, ("entry", head.position): (entry, head)}
            self._change([(after.name, after.version)], head, (expected, writes), note)
        self._replicate(head.position)
        self.checks.price_acknowledged(after)
        return after

    def _change(
        self,
        changes: list[Change],
        head: Head,
        rows: tuple[Rows, Rows],
        note: Callable[[], None],
    ) -> None:
        """Have stocks forgotten everywhere, then commit (I7); rows: expected and written."""
        expected, writes = rows
        try:
            over: tuple[str, ...] = ()
            if changes:
                over = tuple(self.leases.finish(self.leases.begin(changes)))
            ended = {("holder", holder_id): None for holder_id in over}
            self._decide(expected, {**writes, **ended}, note)
            self.settled = Settled(self.settled.leadership, head)
        finally:
            self.leases.settle()

    def _replicate(self, position: Position) -> None:
        """Have the leader copy an entry. Raises NotReplicated."""
        leader = self.settled.leadership.leader
        if leader is None:
            raise NotReplicated
        replica = self.process.replicas[leader]
        self.process.tasks.call(replica, Replicate(position), REPLICATE_TIMEOUT_S)

    def _claim_leadership(self, claim: ClaimLeadership) -> Leadership:
        leader = self.settled.leadership.leader
        if leader is not None and self.settled.leadership.term == claim.term:
            self._check_protection(leader)
        with self.writer:
            self.activity.check_deciding()
            before: Leadership = self._read_facts(lambda rows: rows["leadership"])
            after = claim_term(before, claim.term, claim.leader)
            note = partial(self.checks.leadership_won, self.epoch, before, after)
            self._decide({"leadership": before}, {"leadership": after}, note)
            self.settled = Settled(after, self.settled.head)
            self.elected_s = self.process.now_s
        return after

    def _check_protection(self, leader: ReplicaId) -> None:
        """Raise LeaderAlive (definite): the leader is new, and is reached from here."""
        led_s = self.process.now_s - self.elected_s
        if led_s >= LEADER_PROTECTION_S:
            return
        ping: Ping | None = None
        replica = self.process.replicas[leader]
        try:
            ping = self.process.tasks.call(replica, PingReplica(leader), PING_TIMEOUT_S)
        except Failure:
            return
        if is_protected(led_s, ping):
            raise LeaderAlive

    def _read_page(self, after: Position) -> Page:
        """Return entries that this active knows to be committed."""
        return self._read_out(partial(_make_page, after, self.settled.head))

    def _register(self, holder: HolderBody) -> LeaseBody:
        holder_id, port = str(holder.holder_id), holder.control_port
        client = HolderCalls(self.process.tasks, self.process.holders[port], self.epoch)
        with self.writer:
            if not self.leases.is_known(holder_id):
                over = self.registered - set(self.leases.list_holders())
                ended = {("holder", one): None for one in over}
                fenced, written = fence(self.activity.known)
                writes = {**written, **ended, ("holder", holder_id): port}
                self.process.commit_fenced(Transaction(fenced, writes), decides=False)
                self.registered = (self.registered - over) | {holder_id}
            self.leases.register(holder_id, client)
        return self._granted(self._describe_lease())

    def _describe_lease(self) -> LeaseBody:
        listed, lease_s = len(self.checks.tallies), self.process.limits.lease_s
        return LeaseBody(lease_s=lease_s, listed=listed, epoch=self.epoch)

    def _read(self, holder_id: str, wanted: Mapping[str, bool]) -> FoundStocks:
        """Return stocks as committed; one whose change is under way, once that is settled."""
        exist = [name for name in wanted if wanted[name] and name in self.checks.tallies]
        kept = {name for name in exist if self.leases.subscribe(holder_id, name)}
        stocks = self._read_stocks(wanted)
        if self.leases.table.changing & wanted.keys():
            with self.writer:
                stocks = self._read_stocks(wanted)
        found = ((stock, name in kept) if stock else None for name, stock in stocks.items())
        return self._granted(FoundStocks(self.epoch, tuple(found)))

    def _read_stocks(self, wanted: Mapping[str, bool]) -> dict[str, Stock | None]:
        return self._read_out(lambda rows: {one: rows.get(("stock", one)) for one in wanted})


def _read_batch_facts(batch: Batch, rows: Rows) -> LedgerFacts:
    leadership: Leadership = rows["leadership"]
    names = {trade.stock_name for trade in batch.trades}
    orders = {trade.key: rows.get(("key", trade.key)) for trade in batch.trades}
    return LedgerFacts(
        term=leadership.term,
        leader=leadership.leader,
        head=rows["head"],
        known={key: order for key, order in orders.items() if order is not None},
        stocks={name: rows["stock", name] for name in names if ("stock", name) in rows},
    )


def _describe_decision(facts: LedgerFacts, decision: Decision) -> tuple[Rows, Rows]:
    """Return what a decision expects, and what it writes."""
    expected: dict[Any, Any] = {"head": facts.head}
    writes: dict[Any, Any] = {"head": decision.head}
    for stock in decision.stocks:
        expected["stock", stock.name] = facts.stocks[stock.name]
        writes["stock", stock.name] = stock
    for order, (entry, head) in zip(
        decision.orders, link(facts.head, decision.orders), strict=True
    ):
        expected["entry", head.position] = None
        writes["entry", head.position] = (entry, head)
        writes["key", order.key] = order
    return expected, writes


def _make_page(after: Position, head: Head, rows: Rows) -> Page:
    """Return entries after a position, none beyond a head."""
    end = min(after + PAGE_ENTRIES_MAX, head.position)
    found: list[tuple[Entry, Head]] = [rows["entry", at] for at in range(after + 1, end + 1)]
    before: Head = rows["entry", after][1] if after else Head()
    last = found[-1][1] if found else before
    return Page(before, tuple(entry for entry, _ in found), last.digest, head.position)
