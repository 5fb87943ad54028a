"""A ledger for examples: the facts before a decision, and the decision applied."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bazaar.core.ledger import Answer, Batch, Decision, LedgerFacts, decide_batch
from bazaar.core.types import START, Head, Order, ReplicaId, Stock, Term, Trade
from tests.core.history import NAMES, make_stock

TERM = Term(3)
LEADER = ReplicaId(2)


@dataclass(slots=True)
class MemoryLedger:
    """What the catalog keeps, without a catalog."""

    stocks: dict[str, Stock] = field(
        default_factory=lambda: {name: make_stock(name) for name in NAMES}
    )
    orders: list[Order] = field(default_factory=list)
    head: Head = START

    def decide(self, trades: Iterable[Trade]) -> Decision:
        """Decide a batch of the current leader; change nothing."""
        trades = tuple(trades)
        keys = {trade.key for trade in trades}
        facts = LedgerFacts(
            term=TERM,
            leader=LEADER,
            head=self.head,
            known={order.key: order for order in self.orders if order.key in keys},
            stocks=self.stocks,
        )
        return decide_batch(facts, Batch(TERM, LEADER, facts.head.position, trades))

    def place(self, *trades: Trade) -> tuple[Answer, ...]:
        """Decide a batch and apply the decision."""
        decision = self.decide(trades)
        self.orders.extend(decision.orders)
        self.stocks.update((stock.name, stock) for stock in decision.stocks)
        self.head = decision.head
        return decision.answers
