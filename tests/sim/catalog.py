"""The catalog: its database is a few fields that outlive a crash; the core decides all else."""

from collections.abc import Iterable, Mapping
from functools import partial

from bazaar.core.digest import link
from bazaar.core.election import LEADER_PROTECTION_S, Leadership, Ping, claim_term, is_protected
from bazaar.core.failures import Failure, LeaderAlive, NotReplicated
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
from bazaar.core.types import Position, ReplicaId, Stock, Term
from catalog_app.leader_protection import PING_TIMEOUT_S
from tests.core.memory_log import MemoryLog
from tests.sim.checks import Checks
from tests.sim.messages import ChangePrice, ReadLast, Replicate
from tests.sim.network import Call, Network
from tests.sim.process import Process

PAGE_ORDERS_MAX = 2
"""Small, so that every catch-up has to page."""
REPLICATE_TIMEOUT_S = 3.0


class SimCatalog(Process):
    """Decides batches and claims, one at a time; each is one transaction."""

    def __init__(self, network: Network, checks: Checks, stocks: Iterable[Stock]) -> None:
        super().__init__("catalog", network)
        self.checks = checks
        self.leadership = Leadership(Term(0), None)
        self.stocks = {stock.name: stock for stock in stocks}
        self.ledger = MemoryLog(map(describe, self.stocks.values()))
        self.replicas: Mapping[ReplicaId, Process] = {}

    def start(self) -> None:
        super().start()
        self.elected_s = self.now_s - LEADER_PROTECTION_S

    def receive(self, call: Call, message: object) -> None:
        if isinstance(message, ClaimLeadership) and self._is_new(message):
            assert self.leadership.leader is not None, "a new leader is somebody"
            ping = PingReplica(self.leadership.leader)
            consider = partial(self._consider, call, message)
            leader = self.replicas[self.leadership.leader]
            self.network.call(self, leader, ping, consider, PING_TIMEOUT_S)
            return
        self._answer(call, message)

    def _answer(self, call: Call, message: object) -> None:
        try:
            if isinstance(message, ChangePrice):
                self._change_price(message)
                self._replicate(call, self.ledger.last)
                return
            self.network.answer(call, self._decide(message))
        except Failure as failure:
            self.network.answer(call, failure)

    def _decide(self, message: object) -> object:
        if isinstance(message, PlaceBatch):
            return self._trade(message.batch)
        if isinstance(message, ReadLedger):
            return self._page(message.after)
        if isinstance(message, ReadLeadership):
            return self.leadership
        if isinstance(message, ReadLast):
            return self.ledger.head.order_no
        assert isinstance(message, ClaimLeadership)
        return self._claim(message)

    def _change_price(self, message: ChangePrice) -> None:
        before = self.stocks[message.stock_name]
        after = reprice(before, message.price)
        self.check_disk()
        self.crash_point()
        self.checks.repriced(before, after)
        self.ledger.append(tuple(link(self.ledger.head, [describe(after)])))
        self.stocks[after.name] = after
        self.crash_point()

    def _replicate(self, call: Call, position: Position) -> None:
        """Have the leader copy an entry; then answer the operator."""
        leader = self.leadership.leader
        if leader is None:
            self.network.answer(call, NotReplicated())
            return
        told = partial(self.network.answer, call)
        self.network.call(
            self, self.replicas[leader], Replicate(position), told, REPLICATE_TIMEOUT_S
        )

    def _is_new(self, claim: ClaimLeadership) -> bool:
        """Tell whether the claim is against a leader who has led only a moment."""
        is_current = claim.term == self.leadership.term and self.leadership.leader is not None
        return is_current and self.now_s - self.elected_s < LEADER_PROTECTION_S

    def _consider(self, call: Call, claim: ClaimLeadership, answer: Ping | Failure) -> None:
        ping = answer if isinstance(answer, Ping) else None
        if is_protected(self.now_s - self.elected_s, ping):
            self.network.answer(call, LeaderAlive())
        else:
            self._answer(call, claim)

    def _trade(self, batch: Batch) -> BatchAnswer:
        decision = decide_batch(self._facts(batch), batch)
        self.check_disk()
        self.crash_point()
        self.checks.committed(batch, self.leadership, decision)
        self._commit(decision)
        self.crash_point()
        return BatchAnswer(decision.answers, self._page(batch.after))

    def _claim(self, claim: ClaimLeadership) -> Leadership:
        leadership = claim_term(self.leadership, claim.term, claim.leader)
        self.check_disk()
        self.crash_point()
        self.checks.claimed(self.leadership, claim.term, leadership)
        self.leadership, self.elected_s = leadership, self.now_s
        self.crash_point()
        return leadership

    def _facts(self, batch: Batch) -> LedgerFacts:
        """Read the facts that a decision about this batch needs."""
        names = {trade.stock_name for trade in batch.trades}
        return LedgerFacts(
            term=self.leadership.term,
            leader=self.leadership.leader,
            head=self.ledger.head,
            known=self.ledger.find(tuple(trade.key for trade in batch.trades)),
            stocks={name: self.stocks[name] for name in names if name in self.stocks},
        )

    def _commit(self, decision: Decision) -> None:
        if self.network.trace is not None:
            for order in decision.orders:
                self.network.note(f"the ledger has {order}")
        self.ledger.append(tuple(link(self.ledger.head, decision.orders)))
        self.stocks.update((stock.name, stock) for stock in decision.stocks)

    def _page(self, after: Position) -> Page:
        return self.ledger.page(after, PAGE_ORDERS_MAX)
