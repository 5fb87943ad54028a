"""
Every message inside the cluster: typed, bounded, JSON (docs/PROTOCOL.md).

A body is checked while it is decoded (`msgspec`), so past this module every number is in range.
`from_core` and `to_core` are the only bridges to the core's values.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta, Struct

from bazaar.core.access import TOKEN_NAME_PATTERN
from bazaar.core.failures import DamagedPage, Failure
from bazaar.core.ledger import Answer, Batch, BatchAnswer, Page
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import (
    GENESIS,
    ORDER_NO_MAX,
    QUANTITY_MAX,
    QUANTITY_MIN,
    STOCK_NAME_CHARS_MAX,
    Digest,
    Entry,
    Head,
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
from bazaar.protocol import errors
from bazaar.topology import REPLICAS_MAX

TRADES_MAX = 5000
"""Trades in one message, whatever the batch limit of a process is."""
ENTRIES_MAX = 5000
"""Entries in one message."""
CONTEXT_CHARS_MAX = 192
"""A traceparent, a space and a request id."""
PAGE_MAX = 200
"""Stocks or orders in a page of a public list."""

PageSize = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=STOCK_NAME_CHARS_MAX)]
TokenName = Annotated[str, Meta(pattern=TOKEN_NAME_PATTERN)]
Quantity = Annotated[int, Meta(ge=QUANTITY_MIN, le=QUANTITY_MAX)]
Place = Annotated[int, Meta(ge=0, le=ORDER_NO_MAX)]
"""An order number or a position; 0: before the first."""
Number = Annotated[int, Meta(ge=1, le=ORDER_NO_MAX)]
TermNo = Annotated[int, Meta(ge=0, le=ORDER_NO_MAX)]
Id = Annotated[int, Meta(ge=1, le=10_000)]
Host = Annotated[str, Meta(pattern=r"^[0-9A-Za-z._:-]{1,253}\Z")]
"""A name or an address, IPv6 without brackets."""
Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Message(Struct, frozen=True, kw_only=True):
    """The base of all bodies."""


class TradeBody(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One trade with its idempotency key; a token's name only if it has one."""

    key: UUID
    stock_name: Name
    trade_type: TradeType
    quantity: Quantity
    placed_by: TokenName | None = None
    context: Annotated[str, Meta(max_length=CONTEXT_CHARS_MAX)] = ""
    """The trace context of its request (`bazaar.protocol.tracing`)."""

    @classmethod
    def from_core(cls, trade: Trade) -> Self:
        """Pack a trade."""
        return cls(
            key=trade.key,
            stock_name=trade.stock_name,
            trade_type=trade.trade_type,
            quantity=trade.quantity,
            placed_by=trade.placed_by,
            context=trade.context,
        )

    def to_core(self) -> Trade:
        """Unpack a trade."""
        key, stock_name, placed_by = self.key, self.stock_name, self.placed_by
        return Trade(
            key, stock_name, self.trade_type, self.quantity, placed_by, context=self.context
        )


class TradesBody(Message, frozen=True, kw_only=True):
    """Front end to leader: trades that wait at the same moment, for one term only."""

    term: TermNo
    trades: Annotated[tuple[TradeBody, ...], Meta(min_length=1, max_length=TRADES_MAX)]


class OrderBody(Struct, frozen=True, array_like=True):
    """One order, as a row: pages of them are the bulk of all traffic."""

    order_no: Number
    key: UUID
    stock_name: Name
    trade_type: TradeType
    quantity: Quantity
    placed_by: TokenName | None = None

    @classmethod
    def from_core(cls, order: Order) -> Self:
        """Pack an order."""
        number, key, stock_name = order.order_no, order.key, order.stock_name
        return cls(number, key, stock_name, order.trade_type, order.quantity, order.placed_by)

    def to_core(self) -> Order:
        """Unpack an order."""
        number, key, stock_name = OrderNo(self.order_no), self.key, self.stock_name
        return Order(number, key, stock_name, self.trade_type, self.quantity, self.placed_by)


class StockChangeBody(Struct, frozen=True, array_like=True):
    """One stock change with its position, as a row."""

    position: Number
    stock_name: Name
    price: Annotated[str, Meta(pattern=r"^[0-9]{1,14}(\.[0-9]{1,4})?\Z")]
    opening: Place
    issued: Place
    version: Number

    @classmethod
    def from_core(cls, position: int, change: StockChange) -> Self:
        """Pack a stock change."""
        price = str(change.price)
        name = change.stock_name
        return cls(position, name, price, change.opening, change.issued, change.version)

    def to_core(self) -> StockChange:
        """Unpack a stock change."""
        price = Decimal(self.price)
        return StockChange(self.stock_name, price, self.opening, self.issued, Version(self.version))


class FailureBody(Message, frozen=True, kw_only=True):
    """Why one trade of several was refused, by the failure's name on the wire."""

    kind: str
    message: str

    def to_core(self) -> Failure:
        """Unpack the failure."""
        return errors.failure_of(self.kind, self.message)


class AnswerBody(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one trade: exactly one of the two."""

    order: OrderBody | None = None
    failure: FailureBody | None = None
    is_replayed: bool = False
    """Whether the order was there before the trade came."""

    @classmethod
    def from_core(cls, answer: Answer) -> Self:
        """Pack an answer."""
        if isinstance(answer, Order):
            return cls(order=OrderBody.from_core(answer), is_replayed=answer.is_replayed)
        return cls(failure=FailureBody(kind=errors.kind_of(answer), message=answer.message))

    def to_core(self) -> Answer:
        """Unpack an answer."""
        if self.order is not None:
            order = self.order.to_core()
            return replace(order, is_replayed=True) if self.is_replayed else order
        if self.failure is None:
            return errors.failure_of("", "The answer is empty.")
        return self.failure.to_core()


class AnswersBody(Message, frozen=True, kw_only=True):
    """Leader to front end: one answer a trade, in their order."""

    answers: tuple[AnswerBody, ...]


class PageBody(Message, frozen=True, kw_only=True):
    """
    A run of the decided sequence right after position `after`.

    Each stock change is at its position, and the orders are at the others.
    """

    after: Place
    order_no: Place
    """The last order up to `after`."""
    previous: Hex
    """The digest up to `after`."""
    orders: Annotated[tuple[OrderBody, ...], Meta(max_length=ENTRIES_MAX)] = ()
    changes: Annotated[tuple[StockChangeBody, ...], Meta(max_length=ENTRIES_MAX)] = ()
    digest: Hex
    last: Place

    @classmethod
    def from_core(cls, page: Page) -> Self:
        """Pack a page."""
        orders = []
        changes = []
        for position, entry in enumerate(page.entries, page.after.position + 1):
            if isinstance(entry, Order):
                orders.append(OrderBody.from_core(entry))
            else:
                changes.append(StockChangeBody.from_core(position, entry))
        return cls(
            after=page.after.position,
            order_no=page.after.order_no,
            previous=page.after.digest,
            orders=tuple(orders),
            changes=tuple(changes),
            digest=page.digest,
            last=page.last,
        )

    def to_core(self) -> Page:
        """Unpack a page. Raises DamagedPage (definite): an entry has no place in it."""
        entries: list[Entry] = [order.to_core() for order in self.orders]
        for change in self.changes:  # by position, so those before it are there
            at = change.position - self.after - 1
            if not 0 <= at <= len(entries):
                raise DamagedPage(f"Entry {change.position} has no place in its page.")
            entries.insert(at, change.to_core())
        return Page(
            after=Head(Position(self.after), OrderNo(self.order_no), Digest(self.previous)),
            entries=tuple(entries),
            digest=Digest(self.digest),
            last=Position(self.last),
        )


class BatchBody(Message, frozen=True, kw_only=True):
    """Leader to catalog: trades to decide in one transaction."""

    term: TermNo
    leader: Id | None
    after: Place
    trades: Annotated[tuple[TradeBody, ...], Meta(min_length=1, max_length=TRADES_MAX)]
    in_sync: Annotated[tuple[Id, ...], Meta(max_length=REPLICAS_MAX)] = ()

    @classmethod
    def from_core(cls, batch: Batch) -> Self:
        """Pack a batch."""
        trades = tuple(TradeBody.from_core(trade) for trade in batch.trades)
        return cls(
            term=batch.term,
            leader=batch.leader,
            after=batch.after,
            trades=trades,
            in_sync=batch.in_sync,
        )

    def to_core(self) -> Batch:
        """Unpack a batch."""
        trades = tuple(trade.to_core() for trade in self.trades)
        leader = None if self.leader is None else ReplicaId(self.leader)
        in_sync = tuple(map(ReplicaId, self.in_sync))
        return Batch(Term(self.term), leader, Position(self.after), trades, in_sync)


class BatchAnswerBody(Message, frozen=True, kw_only=True):
    """Catalog to leader: the answers, and all that the leader's log lacks."""

    answers: tuple[AnswerBody, ...]
    page: PageBody

    @classmethod
    def from_core(cls, answer: BatchAnswer) -> Self:
        """Pack a batch's answer."""
        answers = tuple(AnswerBody.from_core(one) for one in answer.answers)
        return cls(answers=answers, page=PageBody.from_core(answer.page))

    def to_core(self) -> BatchAnswer:
        """Unpack a batch's answer."""
        return BatchAnswer(tuple(one.to_core() for one in self.answers), self.page.to_core())


class AppendBody(Message, frozen=True, kw_only=True):
    """Leader to follower: entries to store, or a heartbeat."""

    term: TermNo
    leader: Id
    page: PageBody
    token: UUID

    @classmethod
    def from_core(cls, append: Append) -> Self:
        """Pack an append."""
        page = PageBody.from_core(append.page)
        return cls(term=append.term, leader=append.leader, page=page, token=append.token)

    def to_core(self) -> Append:
        """Unpack an append."""
        return Append(Term(self.term), ReplicaId(self.leader), self.page.to_core(), self.token)


class AcceptedBody(Message, frozen=True, kw_only=True):
    """Follower to leader: how far its log has come."""

    last: Place
    digest: Hex = GENESIS

    def to_core(self) -> Accepted:
        """Unpack the acknowledgement."""
        return Accepted(Position(self.last), Digest(self.digest))


class OrdersBody(Message, frozen=True, kw_only=True):
    """Replica to front end: a page of orders, the newest first."""

    orders: Annotated[tuple[OrderBody, ...], Meta(max_length=PAGE_MAX)]
    first: Place
    """The oldest order that was looked at; at most 1: there are no more."""


class ReplicateBody(Message, frozen=True, kw_only=True):
    """Catalog to leader: have the entry at a position copied to all that are in sync."""

    position: Number


class LastBody(Message, frozen=True, kw_only=True):
    """Catalog to front end: how far the ledger has come."""

    last: Place


class StockBody(Message, frozen=True, kw_only=True):
    """
    One stock as readers see it.

    Quantities in shares, price in the stock's currency.
    """

    name: str
    price: Decimal
    quantity: int
    opening: int
    issued: int
    trade_volume: int
    version: int

    @classmethod
    def from_core(cls, stock: Stock) -> Self:
        """Pack a stock."""
        return cls(
            name=stock.name,
            price=stock.price,
            quantity=stock.quantity,
            opening=stock.opening,
            issued=stock.issued,
            trade_volume=stock.trade_volume,
            version=stock.version,
        )

    def to_core(self) -> Stock:
        """Unpack a stock."""
        shares = (self.quantity, self.opening, self.issued, self.trade_volume)
        return Stock(self.name, self.price, *shares, Version(self.version))


class StocksBody(Message, frozen=True, kw_only=True):
    """Catalog to front end: a page of stocks, by name."""

    stocks: Annotated[tuple[StockBody, ...], Meta(max_length=PAGE_MAX)]
    end: str | None = None
    """The last name that was looked at; None: there are no more."""


class PriceBody(Message, frozen=True, kw_only=True):
    """Operator to catalog: a stock's new price, in the stock's currency."""

    stock_name: Name
    price: Decimal


class DoneBody(Message, frozen=True, kw_only=True):
    """An acknowledgement that carries nothing."""

    done: bool = True
