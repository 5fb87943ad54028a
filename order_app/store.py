"""
The order log on disk: the core's `Log`, durable when `append` returns.

SQLite in WAL with synchronous=FULL (ADR 0002). The newest digest is kept in memory, because nearly
every append asks for that one. Callers hold the replica's lock while they write: one writer a
database.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bazaar.core.digest import GENESIS, extend_by_text
from bazaar.core.failures import GapFound
from bazaar.core.ledger import Page
from bazaar.core.replication import Linked
from bazaar.core.types import Digest, Order, OrderNo, ReplicaId, Term, TradeType
from bazaar.runtime.transactions import read, write_transaction
from order_app.models import HeardTerm, LogEntry

_ORDER = ("order_no", "key", "stock_name", "trade_type", "quantity")
_INSERT = (
    "INSERT INTO order_app_logentry"
    " (order_no, key, stock_name, trade_type, quantity, digest)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_GET = (
    "SELECT order_no, key, stock_name, trade_type, quantity"
    " FROM order_app_logentry WHERE order_no = ?"
)
_FIND = (
    "SELECT order_no, key, stock_name, trade_type, quantity"
    " FROM order_app_logentry WHERE key IN ({})"
)
_TEXTS = (
    "SELECT order_no, order_no || '|' || substr(key, 1, 8) || '-' || substr(key, 9, 4) || '-'"
    " || substr(key, 13, 4) || '-' || substr(key, 17, 4) || '-' || substr(key, 21) || '|'"
    " || trade_type || '|' || quantity || '|' || stock_name, digest"
    " FROM order_app_logentry WHERE order_no > ? ORDER BY order_no LIMIT ?"
)
"""Orders as the hash chain takes them: a long log is checked more than twice as fast so."""
VERIFY_ROWS = 5000
"""Orders read at a time while the whole log is checked."""


class OrderLog:
    """One replica's log and term in its own database."""

    def __init__(self) -> None:
        """Read where the log ends."""
        self._head = self._read_head()

    @property
    def head(self) -> tuple[OrderNo, Digest]:
        """The newest order's number and digest; 0 and GENESIS for an empty log."""
        return self._head

    def append(self, orders: Sequence[Linked]) -> None:
        """Store orders in one transaction; durable when this returns."""
        rows = [
            (
                order.order_no,
                order.key.hex,
                order.stock_name,
                order.trade_type.value,
                order.quantity,
                digest,
            )
            for order, digest in orders
        ]
        with write_transaction() as database:
            database.executemany(_INSERT, rows)
        self._head = (orders[-1][0].order_no, orders[-1][1])

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        """Store the highest term heard; durable when this returns."""
        HeardTerm.objects.update_or_create(pk=1, defaults={"term": term, "leader": leader})

    def load_term(self) -> tuple[Term, ReplicaId | None]:
        """Return the highest term heard and its leader; term 0 when there was none."""
        row = HeardTerm.objects.values_list("term", "leader").first()
        if row is None:
            return Term(0), None
        return Term(row[0]), None if row[1] is None else ReplicaId(row[1])

    def digest_at(self, order_no: OrderNo) -> Digest:
        """Return the digest up to an order that the log has; GENESIS for 0."""
        last, digest = self._head
        if order_no == last:
            return digest
        if order_no == 0:
            return GENESIS
        return Digest(LogEntry.objects.values_list("digest", flat=True).get(pk=order_no))

    def get(self, order_no: OrderNo) -> Order | None:
        """Return one order, if the log has it."""
        rows = read(_GET, [order_no])  # every look-up that misses comes here: no ORM
        return _read_order(rows[0]) if rows else None

    def find(self, keys: Sequence[UUID]) -> dict[UUID, Order]:
        """Return the orders that have one of these keys, by key."""
        rows = read(_FIND.format(", ".join("?" * len(keys))), [key.hex for key in keys])
        return {order.key: order for order in map(_read_order, rows)}

    def page(self, after: OrderNo, limit: int) -> Page:
        """
        Return up to `limit` orders after one. Raises GapFound (definite): the log ends before.
        """
        last, digest = self._head
        if after > last:
            raise GapFound(last)
        if after == last:
            return Page(after=after, previous=digest, orders=(), digest=digest, last=last)
        rows = list(
            LogEntry.objects.filter(order_no__gt=after)
            .order_by("order_no")
            .values_list(*_ORDER, "digest")[:limit]
        )
        return Page(
            after=after,
            previous=self.digest_at(after),
            orders=tuple(map(_order, rows)),
            digest=Digest(rows[-1][5]),
            last=last,
        )

    def find_fault(self) -> OrderNo | None:
        """Check every order against the hash chain (I8); return the first that does not fit."""
        expected, digest = 1, GENESIS
        while rows := read(_TEXTS, [expected - 1, VERIFY_ROWS]):
            for order_no, text, stored in rows:
                digest = extend_by_text(digest, text)
                if order_no != expected or digest != stored:
                    return OrderNo(expected)
                expected += 1
        return None

    @staticmethod
    def _read_head() -> tuple[OrderNo, Digest]:
        newest = LogEntry.objects.order_by("-order_no").values_list("order_no", "digest").first()
        return (OrderNo(newest[0]), Digest(newest[1])) if newest else (OrderNo(0), GENESIS)


def _order(row: tuple[Any, ...]) -> Order:
    order_no, key, stock_name, trade_type, quantity = row[:5]
    return Order(OrderNo(order_no), key, stock_name, TradeType(trade_type), quantity)


def _read_order(row: tuple[Any, ...]) -> Order:
    """Return the order of a row that came past the ORM."""
    return _order((row[0], UUID(str(row[1])), *row[2:]))
