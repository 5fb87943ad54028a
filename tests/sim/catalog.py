"""The catalog: its database is a few fields that outlive a crash; the core decides all else."""

from collections.abc import Iterable

from bazaar.core.digest import link
from bazaar.core.election import Reign, claim_term
from bazaar.core.failures import Failure
from bazaar.core.flow import AskCatalog, AskLedger, Claim
from bazaar.core.ledger import Batch, BatchAnswer, Book, Decision, Page, decide_batch
from bazaar.core.types import OrderNo, Stock, Term
from tests.core.memory_log import MemoryLog
from tests.sim.checks import Checks
from tests.sim.network import Call, Network
from tests.sim.process import Process

PAGE_ORDERS_MAX = 4
"""Small, so that every catch-up has to page."""


class SimCatalog(Process):
    """Decides batches and claims, one at a time; each is one transaction."""

    def __init__(self, network: Network, checks: Checks, stocks: Iterable[Stock]) -> None:
        super().__init__("catalog", network)
        self.checks = checks
        self.reign = Reign(Term(0), None)
        self.stocks = {stock.name: stock for stock in stocks}
        self.ledger = MemoryLog()

    def receive(self, call: Call, message: object) -> None:
        try:
            self.network.answer(call, self._answer(message))
        except Failure as failure:
            self.network.answer(call, failure)

    def _answer(self, message: object) -> object:
        if isinstance(message, AskCatalog):
            return self._trade(message.batch)
        if isinstance(message, AskLedger):
            return self._page(message.after)
        assert isinstance(message, Claim)
        return self._claim(message)

    def _trade(self, batch: Batch) -> BatchAnswer:
        decision = decide_batch(self._book(batch), batch)
        self.crash_point()
        self.checks.committed(batch, self.reign, decision)
        self._commit(decision)
        self.crash_point()
        return BatchAnswer(decision.answers, self._page(batch.after))

    def _claim(self, claim: Claim) -> Reign:
        reign = claim_term(self.reign, claim.term, claim.leader)
        self.crash_point()
        self.checks.claimed(self.reign, claim.term, reign)
        self.reign = reign
        self.crash_point()
        return reign

    def _book(self, batch: Batch) -> Book:
        """Read the facts that a decision about this batch needs."""
        names = {trade.stock_name for trade in batch.trades}
        return Book(
            term=self.reign.term,
            leader=self.reign.leader,
            last=self.ledger.last,
            digest=self.ledger.digests[-1],
            known=self.ledger.find(tuple(trade.key for trade in batch.trades)),
            stocks={name: self.stocks[name] for name in names if name in self.stocks},
        )

    def _commit(self, decision: Decision) -> None:
        if self.network.trace is not None:
            for order in decision.orders:
                self.network.note(f"the ledger has {order}")
        self.ledger.append(tuple(link(self.ledger.digests[-1], decision.orders)))
        self.stocks.update((stock.name, stock) for stock in decision.stocks)

    def _page(self, after: OrderNo) -> Page:
        return self.ledger.page(after, PAGE_ORDERS_MAX)
