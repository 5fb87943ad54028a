"""
Whether a replica reaches the catalog: a leader needs it (docs/adr/0013).

The probe waits as front ends wait for a leader: as long as is usual (docs/adr/0051).
"""

import logging

from bazaar.core.election import Leadership
from bazaar.core.failures import Failure
from bazaar.protocol.clients import CatalogClient
from bazaar.runtime.hedged_ping import HedgedPing
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.runtime.waits import REAL, Waits
from order_app.replica import ReplicaShell

log = get_log("bazaar.order")

AWAY_PAUSE_S = 0.1
"""After a probe that failed; once the catalog is back, trades wait for the next one."""


class CatalogProbe:
    """Asks the catalog who leads; `round` once in a while, by one thread."""

    def __init__(self, shell: ReplicaShell, catalog: CatalogClient, waits: Waits = REAL) -> None:
        """catalog: a client whose connections the trades do not use."""
        self._shell, self._catalog = shell, catalog
        timeout_s = shell.limits.ping_timeout_s
        self._ping: HedgedPing[Leadership] = HedgedPing(timeout_s, waits, "catalog ping")

    def round(self) -> float | None:
        """
        Note whether the catalog is in reach, and whether it knows a newer term.

        A catalog that began anew may have raised its term. Returns the pause after this round, if
        it is a short one.
        """
        shell, machine = self._shell, self._shell.machine
        try:
            leadership = self._ping.ask(self._catalog.get_leadership)
        except Failure as failure:
            if machine.reaches_catalog:
                reason = failure.message
                events.emit(log, logging.WARNING, "catalog out of reach", reason=reason)
            shell.note_catalog(is_reached=False)
            return min(AWAY_PAUSE_S, shell.limits.ping_interval_s)
        if not machine.reaches_catalog:
            events.emit(log, logging.INFO, "catalog in reach")
        shell.note_catalog(is_reached=True)
        if machine.outbox is not None:
            shell.step_down(leadership.term, leadership.leader)
        return None
