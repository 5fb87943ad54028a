"""
Points up to which a decided sequence was verified, stored beside it.

The hash chain is followed once, up to a point; with it goes a digest of all columns since the point
before, those outside the chain, the numbers in the indexes and the order of the rows included. From
then on SQLite itself puts the columns together and the digest is compared, which costs a third of
following the chain. A start checks what is after the last point only.
"""

from hashlib import sha256

from bazaar.core.types import START, Digest, Head, OrderNo, Position
from bazaar.runtime.engines import current
from bazaar.runtime.row_copies import find_wrong_table
from bazaar.runtime.sequence_store import SequenceStore
from bazaar.runtime.transactions import read, write_transaction

POINT_ENTRIES = 1000
"""From one point to the next."""
_POINT = "SELECT position, order_no, digest, content FROM {points} "
_LAST = _POINT + "ORDER BY position DESC LIMIT 1"
_NEXT = _POINT + "WHERE position > ? ORDER BY position LIMIT 1"
_ADD = "INSERT INTO {points} (position, order_no, digest, content) VALUES (?, ?, ?, ?)"
_CONTENT = (
    "SELECT COUNT(text), {joined} FROM (SELECT {columns}"
    " || (SELECT {again} FROM {table} same"
    " WHERE same.{index} = {table}.{index} AND same.digest = {table}.digest) AS text,"
    " {key} AS place FROM {table} WHERE {key} > ? AND {key} <= ? ORDER BY {key}) AS entries"
)
"""
Rows as one text, and how many there are.

A row is found again by its other unique index, and through the inner pages of the table; else it
has no text. Its number in the index is `{key}`, and that in the row `same.{key}`.
"""
_ORDER = ('"key"', "stock_name", "trade_type", "quantity", "placed_by")
_CHANGE = ("change_no", "stock_name", "price", "opening", "issued", "version")


class VerifiedPoints:
    """The points of one sequence. Every method may raise django.db.DatabaseError, Failure."""

    def __init__(self, store: SequenceStore, points: str) -> None:
        """points: the name of their table."""
        self.store = store
        self._last, self._next, self._add = (
            statement.format(points=points) for statement in (_LAST, _NEXT, _ADD)
        )
        self._orders = _content(store.table, "order_no", '"key"', (*_ORDER, *store.more))
        self._changes = _content(store.changes, "position", "change_no", _CHANGE)

    def last(self) -> Head:
        """Return the last point."""
        rows = read(self._last)
        return _head(rows[0]) if rows else START

    def add(self, upto: Head, content: str) -> None:
        """Store a point, once all between it and the one before was verified."""
        with write_transaction() as database:
            database.execute(self._add, (upto.position, upto.order_no, upto.digest, content))

    def check_next(self, after: Head) -> tuple[Head, str]:
        """
        Compare what is between a point and the next with its digest.

        Returns the next point, and what is wrong in words; `after` itself where there is no next.
        """
        rows = read(self._next, [after.position])
        if not rows:
            return after, ""
        point = _head(rows[0])
        if self.content(after, point) == rows[0][3] and self._is_on_chain(point):
            return point, ""
        _, fault = self.store.verify(after, POINT_ENTRIES)
        return point, fault or f"entries {after.position + 1} to {point.position}"

    def find_fault(self, newest: int) -> str:
        """
        Check the other tables, and the entries after the last point.

        newest: of them, at most. Returns the first that is wrong in words, nothing when there is
        none.
        """
        if wrong := find_wrong_table():
            return wrong
        last = self.last()
        if not self._is_on_chain(last):
            return f"entry {last.position}"
        return self.store.find_fault(min(newest, self.store.read_head().position - last.position))

    def content(self, after: Head, upto: Head) -> str:
        """
        Return the digest of all columns of the entries after one, up to another.

        Empty: one of them is missing, in its table or in an index.
        """
        ((orders, texts),) = read(self._orders, [after.order_no, upto.order_no])
        ((changes, more),) = read(self._changes, [after.position, upto.position])
        if orders != upto.order_no - after.order_no:
            return ""
        if orders + changes != upto.position - after.position:
            return ""
        return sha256(f"{texts}\n{more}".encode()).hexdigest()

    def _is_on_chain(self, point: Head) -> bool:
        return self.store.digest_at(point.position) == point.digest


def _content(table: str, key: str, index: str, columns: tuple[str, ...]) -> str:
    engine = current()
    text = f"{key} || " + " || ".join(map(engine.quote.format, columns))
    again = " || ".join(map(engine.quote.format, (f"same.{key}", "same.digest")))
    return _CONTENT.format(
        table=table,
        key=key,
        index=index,
        columns=text,
        again=again,
        joined=engine.joined,
    )


def _head(row: tuple[int, int, str, str]) -> Head:
    position, order_no, digest, _ = row
    return Head(Position(position), OrderNo(order_no), Digest(digest))
