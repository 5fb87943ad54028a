"""
Checks a database in the background, for ever, at a bounded cost (I8).

Its pages are compared with their checksums every few seconds (`bazaar.runtime.page_verifier`): that
finds what changes in the file while the process runs. For the rest, which was changed while nobody
ran, or in memory, all rows are looked at.

Two cursors go through the sequence: one compares what is between verified points with their
digests; one follows the hash chain from the last point on, and makes the next. While that one is
far behind, the first waits. Whenever the first has reached the end, the other tables are compared
with their copies. All is read from the file again, not from memory, so damage is found that came
later. After a slice of rows comes a rest of them, 110 times as long as the thread worked for
rows and pages at least: less than 1 % of a core. A short sequence takes less than that, because it
is gone through once in a turn only, which is fifteen seconds by default.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from django.db import DatabaseError, connections

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.core.types import START, Head
from bazaar.runtime import row_copies
from bazaar.runtime.damage import damage
from bazaar.runtime.engines import current
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.page_verifier import PageVerifier
from bazaar.runtime.transactions import read
from bazaar.runtime.verified_points import POINT_ENTRIES, VerifiedPoints

log = get_log("bazaar.runtime.verifier")

SLICE_ENTRIES = 200
"""Entries of which the chain is followed at a time: one or two milliseconds."""
POINTS = 5
"""Up to the next of which all is compared at a time: ten milliseconds, nearly all in SQLite."""
REST_FACTOR = 110
"""Seconds of rest for each second of work, at least."""
STEP_S = 0.4
"""Between two looks at pages: each wakes the thread, and opens the log."""
RETRY_S = 1.0
"""The rest after the database could not be read."""


class Verifier:
    """Goes through one database again and again."""

    def __init__(self, points: VerifiedPoints, turn_s: float, path: Path | None = None) -> None:
        """
        Note what is checked.

        points: of the sequence. turn_s: for all entries, at least. path: of the database whose
        pages are compared, and whose checkpoints are done here; None: rows only.
        """
        self._points, self._turn_s, self._path = points, turn_s, path
        self._pages: PageVerifier | None = None
        self._worked_s = clock.thread_s()
        """Processor time of this thread at its last rest."""
        self._at: Head = START
        """The point up to which this turn has come."""
        self._last: Head = START
        """The last point."""
        self._reached: Head = START
        """Behind it, the entry up to which the chain was followed."""
        self._seen: tuple[Head, str] = START, ""
        """An entry behind the last point, and the content up to it when it was seen first."""
        self._fixed: tuple[str, ...] = ()

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._repeat, name="verifier", daemon=True).start()

    def round(self) -> float:
        """
        Check the next slice; return for how many seconds to rest.

        Raises Failure, DatabaseError: it could not be read.
        """
        _forget_pages()
        self._begin_at_last()
        behind = self._points.store.read_head().position - self._last.position
        is_far = behind >= 2 * POINT_ENTRIES
        fault = self._follow_chain(POINT_ENTRIES if is_far else SLICE_ENTRIES)
        if not is_far:
            fault = fault or self._check_points()
        if fault:
            damage.report(fault)
        worked_s, self._worked_s = self._worked_s, clock.thread_s()
        rest_s = (self._worked_s - worked_s) * REST_FACTOR
        if is_far:
            return rest_s
        rounds = max(self._last.position // POINT_ENTRIES // POINTS, behind // SLICE_ENTRIES) + 1
        return max(rest_s, self._turn_s / rounds)

    def check_all(self) -> str:
        """
        Check everything once, without a rest; return what is wrong in words.

        Raises Failure, DatabaseError: it could not be read.
        """
        _forget_pages()
        integrity = current().integrity
        answer = str(read(integrity)[0][0]) if integrity else "ok"
        fault, self._at = "" if answer == "ok" else answer, START
        self._reached = self._last
        while not fault:
            fault = self._check_points()
            if self._at == START:
                break
        while not fault:
            self._begin_at_last()
            last, fault = self._last, self._follow_chain(POINT_ENTRIES)
            if self._points.last() == last:
                break
        return fault

    def _check_points(self) -> str:
        """Compare up to the next points; after the last one, the other tables."""
        for _ in range(POINTS):
            point, fault = self._points.check_next(self._at)
            if fault:
                return fault
            if point == self._at:
                return self._end_turn()
            self._at = point
        return ""

    def _end_turn(self) -> str:
        self._at = START
        fixed = row_copies.read_fixed()
        is_changed = fixed != (self._fixed or fixed)
        self._fixed = self._fixed or fixed
        return "the tables" if is_changed else row_copies.find_wrong_table()

    def _follow_chain(self, limit: int) -> str:
        """Follow the chain behind the last point; make the next where it is due."""
        due = self._last.position + POINT_ENTRIES
        limit = min(limit, due - self._reached.position)
        reached, fault = self._points.store.verify(self._reached, limit)
        is_end = reached.position < self._reached.position + limit
        if not fault and (is_end or reached.position == due):
            fault = self._end_chain(reached, is_due=reached.position == due)
            reached = self._last
        self._reached = reached
        return fault

    def _end_chain(self, reached: Head, *, is_due: bool) -> str:
        """Compare all columns behind the last point with what they were; note what they are."""
        upto, known = self._seen
        is_seen = upto.position > self._last.position
        content = self._points.content(self._last, reached)
        if not content or (is_seen and self._points.content(self._last, upto) != known):
            return f"entries {self._last.position + 1} to {reached.position}"
        if is_due:
            self._points.add(reached, content)
        self._seen = reached, content
        return ""

    def _begin_at_last(self) -> None:
        last = self._points.last()
        if last != self._last:
            self._last = self._reached = last

    def _repeat(self) -> None:
        self._worked_s = clock.thread_s()
        while True:
            self._rest(self._try(self.round))

    def _rest(self, rest_s: float) -> None:
        """Wait until rows are looked at again; look at pages meanwhile."""
        end_s = clock.monotonic_s() + rest_s
        while self._path and (left_s := end_s - clock.monotonic_s()) > 0:
            clock.wait(min(left_s, self._try(self._check_pages)))
        if not self._path:
            clock.wait(rest_s)

    def _check_pages(self) -> float:
        """Do the next step of the pages; return for how many seconds to rest."""
        assert self._path is not None, "asked for"
        if self._pages is None:
            self._pages = PageVerifier(self._path, self.check_all)
        self._pages.step()
        return STEP_S

    def _try(self, act: Callable[[], float]) -> float:
        """Return what a function returns; RETRY_S when it fails."""
        try:
            return act()
        except (Failure, DatabaseError) as error:  # damage is reported where it was read
            log.debug("verification failed", reason=str(error))
            connections.close_all()
        except (sqlite3.Error, OSError) as error:
            log.warning("pages not checked", reason=str(error))
        except Exception:
            log.exception("verifier broke")
        return RETRY_S


def _forget_pages() -> None:
    """Read all from the file again: what this connection has in memory may not be there."""
    if statement := current().forget_pages:
        read(statement)
