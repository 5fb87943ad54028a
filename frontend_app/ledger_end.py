"""
Order numbers beyond the newest: one question for many of them.

A number may be called unknown only if the ledger ended before it when the look-up had begun:
another front end may have acknowledged that order a moment ago. So one question for the end of the
ledger answers all look-ups that came before it was sent, and those that come while it is under way
wait for the next one.
"""

from collections.abc import Sequence

from bazaar.core.failures import UnknownOrder, Unreachable
from bazaar.core.types import OrderNo
from bazaar.runtime.group_commit import Batcher
from bazaar.runtime.waits import REAL, Waits
from frontend_app.leader import LeaderWatch

WAITING_MAX = 4096
"""Look-ups that wait for an answer, more than there are threads for them."""
PAUSE_S = 0.005
"""The time between two questions, so that no flood of look-ups costs the catalog more."""
AWAY_S = 2.0
"""How long a catalog that did not answer is not asked again."""


class LedgerEnd:
    """What one front end knows of the end of the ledger; safe for many threads."""

    def __init__(self, watch: LeaderWatch, timeout_s: float, waits: Waits = REAL) -> None:
        """timeout_s: how long the catalog may take to answer."""
        self._watch, self._timeout_s, self._now_s = watch, timeout_s, waits.now_s
        self._pause = waits.make_signal()
        self._asked_s = -PAUSE_S
        self._away_until_s = 0.0
        self._batcher: Batcher[OrderNo, OrderNo] = Batcher(
            self._ask, batch_max=WAITING_MAX, waiting_max=WAITING_MAX, waits=waits
        )

    def check(self, order_no: OrderNo) -> None:
        """
        Raise UnknownOrder (definite) for a number that the ledger has not reached.

        Return for any other, and when the catalog does not answer: then a replica may know.
        """
        if order_no <= self._watch.newest or self._now_s() < self._away_until_s:
            return
        try:
            (last,) = self._batcher.submit([order_no])
        except Unreachable:
            return
        if order_no > last:
            raise UnknownOrder

    def read(self) -> OrderNo:
        """
        Return the end of the ledger, at this moment or later.

        While the catalog does not answer: the newest order that was heard of.
        """
        if self._now_s() >= self._away_until_s:
            try:
                (last,) = self._batcher.submit([OrderNo(0)])
            except Unreachable:
                return self._watch.newest
            return last
        return self._watch.newest

    def _ask(self, order_nos: Sequence[OrderNo]) -> Sequence[OrderNo]:
        """Ask the catalog once; return the end of the ledger for each. Raises Unreachable."""
        self._pause.wait(max(self._asked_s + PAUSE_S - self._now_s(), 0.0))
        self._asked_s = self._now_s()
        try:
            last = self._watch.catalog.last(self._timeout_s)
        except Unreachable:
            self._away_until_s = self._now_s() + AWAY_S
            raise
        self._watch.note_order(last)
        return [last] * len(order_nos)
