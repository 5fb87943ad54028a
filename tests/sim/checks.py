"""
The invariants, asserted at the moment at which each could break (docs/INVARIANTS.md).

`history` is what the ledger has committed, kept apart from any simulated disk: everything stored,
acknowledged or looked up anywhere is compared with it. Each assertion names its invariant.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from bazaar.core.digest import extend
from bazaar.core.election import Leadership
from bazaar.core.failures import Failure, KeyReused, UnknownOrder
from bazaar.core.ledger import Answer, Batch, Decision, describe
from bazaar.core.types import (
    START,
    Entry,
    Head,
    Linked,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Stock,
    Term,
    Trade,
    TradeType,
)


@dataclass(slots=True)
class Tally:
    """One stock, counted from the ledger (I4)."""

    stock: Stock
    bought: int = 0
    sold: int = 0
    trades: int = 0
    changes: int = 0

    def add(self, order: Order) -> None:
        """Count one accepted trade."""
        self.trades += 1
        if order.trade_type is TradeType.BUY:
            self.bought += order.quantity
        else:
            self.sold += order.quantity

    def check(self, stock: Stock) -> None:
        """Assert that the catalog's numbers are the ledger's."""
        assert stock.version == self.stock.version + self.trades + self.changes, f"I7 {stock}"
        assert 0 <= stock.quantity <= stock.issued == self.stock.issued, f"I4 {stock}"
        assert stock.opening == self.stock.opening, f"I4 {stock}"
        assert stock.quantity == stock.opening - self.bought + self.sold, f"I4 {stock}"
        assert stock.trade_volume == self.bought + self.sold, f"I4 {stock}"


class Checks:
    """What has to be true, whatever fails."""

    def __init__(self, stocks: Iterable[Stock]) -> None:
        self.history: list[Entry] = []
        self.heads: list[Head] = [START]
        self.orders: list[Order] = []
        self.by_key: dict[UUID, Order] = {}
        self.tallies = {stock.name: Tally(stock) for stock in stocks}
        for tally in self.tallies.values():
            self.enter(describe(tally.stock))
        self.leaderships: dict[Term, ReplicaId | None] = {Term(0): None}
        self.entry_term = Term(0)
        """The term under which the newest entry of the ledger was made."""
        self.acknowledged: dict[UUID, Order] = {}
        """What clients were told."""
        self.newest_of: dict[Term, Position] = {}
        """The newest entry that was acknowledged in each term."""
        self.refused: dict[UUID, Trade] = {}
        """Trades that were definitely refused, at their first and only attempt (I9)."""

    @property
    def last(self) -> OrderNo:
        """The newest order of the one history."""
        return OrderNo(len(self.orders))

    @property
    def reached(self) -> OrderNo:
        """The newest order that nobody may call unknown any more."""
        return self.last

    def committed(self, batch: Batch, leadership: Leadership, decision: Decision) -> None:
        """Check one transaction of the catalog: I1, I2, I4, I5, I9."""
        for trade, answer in zip(batch.trades, decision.answers, strict=True):
            if isinstance(answer, Order):
                assert answer.is_of(trade), f"I2 {trade} got {answer}"
        if decision.orders:
            assert (batch.term, batch.leader) == (leadership.term, leadership.leader), f"I5 {batch}"
            assert batch.term >= self.entry_term, f"I5 {batch} after {self.entry_term}"
            self.entry_term = batch.term
        for order in decision.orders:
            self._append(order)
        assert decision.head == self.heads[-1], "I8 the ledger's digest"
        assert {order.stock_name for order in decision.orders} == {
            stock.name for stock in decision.stocks
        }, "I4: what moved is what is written"
        for stock in decision.stocks:
            self.tallies[stock.name].check(stock)

    def enter(self, entry: Entry) -> None:
        """Take an entry into the one history."""
        self.history.append(entry)
        self.heads.append(extend(self.heads[-1], entry))

    def position_of(self, order: Order) -> Position:
        """Return the place of an order in the one history."""
        heads = self.heads
        return heads[bisect_left(heads, order.order_no, key=attrgetter("order_no"))].position

    def _append(self, order: Order) -> None:
        assert order.order_no == self.last + 1, f"I1 {order} after {self.last}"
        assert order.key not in self.by_key, f"I2 {order} and {self.by_key[order.key]}"
        told = self.refused.get(order.key)
        assert told is None or not order.is_of(told), f"I9 {order} was definitely refused"
        self.enter(order)
        self.orders.append(order)
        self.by_key[order.key] = order
        self.tallies[order.stock_name].add(order)

    def claimed(self, before: Leadership, term: Term, leadership: Leadership) -> None:
        """Check one compare-and-set of the leadership: I6."""
        assert term == before.term, f"I6 a claim of {term} won over {before}"
        assert leadership.term == before.term + 1, f"I6 {leadership} after {before}"
        assert leadership.term not in self.leaderships, f"I6 {leadership} twice"
        self.leaderships[leadership.term] = leadership.leader

    def led(self, term: Term, replica_id: ReplicaId, last: Position) -> None:
        """Check that a new leader was elected (I6) and has all that was acknowledged (I3)."""
        before = max((upto for at, upto in self.newest_of.items() if at <= term), default=0)
        assert last >= before, f"I3 {replica_id} leads {term} from {last}, not {before}"
        assert self.leaderships.get(term) == replica_id, (
            f"I6 {replica_id} leads {term} {self.leaderships}"
        )

    def term_saved(
        self, old: tuple[Term, ReplicaId | None], new: tuple[Term, ReplicaId | None]
    ) -> None:
        """Check that a durable term only grows, and is a real one: I6."""
        assert new[0] > old[0] or old[1] in (None, new[1]), f"I6 {old} to {new}"
        assert new[0] >= old[0], f"I6 {old} to {new}"
        assert self.leaderships.get(new[0]) == new[1], (
            f"I6 {new} was never elected {self.leaderships}"
        )

    def stored(self, last: Position, entries: tuple[Linked, ...]) -> None:
        """Check that a log which ends at `last` stays a prefix of the history: I1, I8."""
        for at, (entry, head) in enumerate(entries, last):
            assert at < len(self.history), f"I8 {entry} is not in the ledger"
            assert entry == self.history[at], f"I1 {entry} instead of {self.history[at]}"
            assert head == self.heads[at + 1], f"I8 {entry} has another digest"

    def fenced(self, term: Term, durable: Term) -> None:
        """Check that an append which was accepted is not from an older term: I5."""
        assert term >= durable, f"I5 an append of term {term} accepted in {durable}"

    def answered(
        self,
        term: Term,
        answers: Iterable[Answer],
        leader: Position,
        in_sync: Mapping[ReplicaId, Position],
    ) -> None:
        """
        Check what the leader of a term acknowledges to a front end: I3.

        leader: how far its own log reaches; in_sync: how far the logs of who is in sync do.
        """
        for order in answers:
            if not isinstance(order, Order):
                continue
            assert order == self.by_key.get(order.key), f"I1, I3 {order} is not in the ledger"
            at = self.position_of(order)
            assert at <= leader, f"I3 {order} is not in the leader's log"
            behind = [replica_id for replica_id, last in in_sync.items() if last < at]
            assert not behind, f"I3 {order} is not in the logs of {behind}, which are in sync"
            self.newest_of[term] = max(self.newest_of.get(term, at), at)

    def replicated(self, term: Term, position: Position, leader: Position) -> None:
        """Check what a leader tells the catalog of an entry; leader: how far its log is (I3)."""
        assert position <= leader, f"I3 entry {position} is not in the leader's log"
        self.newest_of[term] = max(self.newest_of.get(term, position), position)

    def repriced(self, before: Stock, after: Stock) -> None:
        """Check one price change of the catalog, and take it into the history (I7)."""
        assert after.version == before.version + 1, f"I7 {after}"
        self.enter(describe(after))
        self.tallies[after.name].changes += 1
        self.tallies[after.name].check(after)

    def told(self, trade: Trade, answer: Answer, *, is_only: bool) -> None:
        """
        Check what a client is told: I2, I9.

        is_only: nobody else asked for this key, and this client did so once.
        """
        order = self.by_key.get(trade.key)
        if isinstance(answer, Order):
            assert answer == order, f"I9 {trade} was told {answer}, the ledger has {order}"
            assert answer.is_of(trade), f"I2 {trade} was told {answer}"
            assert self.acknowledged.setdefault(trade.key, answer) == answer, f"I9 {answer}"
        elif isinstance(answer, KeyReused):
            assert order is not None, f"I2 {trade} was told {answer!r}"
            assert not order.is_of(trade), f"I2 {trade} was told {answer!r}"
        elif answer.is_definite and is_only:
            assert order is None, f"I9 {trade} was told {answer!r}, the ledger has {order}"
            self.refused[trade.key] = trade

    def retried(self, trade: Trade) -> None:
        """Note that a client asks for a trade, again perhaps: from now on it may happen."""
        self.refused.pop(trade.key, None)

    def looked_up(self, order_no: OrderNo, last: OrderNo, answer: Order | Failure) -> None:
        """Check a look-up begun when the ledger ended at `last`: I1, I3 (docs/DESIGN.md 4.5)."""
        if isinstance(answer, Order):
            assert answer == self.orders[order_no - 1], f"I1 {answer}"
        elif isinstance(answer, UnknownOrder):
            assert order_no > last or order_no < 1, f"I3 order {order_no} was not found"
