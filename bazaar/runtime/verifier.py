"""
Checks a database in the background, for ever, at a bounded cost (I8).

Two cursors go through the sequence: one compares what is between verified points with their
digests; one follows the hash chain from the last point on, and makes the next. While that one is
far behind, the first waits. Whenever the first has reached the end, the other tables are compared
with their copies. All is read from the file again, not from memory, so damage is found that came
later. After a slice the thread rests, fifty times as long as it worked at least: less than 2 % of
a core. A short sequence takes less than that, because it is gone through once in a turn only, which
is fifteen seconds by default.
"""

import threading

from django.db import DatabaseError, connections

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.core.types import START, Head
from bazaar.runtime import row_copies
from bazaar.runtime.damage import damage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.transactions import read
from bazaar.runtime.verified_points import POINT_ENTRIES, VerifiedPoints

log = get_log("bazaar.runtime.verifier")

SLICE_ENTRIES = 200
"""Entries of which the chain is followed at a time: one or two milliseconds."""
POINTS = 5
"""Up to the next of which all is compared at a time: ten milliseconds, nearly all in SQLite."""
REST_FACTOR = 50
"""Seconds of rest for each second of work, at least."""
RETRY_S = 1.0
"""The rest after the database could not be read."""


class Verifier:
    """Goes through one database again and again."""

    def __init__(self, points: VerifiedPoints, turn_s: float) -> None:
        """points: of the sequence that is checked. turn_s: for all entries, at least."""
        self._points, self._turn_s = points, turn_s
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
        began_s = clock.thread_s()
        read("PRAGMA shrink_memory")  # what this connection has in memory may not be in the file
        self._begin_at_last()
        behind = self._points.store.read_head().position - self._last.position
        is_far = behind >= 2 * POINT_ENTRIES
        fault = self._follow_chain(POINT_ENTRIES if is_far else SLICE_ENTRIES)
        if not is_far:
            fault = fault or self._check_points()
        if fault:
            damage.report(fault)
        rest_s = (clock.thread_s() - began_s) * REST_FACTOR
        if is_far:
            return rest_s
        rounds = max(self._last.position // POINT_ENTRIES // POINTS, behind // SLICE_ENTRIES) + 1
        return max(rest_s, self._turn_s / rounds)

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
        while True:
            rest_s = RETRY_S
            try:
                rest_s = self.round()
            except (Failure, DatabaseError) as error:  # damage is reported where it was read
                log.debug("verification failed", reason=str(error))
                connections.close_all()
            except Exception:
                log.exception("verifier broke")
            clock.wait(rest_s)
