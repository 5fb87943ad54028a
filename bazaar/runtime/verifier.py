"""
Checks a decided sequence in the background, for ever, at a bounded cost (I8).

Each slice is read from the file again, not from memory, so damage is found that came later. After a
slice the thread rests, sixty times as long as it worked at least: less than 2 % of a core. A short
sequence takes less than that, because it is gone through every fifteen seconds only.
"""

import threading

from django.db import DatabaseError, connections

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.core.types import START, Head
from bazaar.runtime.damage import damage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.sequence_store import SequenceStore
from bazaar.runtime.transactions import read

log = get_log("bazaar.runtime.verifier")

SLICE_ENTRIES = 200
"""Entries checked at a time: one or two milliseconds."""
REST_FACTOR = 60
"""Seconds of rest for each second of work, at least."""
TURN_S = 15.0
"""For all entries, at least."""
RETRY_S = 1.0
"""The rest after the database could not be read."""


class Verifier:
    """Goes through one sequence again and again."""

    def __init__(self, store: SequenceStore) -> None:
        """store: what is checked, from its beginning."""
        self._store = store
        self._at: Head = START

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
        entries = max(self._store.read_head().position, SLICE_ENTRIES)
        reached, fault = self._store.verify(self._at, SLICE_ENTRIES)
        if fault:
            damage.report(fault)
        is_within = reached.position == self._at.position + SLICE_ENTRIES
        self._at = reached if is_within else START
        work_s = clock.thread_s() - began_s
        return max(work_s * REST_FACTOR, TURN_S * SLICE_ENTRIES / entries)

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
