"""
A damaged replica begins anew by itself, from an empty database.

It fetches the ledger then as any empty replica does, and every page is checked on its way. The
damaged database is kept in the aside folder, one copy. Left out: finding damage
(`bazaar.runtime.damage`), and a log that is sound and differs from the ledger: that stays out.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

from bazaar.core.failures import Failure, GapFound
from bazaar.core.replica import ReplicaState
from bazaar.runtime.anew import Aside, is_end_damaged
from bazaar.runtime.damage import damage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from order_app.models import HeardTerm
from order_app.replica import ReplicaShell

log = get_log("bazaar.order")


class Repair:
    """Makes the database of a damaged replica anew, and starts the process again."""

    def __init__(self, shell: ReplicaShell, aside: Aside, restart: Callable[[], None]) -> None:
        """aside: for its database. restart: ends this process, which is then started again."""
        self._shell, self._restart = shell, restart
        self.aside = aside
        self._hindrance = ""

    def round(self) -> None:
        """Repair this replica if it is damaged and nothing is against it. Raises OSError."""
        if not damage.where:
            return
        if self._shell.machine.state is not ReplicaState.CORRUPT:
            self._shell.drop_out(damage.where)
        hindrance = self._find_hindrance()
        if hindrance != self._hindrance:
            self._hindrance = hindrance
            if hindrance:
                events.emit(log, logging.ERROR, "repair waits", reason=hindrance)
        if not hindrance:
            self.aside.begin_anew(self._save_term)
            aside = str(self.aside.path)
            events.emit(log, logging.WARNING, "log moved aside", aside=aside, at=damage.where)
            self._restart()

    def note_last(self) -> None:
        """Emit an event when this process begins with the empty database of a repair."""
        if self.aside.path.exists() and self._shell.machine.last == 0:
            events.emit(log, logging.WARNING, "log begun anew", aside=str(self.aside.path))

    def _find_hindrance(self) -> str:
        """Return why this log is not given up yet; nothing: somebody else has all of it."""
        if hindrance := self.aside.find_hindrance():
            return hindrance
        last = self._shell.machine.last
        try:
            self._shell.catalog.get_leadership()  # a damaged ledger is no copy
            page = self._shell.catalog.ledger(last, 1)
        except GapFound as gap:
            return (
                "The ledger ends before this log, which may have the only copy of an order. "
                f"{gap.message}"
            )
        except Failure as failure:
            # The ledger may be damaged, too, and wait for this replica.
            return "" if self._has_peer() else f"The ledger cannot be asked. {failure.message}"
        if page.after.digest != self._shell.machine.digest and not is_end_damaged(self._shell.log):
            return f"The ledger has another history up to entry {last}."
        return ""

    def _has_peer(self) -> bool:
        """Tell whether another replica has all of this log."""
        machine = self._shell.machine
        for peer in self._shell.peers.values():
            with suppress(Failure):
                if peer.log(machine.last, 1).after.digest == machine.digest:
                    return True
        return False

    def _save_term(self, database: str) -> None:
        """Let a new database have heard of this replica's term (I5, I6)."""
        machine = self._shell.machine
        HeardTerm.objects.using(database).create(pk=1, term=machine.term, leader=machine.leader)
