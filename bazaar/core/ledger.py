"""
The catalog's decision about a batch of trades (docs/DESIGN.md 4.1).

The shell reads the facts (`LedgerFacts`) and applies the changes (`Decision`) inside one database
transaction, so the same transaction that moves shares checks the term. Holds I2 (a known key is
answered, not executed), I4 (0 <= quantity <= issued, and every accepted trade moves quantity and
trade_volume together) and I5 (the term is the current one). Left out: how caches are invalidated
(`coherence`), and how orders reach replicas (`replication`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from bazaar.core.digest import link
from bazaar.core.failures import (
    Failure,
    GapFound,
    InsufficientQuantity,
    KeyReused,
    Overstock,
    StaleTerm,
    UnknownStock,
)
from bazaar.core.types import (
    Digest,
    Entry,
    Head,
    Linked,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Stock,
    StockChange,
    Term,
    Trade,
    TradeType,
    Version,
)

Answer = Order | Failure
"""What one trade gets: its order, or the definite failure that says why not."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Trades that one leader sends together; `after` is where its own log ends."""

    term: Term
    leader: ReplicaId | None
    after: Position
    trades: tuple[Trade, ...]
    in_sync: tuple[ReplicaId, ...] = ()
    """Who is in sync as the batch is sent; an acknowledgement waits for no others."""


@dataclass(frozen=True, slots=True)
class Page:
    """A run of the decided sequence, right after the head `after`."""

    after: Head
    entries: tuple[Entry, ...]
    digest: Digest
    """What the sender has stored as the digest at the end of this page."""
    last: Position
    """The sender's newest entry: more follows while it is past this page's end."""

    @property
    def end(self) -> Position:
        """The position of the last entry in this page; that of `after` when it is empty."""
        return Position(self.after.position + len(self.entries))


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One answer a trade, in order, and the entries that the leader's log lacks."""

    answers: tuple[Answer, ...]
    page: Page


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """The facts that a decision needs, as read inside its transaction."""

    term: Term
    leader: ReplicaId | None
    head: Head
    """Where the ledger ends."""
    known: Mapping[UUID, Order]
    """Orders that already exist for the keys of the batch."""
    stocks: Mapping[str, Stock]
    """The stocks that the batch names, those that exist."""
    in_sync: tuple[ReplicaId, ...] = ()
    """Who was in sync when the newest batch was sent."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write: orders, the ledger's end with them, and the stocks they changed."""

    answers: tuple[Answer, ...]
    orders: tuple[Order, ...]
    linked: tuple[Linked, ...]
    """The orders, each with the ledger's end after it."""
    versions: tuple[Version, ...]
    """For each order, the version that its stock has from then on."""
    head: Head
    stocks: tuple[Stock, ...]


@dataclass(slots=True)
class _Draft:
    """A decision while it is being made."""

    facts: LedgerFacts
    known: dict[UUID, Order]
    stocks: dict[str, Stock]
    orders: list[Order] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)

    def answer(self, trade: Trade) -> Answer:
        """Decide one trade after all those before it in the batch."""
        if order := self.known.get(trade.key):
            return order if order.is_of(trade) else KeyReused()
        try:
            changed = decide(self.stocks.get(trade.stock_name), trade)
        except Failure as failure:
            return failure
        order_no = OrderNo(self.facts.head.order_no + len(self.orders) + 1)  # I1: dense
        key, stock_name, placed_by = trade.key, trade.stock_name, trade.placed_by
        order = Order(order_no, key, stock_name, trade.trade_type, trade.quantity, placed_by)
        self.stocks[changed.name] = changed
        self.known[order.key] = order
        self.orders.append(order)
        self.versions.append(changed.version)
        return order


def answer_again(trade: Trade, order: Order) -> Answer:
    """Return what a trade gets whose key had an order before it came (I2)."""
    return replace(order, is_replayed=True) if order.is_of(trade) else KeyReused()


def decide(stock: Stock | None, trade: Trade) -> Stock:
    """
    Return the stock as it is after the trade.

    Raises UnknownStock, InsufficientQuantity, Overstock: definite.
    """
    if stock is None:
        raise UnknownStock
    is_buy = trade.trade_type is TradeType.BUY
    quantity = stock.quantity - trade.quantity if is_buy else stock.quantity + trade.quantity
    if quantity < 0:
        raise InsufficientQuantity
    if quantity > stock.issued:
        raise Overstock
    volume, version = stock.trade_volume + trade.quantity, Version(stock.version + 1)
    opening, issued = stock.opening, stock.issued  # `replace` takes several times as long
    return Stock(stock.name, stock.price, quantity, opening, issued, volume, version)


def reprice(stock: Stock, price: Decimal) -> Stock:
    """Return the stock at another price, > 0 and tidy, with its next version (I7)."""
    assert price > 0, "the caller has checked the price"
    return replace(stock, price=price, version=Version(stock.version + 1))


def describe(stock: Stock) -> StockChange:
    """Return the entry that lists a stock, or changes it, as it is now."""
    return StockChange(stock.name, stock.price, stock.opening, stock.issued, stock.version)


def decide_batch(facts: LedgerFacts, batch: Batch) -> Decision:
    """
    Decide every trade of a batch, in order.

    Raises StaleTerm (definite): the sender does not lead the current term (I5).
    Raises GapFound (definite): the sender has orders that the ledger lacks; deciding now would
    reuse their numbers (I1).
    """
    if batch.after > facts.head.position:
        raise GapFound(facts.head.position)
    check_term(facts.term, facts.leader, batch.term, batch.leader)
    draft = _Draft(facts, dict(facts.known), dict(facts.stocks))
    answers = tuple(draft.answer(trade) for trade in batch.trades)
    assert all(0 <= stock.quantity <= stock.issued for stock in draft.stocks.values()), "I4"
    changed = {order.stock_name for order in draft.orders}
    linked = tuple(link(facts.head, draft.orders))
    return Decision(
        answers=answers,
        orders=tuple(draft.orders),
        linked=linked,
        versions=tuple(draft.versions),
        head=linked[-1][1] if linked else facts.head,
        stocks=tuple(draft.stocks[name] for name in sorted(changed)),
    )


def check_term(
    current: Term, current_leader: ReplicaId | None, term: Term, leader: ReplicaId | None
) -> None:
    """Raise StaleTerm (definite) unless `leader` leads the current term (I5)."""
    if (term, leader) != (current, current_leader):
        raise StaleTerm(current, current_leader)
