"""
A table of orders: the ledger of the catalog, or the order log of a replica.

Both have the same columns; the ledger has some more. Every statement that reads or writes orders is
here: plain SQL (docs/adr/0022), because every trade writes here, and every look-up that no cache
answers reads here. The tables themselves are made by the models of their rooms.
"""

from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q

from bazaar.core.digest import GENESIS, extend_by_text
from bazaar.core.failures import GapFound
from bazaar.core.ledger import Page
from bazaar.core.replication import Linked
from bazaar.core.types import Digest, Order, OrderNo, TradeType
from bazaar.protocol.stored_rows import SEARCHED_MAX, FoundBody, RowsBody, StoredRow
from bazaar.runtime.transactions import read

VERIFY_ROWS = 5000
"""Orders read at a time while a whole table is checked."""

_ORDER = "order_no, key, stock_name, trade_type, quantity"
_INSERT = "INSERT INTO {table} ({order}, digest{more}) VALUES ({marks})"
_HEAD = "SELECT order_no, digest FROM {table} ORDER BY order_no DESC LIMIT 1"
_GET = "SELECT {order} FROM {table} WHERE order_no = ?"
_FIND = "SELECT {order} FROM {table} WHERE key IN (%s)"
_DIGEST = "SELECT digest FROM {table} WHERE order_no = ?"
_PAGE = "SELECT {order}, digest FROM {table} WHERE order_no > ? ORDER BY order_no LIMIT ?"
_TEXTS = (
    "SELECT order_no, order_no || '|' || substr(key, 1, 8) || '-' || substr(key, 9, 4) || '-'"
    " || substr(key, 13, 4) || '-' || substr(key, 17, 4) || '-' || substr(key, 21) || '|'"
    " || trade_type || '|' || quantity || '|' || stock_name, digest"
    " FROM {table} WHERE order_no > ? ORDER BY order_no LIMIT ?"
)
"""Orders as the hash chain takes them: a long table is checked more than twice as fast so."""
_STORED = (
    "SELECT order_no, CAST(key AS TEXT), stock_name, trade_type, quantity, digest{more}"
    " FROM {table}"
)
_STORED_PAGE = _STORED + " WHERE order_no > ? ORDER BY order_no LIMIT ?"
_STORED_KEY = _STORED + " WHERE key = ?"
_STORED_TEXT = _STORED + (
    " WHERE order_no >= ? AND order_no < ?"
    " AND (CAST(stock_name AS TEXT) LIKE ? ESCAPE '\\' OR CAST(key AS TEXT) LIKE ? ESCAPE '\\')"
    " ORDER BY order_no DESC LIMIT ?"
)


def order_constraints(prefix: str) -> list[models.BaseConstraint]:
    """Return the constraints of an order's columns; prefix: of their names."""
    return [
        models.CheckConstraint(name=f"{prefix}_order_no_from_1", condition=Q(order_no__gte=1)),
        models.CheckConstraint(name=f"{prefix}_quantity_from_1", condition=Q(quantity__gte=1)),
        models.CheckConstraint(
            name=f"{prefix}_trade_type_known", condition=Q(trade_type__in=list(TradeType))
        ),
    ]


class OrderTable:
    """One table of orders. Every method may raise django.db.DatabaseError."""

    def __init__(self, table: str, *more: str) -> None:
        """more: the columns beside those of an order and its digest, whole numbers."""

        def complete(statement: str) -> str:
            return statement.format(
                table=table,
                order=_ORDER,
                more="".join(f", {column}" for column in more),
                marks=", ".join("?" * (6 + len(more))),
            )

        self._insert, self._head, self._get = map(complete, (_INSERT, _HEAD, _GET))
        self._find, self._digest, self._page = map(complete, (_FIND, _DIGEST, _PAGE))
        self._texts, self._stored_page = complete(_TEXTS), complete(_STORED_PAGE)
        self._stored_key, self._stored_text = complete(_STORED_KEY), complete(_STORED_TEXT)

    def insert(
        self,
        database: Connection,
        orders: Iterable[Linked],
        more: Sequence[tuple[int, ...]] = (),
    ) -> None:
        """Store orders; database: in a transaction. more: the other columns of each."""
        rows: list[tuple[Any, ...]] = [
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
        if more:
            rows = [row + others for row, others in zip(rows, more, strict=True)]
        database.executemany(self._insert, rows)

    @property
    def head(self) -> tuple[OrderNo, Digest]:
        """The newest order's number and digest; 0 and GENESIS when there is none."""
        return self.read_head()

    def read_head(self) -> tuple[OrderNo, Digest]:
        """Read the newest order's number and digest from the table."""
        rows = read(self._head)
        return (OrderNo(rows[0][0]), Digest(rows[0][1])) if rows else (OrderNo(0), GENESIS)

    def get(self, order_no: OrderNo) -> Order | None:
        """Return one order, if it is there."""
        rows = read(self._get, [order_no])
        return _order(rows[0]) if rows else None

    def find(
        self,
        keys: Sequence[UUID],
        execute: Callable[[str, Sequence[str]], Iterable[tuple[Any, ...]]] = read,
    ) -> dict[UUID, Order]:
        """
        Return the orders that have one of these keys, by key.

        execute: runs the statement.
        """
        rows = execute(self._find % ", ".join("?" * len(keys)), [key.hex for key in keys])
        return {order.key: order for order in map(_order, rows)}

    def digest_at(self, order_no: OrderNo) -> Digest:
        """Return the digest up to an order that is there; GENESIS for 0."""
        if order_no == 0:
            return GENESIS
        ((digest,),) = read(self._digest, [order_no])
        return Digest(digest)

    def page(self, after: OrderNo, limit: int) -> Page:
        """
        Return up to `limit` orders after one.

        Raises GapFound (definite): it ends before.
        """
        last, digest = self.head
        if after > last:
            raise GapFound(last)
        if after == last:
            return Page(after=after, previous=digest, orders=(), digest=digest, last=last)
        rows = read(self._page, [after, limit])
        return Page(
            after=after,
            previous=self.digest_at(after),
            orders=tuple(map(_order, rows)),
            digest=Digest(rows[-1][5]),
            last=last,
        )

    def find_fault(self) -> OrderNo | None:
        """
        Check every order against the hash chain (I8); return the first wrong one.
        """
        expected, digest = 1, GENESIS
        while rows := read(self._texts, [expected - 1, VERIFY_ROWS]):
            for order_no, text, stored in rows:
                digest = extend_by_text(digest, text)
                if order_no != expected or digest != stored:
                    return OrderNo(expected)
                expected += 1
        return None

    def list_rows(self, after: OrderNo, limit: int) -> RowsBody:
        """Return up to `limit` rows after an order as they are stored, damaged ones too."""
        rows = read(self._stored_page, [after, limit])
        return RowsBody(rows=tuple(StoredRow(*row) for row in rows), last=self.read_head()[0])

    def search(self, text: str, before: int, limit: int) -> FoundBody:
        """
        Return the newest rows before an order with a text in key or stock.

        before: 0 for the newest of all. There is no index on names, because each trade would pay
        for it: a whole key is found by its index, anything else by reading backwards through
        SEARCHED_MAX orders at most, which takes some ten milliseconds (I10).
        """
        last = self.read_head()[0]
        if key := _read_key(text):
            found = tuple(StoredRow(*row) for row in read(self._stored_key, [key.hex]))
            return FoundBody(rows=found, first=min(last, 1), last=last)
        end = min(before, last + 1) if before else last + 1
        first = max(end - SEARCHED_MAX, min(last, 1))
        patterns = [_pattern(text), _pattern(text.replace("-", "") or text)]
        rows = read(self._stored_text, [first, end, *patterns, limit])
        found = tuple(StoredRow(*row) for row in rows)
        if len(found) == limit:
            first = found[-1].order_no
        return FoundBody(rows=found, first=first, last=last)


def _order(row: tuple[Any, ...]) -> Order:
    """Return the order of a row. Raises ValueError: it is none."""
    order_no, key, stock_name, trade_type, quantity = row[:5]
    return Order(OrderNo(order_no), UUID(str(key)), stock_name, TradeType(trade_type), quantity)


def _read_key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _pattern(text: str) -> str:
    """Return the pattern of LIKE for texts that contain this one."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
