"""
Checks of every order log and digest against the ledger (I1, I8).

One pass over all of them side by side: a chunk of the ledger, and the same orders of each log. The
ledger's chain of digests is recomputed, stock changes included, so a log that equals the ledger
needs no more checks. Only differences are examined one by one.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import zip_longest
from operator import itemgetter

from bazaar.core.digest import write_change, write_order
from bazaar.core.types import GENESIS
from bazaar.proof.audit_database import AuditDatabase
from bazaar.proof.sources import (
    ORDER_COLUMNS,
    DamagedError,
    LedgerSource,
    LogSource,
    Row,
    SourceError,
    key_text,
)
from bazaar.proof.verdict import FINDINGS_MAX, AuditNotes

_DIGEST = 6
_PLACES = "SELECT order_no FROM ledger WHERE key = ? ORDER BY order_no"
_SHOWN = 12
"""Digits of a digest that a message shows."""


def load_ledger(
    ledger: LedgerSource, logs: Sequence[LogSource], database: AuditDatabase, notes: AuditNotes
) -> None:
    """
    Load ledger and stocks; note what is wrong with digests and logs.

    Raises SourceError: the ledger cannot be read to its end.
    """
    database.insert("stock", ledger.stocks())
    readers = [_LogComparison(log, ledger.last, notes) for log in logs]
    changes = ledger.changes()
    database.insert("change", changes)
    chain = _Chain(changes)
    end = 0
    for rows in ledger.chunks():
        database.insert("ledger", rows)
        for order_no, message in chain.broken_links(rows):
            notes.find("I8", ledger.name, message, order_no)
        end = rows[-1][0]
        orders = [row[:ORDER_COLUMNS] for row in rows]
        for reader in readers:
            reader.compare(orders, end)
        notes.counts["orders in the ledger"] += len(rows)
    for _, message in chain.broken_links([]):
        notes.find("I8", ledger.name, message)
    notes.counts["stock changes in the ledger"] += len(changes)
    database.index_ledger()
    for reader in readers:
        reader.finish(end, database)
        _compare_changes(reader.log, changes, notes)


class _Chain:
    """The chain of digests of a ledger, as far as it is read."""

    def __init__(self, changes: Sequence[Row]) -> None:
        self._changes = deque(changes)
        self._digest: str = GENESIS
        self._position = 0

    def broken_links(self, rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
        """
        Yield each entry whose digest does not follow from the stored one before it.

        rows: the next orders; none at the end, which is followed by stock changes only.
        """
        for order_no, key, stock_name, trade_type, quantity, placed_by, stored, *_ in rows:
            yield from self._take_changes(order_no)
            what = (order_no, key_text(key), trade_type, quantity, placed_by, stock_name)
            text = write_order(*what)
            yield from self._take(order_no, f"order {order_no}", text, stored)
        if not rows:
            yield from self._take_changes(0)

    def _take_changes(self, order_no: int) -> Iterator[tuple[int, str]]:
        """Check the stock changes before the next order; before 0: all that are left."""
        while self._changes and (not order_no or self._changes[0][0] <= self._position + 1):
            position, _, stock_name, price, opening, issued, version, stored = (
                self._changes.popleft()
            )
            text = write_change(version, price, opening, issued, stock_name)
            yield from self._take(order_no, f"entry {position}, {stock_name},", text, stored)

    def _take(self, order_no: int, name: str, text: str, stored: str) -> Iterator[tuple[int, str]]:
        body = f"{self._digest}|{text}"
        wanted = sha256(body.encode("utf-8", "replace")).hexdigest()
        if stored != wanted:
            follows = f"{_short(wanted)} follows from it and the digest before it"
            yield order_no, f"the digest of {name} is {_short(stored)}, but {follows}"
        self._digest = stored
        self._position += 1


def _compare_changes(log: LogSource, wanted: Sequence[Row], notes: AuditNotes) -> None:
    """Note where a log's stock changes are not the ledger's, as far as the log goes (I8)."""
    try:
        found = log.changes()
    except DamagedError as error:
        notes.find("I3", log.name, str(error))
        return
    except SourceError as error:
        notes.gaps.append(str(error))
        return
    end = log.last + len(found)
    expected = [row for row in wanted if row[0] <= end]
    for here, there in zip_longest(found, expected):
        if here != there:
            message = f"it has {_describe(here)}, where the ledger has {_describe(there)}"
            notes.find("I8", log.name, message)
            return


def _describe(change: Row | None) -> str:
    return f"{change[2]} at {change[3]} as entry {change[0]}" if change else "no stock change"


class _LogComparison:
    """One log while it is compared."""

    def __init__(self, log: LogSource, ledger_last: int, notes: AuditNotes) -> None:
        self.log, self.notes = log, notes
        self._chunks = log.chunks()
        self._ahead: list[Row] = []
        self._is_open = True
        self._differences: list[tuple[Row | None, Row]] = []
        """What the ledger has under a number, and what the log has; the first few."""
        self._more = 0
        self._missing: list[list[int]] = []
        """Runs of missing orders: first and last."""
        if log.last < ledger_last:
            notes.counts[f"orders that {log.name} is behind"] = ledger_last - log.last

    def compare(self, wanted: Sequence[Row], end: int) -> None:
        """Compare the log up to order `end` with a chunk of the ledger."""
        found = self._take(end)
        if found == wanted or not self._is_open:
            return
        counted = Counter(row[0] for row in found)
        here, there = ({row[0]: row for row in rows} for rows in (found, wanted))
        for order_no in sorted(here.keys() | there.keys()):
            if order_no not in here:
                self._miss(order_no)
            elif here[order_no] != there.get(order_no):
                self._differ(there.get(order_no), here[order_no])
            if counted[order_no] > 1:
                message = f"order {order_no} is there {counted[order_no]} times"
                self.notes.find("I1", self.log.name, message, order_no)

    def finish(self, end: int, database: AuditDatabase) -> None:
        """Take what the log has beyond the ledger's end, and note all that was found."""
        while self._ahead or self._read():
            for row in self._ahead:
                self._differ(None, row)
            self._ahead = []
        for first, last in self._missing:
            run = f"order {first}" if first == last else f"orders {first} to {last}"
            message = f"{run} of the ledger should be there, because later ones are"
            self.notes.find("I1", self.log.name, message, first)
        for wanted, found in self._differences:
            self._note_difference(wanted, found, end, database)
        self.notes.count("I1", self.log.name, self._more)

    def _take(self, end: int) -> list[Row]:
        """Return the rows up to an order; those behind it stay for later."""
        while self._is_open and (not self._ahead or self._ahead[-1][0] <= end):
            if not self._read():
                break
        split = bisect_right(self._ahead, end, key=itemgetter(0))
        taken, self._ahead = self._ahead[:split], self._ahead[split:]
        self.notes.counts[f"orders in {self.log.name}"] += len(taken)
        return taken

    def _read(self) -> bool:
        """Read on; return whether there was more."""
        try:
            self._ahead += (rows := next(self._chunks, []))
        except DamagedError as error:
            self.notes.find("I3", self.log.name, str(error))
            self._is_open = False
        except SourceError as error:
            self.notes.gaps.append(str(error))
            self._is_open = False
        return self._is_open and bool(rows)

    def _miss(self, order_no: int) -> None:
        if order_no > self.log.last:  # it is behind, as a replica may be
            return
        if self._missing and self._missing[-1][1] == order_no - 1:
            self._missing[-1][1] = order_no
        elif len(self._missing) <= FINDINGS_MAX:
            self._missing.append([order_no, order_no])
        else:
            self._more += 1

    def _differ(self, wanted: Row | None, found: Row) -> None:
        if len(self._differences) <= FINDINGS_MAX:
            self._differences.append((wanted, found))
        else:
            self._more += 1

    def _note_difference(
        self, wanted: Row | None, found: Row, end: int, database: AuditDatabase
    ) -> None:
        order_no, key = found[:2]
        if wanted and wanted[:_DIGEST] == found[:_DIGEST]:
            message = (
                f"the digest of order {order_no} is {_short(found[_DIGEST])}, "
                f"but the ledger has {_short(wanted[_DIGEST])}"
            )
            self.notes.find("I8", self.log.name, message, order_no)
            return
        places = [place for (place,) in database.select(_PLACES, key) if place != order_no]
        doubled = f"; it has this key as order {places[0]}" if places else ""
        if wanted:
            has = f"has {describe(wanted)}"
        else:
            has = f"ends at {end}" if order_no > end else "has no such order"
        message = f"order {order_no} is {describe(found)}, but the ledger {has}{doubled}"
        self.notes.find("I1" if wanted else "I8", self.log.name, message, order_no)


def describe(row: Row) -> str:
    """Return an order in words."""
    _, key, stock_name, trade_type, quantity, placed_by, *_ = row
    by = "" if placed_by is None else f", placed by {placed_by}"
    return f"{trade_type} {quantity} {stock_name} (key {key_text(key)}{by})"


def _short(digest: object) -> str:
    return f"{str(digest)[:_SHOWN]}..."
