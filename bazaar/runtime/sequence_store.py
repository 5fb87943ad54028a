"""
The decided sequence on disk: a ledger, or the order log of a replica.

Two tables: orders by their numbers, and stock changes by their positions. The entry at a position
is the change that is there; otherwise it is an order, whose number is the position less the changes
before it. Ledger and logs have the same columns; the ledger has some more. Every statement that
reads or writes entries is here: plain SQL (docs/adr/0022), because every trade writes here, and
every look-up that no cache answers reads here. The models of the rooms make the tables
(`sequence_models`). An order that is looked up, and a page, are checked against the digest before
them: what is damaged is not served, and is reported (`damage`).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from bazaar.core.digest import chain, extend_by_text, write_change, write_entry
from bazaar.core.failures import GapFound, Unreachable
from bazaar.core.ledger import Page
from bazaar.core.types import GENESIS, START, Digest, Head, Linked, Order, OrderNo, Position
from bazaar.protocol.stored_rows import (
    SEARCHED_MAX,
    ChangesBody,
    FoundBody,
    RowsBody,
    StoredChange,
    StoredRow,
)
from bazaar.runtime.damage import damage
from bazaar.runtime.engines import Database, DatabaseEngine, Query, Rows, current, marks
from bazaar.runtime.sequence_rows import (
    CHANGE_COLUMNS,
    ORDER_COLUMNS,
    PLACED_BY,
    change_of,
    change_row,
    make_head,
    make_pattern,
    order_of,
    order_row,
    read_key,
)
from bazaar.runtime.transactions import read

VERIFY_ROWS = 5000
"""Entries read at a time while a whole sequence is checked."""

Execute = Callable[[str, Sequence[str | int]], Rows]
_ORDER = 'order_no, "key", stock_name, trade_type, quantity, {by}'
_INSERT = "INSERT INTO {table} ({order}, digest{more}) VALUES ({marks})"
HEAD_COLUMNS = "head.order_no, head.digest, newest.position, newest.change_no, newest.digest"
"""What `make_head` takes, of the newest order and the newest change."""
HEAD_JOINS = (
    " LEFT JOIN {table} head ON head.order_no = (SELECT MAX(order_no) FROM {table})"
    " LEFT JOIN {changes} newest ON newest.position = (SELECT MAX(position) FROM {changes})"
)
_HEAD = f"SELECT {HEAD_COLUMNS} FROM (SELECT 1 AS one) AS single{HEAD_JOINS}"  # noqa: S608 - our own names
_ORDERS = (
    "SELECT {order}, digest, (SELECT last.digest FROM {table} last"
    " WHERE last.order_no = {table}.order_no - 1) FROM {table}"
)
"""Orders with the digest of the order before, which is nearly always that of the entry before."""
_GET = _ORDERS + " WHERE order_no = ?"
_FIND = _ORDERS + ' WHERE "key" IN (%s)'
_DIGEST = "SELECT digest FROM {table} WHERE order_no = ?"
_PAGE = "SELECT {order}, digest FROM {table} WHERE order_no > ? ORDER BY order_no LIMIT ?"
_TEXTS = (
    "SELECT order_no, COALESCE('by|' || {by} || '|', '') || order_no || '|'"
    " || {dashed_key} || '|' || trade_type"
    " || '|' || quantity || '|' || stock_name, digest"
    " FROM {table} WHERE order_no > ? ORDER BY order_no LIMIT ?"
)
"""Orders as the hash chain takes them: a long table is checked more than twice as fast so."""
_INSERT_CHANGE = (
    "INSERT INTO {changes} (position, change_no, stock_name, price, opening, issued, version,"
    " digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_CHANGES_UPTO = "SELECT change_no FROM {changes} WHERE position <= ? ORDER BY position DESC LIMIT 1"
_CHANGE_COUNT = "SELECT MAX(change_no) FROM {changes}"
_CHANGE_PLACE = "SELECT position FROM {changes} WHERE change_no = ?"
_CHANGE_DIGEST = "SELECT digest FROM {changes} WHERE position = ?"
_CHANGES = (
    "SELECT position, change_no, stock_name, price, opening, issued, version, digest"
    " FROM {changes} WHERE position > ? ORDER BY position LIMIT ?"
)
_STORED = (
    "SELECT order_no, {hex_key}, stock_name, trade_type, quantity, {by}, digest{more} FROM {table}"
)
_STORED_PAGE = _STORED + " WHERE order_no > ? ORDER BY order_no LIMIT ?"
_STORED_KEY = _STORED + ' WHERE "key" = ?'
_STORED_TEXT = _STORED + (
    " WHERE order_no >= ? AND order_no < ?"
    " AND (CAST(stock_name AS {text}) {like} ? ESCAPE '!' OR {hex_key} {like} ? ESCAPE '!')"
    " ORDER BY order_no DESC LIMIT ?"
)


class SequenceStore:
    """One decided sequence. Every method may raise django.db.DatabaseError."""

    def __init__(
        self,
        table: str,
        changes: str,
        *more: str,
        execute: Execute = read,
        placed_by: str = PLACED_BY,
        engine: DatabaseEngine | None = None,
    ) -> None:
        """
        Name the tables.

        more: the columns of an order beside its own and its digest, whole numbers. execute: runs
        the statements that read; the thread's own connection by default. placed_by: NULL for a
        table of an older version, which has no such column. engine: the process's by default.
        """
        self._execute = execute
        self.table, self.changes, self.more = table, changes, more
        self._engine = engine or current()
        columns = {"order": _ORDER.format(by=placed_by), "by": placed_by}
        columns["more"] = "".join(f", {column}" for column in more)
        columns["marks"] = marks(ORDER_COLUMNS + 1 + len(more))
        words = {"table": table, "changes": changes, **columns, **self._engine.words}

        def complete(statement: str) -> str:
            return statement.format(**words)

        self._insert, self._head, self._get = map(complete, (_INSERT, _HEAD, _GET))
        self._find, self._digest, self._page = map(complete, (_FIND, _DIGEST, _PAGE))
        self._texts, self._stored_page = complete(_TEXTS), complete(_STORED_PAGE)
        self._stored_key, self._stored_text = complete(_STORED_KEY), complete(_STORED_TEXT)
        self._insert_change, self._changes_upto = map(complete, (_INSERT_CHANGE, _CHANGES_UPTO))
        self._change_digest, self._changes = map(complete, (_CHANGE_DIGEST, _CHANGES))
        self._change_count, self._change_place = map(complete, (_CHANGE_COUNT, _CHANGE_PLACE))
        self.head_joins, self._orders = complete(HEAD_JOINS), complete(_ORDERS)
        self.written = START
        """What this process wrote last, whether it was committed or not."""

    def insert(
        self,
        database: Database,
        entries: Iterable[Linked],
        more: Sequence[tuple[int | None, ...]] = (),
    ) -> None:
        """
        Store entries.

        database: in a transaction. more: the other columns of each order. Raises Unreachable
        (indefinite): another process has stored some there. That may be an earlier life of this
        one, whose commit its server has executed late.
        """
        orders: list[tuple[Any, ...]] = []
        changes: list[tuple[Any, ...]] = []
        for entry, head in entries:
            self.written = head
            if isinstance(entry, Order):
                orders.append(order_row(entry, head))
            else:
                changes.append(change_row(entry, head))
        if more:
            orders = [row + others for row, others in zip(orders, more, strict=True)]
        try:
            if orders:
                database.executemany(self._insert, orders)
            if changes:
                database.executemany(self._insert_change, changes)
        except Exception as error:
            if self._engine.is_taken(error):
                raise Unreachable("Another process has written meanwhile.") from error
            raise

    @property
    def head(self) -> Head:
        """Where the sequence ends. Raises Unreachable (indefinite): its end is damaged."""
        return self.confirm(self.read_head())

    def read_head(self) -> Head:
        """Read from the tables where the sequence ends, damaged or not."""
        return make_head(self._read(self._head)[0])

    def confirm(self, head: Head) -> Head:
        """
        Return a head that was read, if a process has written it, this one or another.

        Raises Unreachable (indefinite): it is damaged; every later digest would be wrong.
        """
        if head.position == self.written.position and head != self.written:
            if self.find_fault(1):
                raise damage.refuse(f"entry {head.position}")
            self.written = head  # by another process, and what was written here is no more
        return head

    def get(self, order_no: OrderNo) -> Order | None:
        """Return one order, if it is there. Raises Unreachable (indefinite): it is damaged."""
        last = self.head.order_no
        rows = self._read(self._get, [order_no])
        if not rows and 0 < order_no <= last:
            raise damage.refuse(f"order {order_no}")
        return self._check(rows[0]) if rows else None

    def find(self, keys: Sequence[UUID]) -> dict[UUID, Order]:
        """
        Return the orders that have one of these keys, by key.

        Raises Unreachable (indefinite): one is damaged.
        """
        return self.found(self._read(*self.query_of(keys)))

    def query_of(self, keys: Sequence[UUID]) -> Query:
        """Return the query for orders by their keys; `found` takes its rows."""
        return self._find % marks(len(keys)), [key.hex for key in keys]

    def found(self, rows: Rows) -> dict[UUID, Order]:
        """Return the orders of such rows, by key. Raises Unreachable (indefinite): damaged."""
        return {order.key: order for order in map(self._check, rows)}

    def digest_at(self, position: Position) -> Digest:
        """Return the digest up to an entry that is there; GENESIS for 0."""
        if position == 0:
            return GENESIS
        rows = self._read(self._change_digest, [position])
        rows = rows or self._read(self._digest, [position - self._count_changes(position)])
        if not rows:
            raise damage.refuse(f"entry {position}")
        return Digest(rows[0][0])

    def order_no_at(self, position: Position) -> OrderNo:
        """Return the last order up to a position that is there."""
        return OrderNo(position - self._count_changes(position))

    def page(self, after: Position, limit: int) -> Page:
        """
        Return up to `limit` entries after one.

        Raises GapFound (definite): it ends before. Raises Unreachable (indefinite): one is damaged.
        """
        head = self.head
        if after > head.position:
            raise GapFound(head.position)
        if after == head.position:
            return Page(after=head, entries=(), digest=head.digest, last=head.position)
        limit = min(limit, head.position - after)
        rows = self._merged(after, limit, self._page)
        start = Head(after, self.order_no_at(after), self.digest_at(after))
        try:
            entries = tuple(
                change_of(row) if is_change else order_of(row) for row, is_change in rows
            )
        except (ValueError, ArithmeticError):
            entries = ()
        end = chain(start, entries)
        last, is_change = rows[-1] if rows else (("",) * CHANGE_COLUMNS, False)
        stored = last[CHANGE_COLUMNS - 1 if is_change else ORDER_COLUMNS]
        if len(entries) < limit or end.digest != stored:
            _, fault = self.verify(start, limit)
            raise damage.refuse(fault or f"entry {after + 1}")
        return Page(after=start, entries=entries, digest=end.digest, last=head.position)

    def verify(self, after: Head, limit: int) -> tuple[Head, str]:
        """
        Check up to `limit` entries after one against the hash chain (I8).

        Returns the last good one, and the first wrong one in words; none: an empty text.
        """
        # The end first: what is written meanwhile may be in one table and not yet in the other.
        last = self.read_head().position
        position, order_no, digest = after.position, after.order_no, after.digest
        if last < position:
            return after, f"entry {last + 1}"
        count = min(limit, last - position)
        for row, is_change in self._merged(position, count, self._texts):
            before = Head(position, order_no, digest)
            position = Position(position + 1)
            if is_change:
                found, number, stock_name, price, opening, issued, version, stored = row
                text = write_change(version, price, opening, issued, stock_name)
                is_dense = (found, number) == (position, position - order_no)
                name = f"entry {position}"
            else:
                order_no = OrderNo(order_no + 1)
                found, text, stored = row
                is_dense = found == order_no
                name = f"order {order_no}"
            digest = extend_by_text(digest, text)
            if not is_dense or digest != stored:
                return before, name
        reached = Head(position, order_no, digest)
        return reached, "" if position == after.position + count else f"entry {position + 1}"

    def find_fault(self, newest: int | None = None) -> str:
        """
        Check every entry, or the newest ones only (I8).

        Returns the first wrong one in words, nothing when there is none.
        """
        head = START
        if newest is not None and (skipped := self.read_head().position - newest) > 0:
            after = Position(skipped)
            head = Head(after, self.order_no_at(after), self.digest_at(after))
        return self.find_sound_end(head)[1]

    def find_sound_end(self, after: Head) -> tuple[Head, str]:
        """Check all entries after one; return the last good head and the first fault."""
        while True:
            reached, fault = self.verify(after, VERIFY_ROWS)
            if fault or reached == after:
                return reached, fault
            after = reached

    def _check(self, row: tuple[Any, ...]) -> Order:
        """Return the order of a row of _ORDERS. Raises Unreachable (indefinite): damaged."""
        *_, digest, before = row
        name = f"order {row[0]}"
        try:
            order = order_of(row)
        except ValueError as error:
            raise damage.refuse(name) from error
        text = write_entry(order)
        if extend_by_text(before or GENESIS, text) != digest:
            # Damaged, or the entry before is a stock change.
            before = self.digest_at(Position(self._place(order.order_no) - 1))
            if extend_by_text(before, text) != digest:
                raise damage.refuse(name)
        return order

    def _place(self, order_no: OrderNo) -> Position:
        """Return the position of an order."""
        count = self._read(self._change_count)[0][0] or 0

        def orders_before(change_no: int) -> int:
            rows = self._read(self._change_place, [change_no])
            if not rows:
                raise damage.refuse(f"stock change {change_no}")
            return int(rows[0][0]) - change_no

        changes = bisect_left(range(1, count + 1), int(order_no), key=orders_before)
        return Position(order_no + changes)

    def _read(self, statement: str, values: Sequence[str | int] = ()) -> Rows:
        return self._execute(statement, values)

    def _count_changes(self, upto: Position) -> int:
        """Return how many stock changes there are up to a position."""
        rows = self._read(self._changes_upto, [upto])
        return int(rows[0][0]) if rows else 0

    def _merged(
        self, after: Position, limit: int, orders: str
    ) -> list[tuple[tuple[Any, ...], bool]]:
        """
        Return up to `limit` rows after a position, and whether each is a stock change.

        orders: the statement that reads the orders after one.
        """
        changes: Iterator[tuple[Any, ...]] = iter(self._read(self._changes, [after, limit]))
        before = after - self._count_changes(after)
        merged: list[tuple[tuple[Any, ...], bool]] = []
        change = next(changes, None)
        for row in [*self._read(orders, [before, limit]), None]:
            while change and len(merged) < limit and change[0] <= after + len(merged) + 1:
                merged.append((change, True))
                change = next(changes, None)
            if row is None or len(merged) == limit:
                break
            merged.append((row, False))
        return merged

    def list_changes(self, after: Position, limit: int) -> ChangesBody:
        """Return up to `limit` stock changes after a position as they are stored."""
        rows = self._read(self._changes, [after, limit])
        changes = tuple(StoredChange(*row) for row in rows)
        return ChangesBody(changes=changes, last=self.read_head().position)

    def list_rows(self, after: OrderNo, limit: int) -> RowsBody:
        """Return up to `limit` rows after an order as they are stored, damaged ones too."""
        rows = self._read(self._stored_page, [after, limit])
        return RowsBody(rows=tuple(StoredRow(*row) for row in rows), last=self.read_head().order_no)

    def search(self, text: str, before: int, limit: int) -> FoundBody:
        """
        Return the newest rows before an order with a text in key or stock.

        before: 0 for the newest of all. There is no index on names, because each trade would pay
        for it: a whole key is found by its index, anything else by reading backwards through
        SEARCHED_MAX orders at most, which takes some ten milliseconds (I10).
        """
        last = self.read_head().order_no
        if key := read_key(text):
            found = tuple(StoredRow(*row) for row in self._read(self._stored_key, [key.hex]))
            return FoundBody(rows=found, first=min(last, 1), last=last)
        end = min(before, last + 1) if before else last + 1
        first = max(end - SEARCHED_MAX, min(last, 1))
        patterns = [make_pattern(text), make_pattern(text.replace("-", "") or text)]
        rows = self._read(self._stored_text, [first, end, *patterns, limit])
        found = tuple(StoredRow(*row) for row in rows)
        if len(found) == limit:
            first = found[-1].order_no
        return FoundBody(rows=found, first=first, last=last)
