"""The invariants of a cluster whose catalogs share a database (docs/adr/0048)."""

from collections.abc import Iterable, Mapping

from bazaar.core.activity import NO_ACTIVE, ActiveCatalog
from bazaar.core.election import Leadership
from bazaar.core.ledger import Answer, Batch, Decision
from bazaar.core.types import Epoch, Order, OrderNo, Position, ReplicaId, Stock, Term
from tests.sim.stored_checks import StoredChecks


class SharedChecks(StoredChecks):
    """What has to be true; each commit is checked once nothing can undo it."""

    def __init__(self, stocks: Iterable[Stock]) -> None:
        super().__init__(stocks)
        self.active: ActiveCatalog = NO_ACTIVE
        self.leadership = Leadership(Term(0), None)
        self.commits = 0
        self._acknowledged = OrderNo(0)

    @property
    def reached(self) -> OrderNo:
        """The newest order that a leader has acknowledged; others may be seen by nobody yet."""
        return self._acknowledged

    def answered(
        self,
        term: Term,
        answers: Iterable[Answer],
        leader: Position,
        in_sync: Mapping[ReplicaId, Position],
    ) -> None:
        answers = tuple(answers)
        super().answered(term, answers, leader, in_sync)
        numbers = (one.order_no for one in answers if isinstance(one, Order))
        self._acknowledged = max(self._acknowledged, *numbers, OrderNo(0))

    def epoch_claimed(self, before: ActiveCatalog, after: ActiveCatalog) -> None:
        """Check a claim of an epoch: I5."""
        assert before == self.active, f"I5 {after} was claimed over {before}, not {self.active}"
        assert after.epoch == before.epoch + 1, f"I5 {after} after {before}"
        self.active = after

    def wrote_batch(
        self, epoch: Epoch, batch: Batch, leadership: Leadership, decision: Decision
    ) -> None:
        """Check a batch that was committed: I1, I2, I4, I5, I9."""
        self._fenced(epoch)
        assert leadership == self.leadership, f"I5 {leadership}, not {self.leadership}"
        self.committed(batch, leadership, decision)
        for order, version in zip(decision.orders, decision.versions, strict=True):
            self.version_of[order.order_no] = version
        for stock in decision.stocks:
            self.versions[stock.name] = stock.version

    def wrote_price(self, epoch: Epoch, before: Stock, after: Stock) -> None:
        """Check a price that was committed: I5, I7."""
        self._fenced(epoch)
        self.repriced(before, after)
        self.versions[after.name], self.prices[after.name] = after.version, after.price

    def price_acknowledged(self, stock: Stock) -> None:
        """Note that an operator was told of a price."""
        self.floors[stock.name] = max(self.floors[stock.name], stock.version)

    def leadership_won(self, epoch: Epoch, before: Leadership, after: Leadership) -> None:
        """Check an election that was committed: I5, I6."""
        self._fenced(epoch)
        assert before == self.leadership, f"I6 {after} after {before}, not {self.leadership}"
        self.claimed(before, before.term, after)
        self.leadership = after

    def _fenced(self, epoch: Epoch) -> None:
        self.commits += 1
        assert epoch == self.active.epoch, f"I5 a commit of epoch {epoch} in {self.active}"
