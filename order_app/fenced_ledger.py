"""
The ledger as the catalog tells it now.

A catalog that is lost may have decided orders that its successor does without, because no replica
had them when it asked. An answer that is late must not bring them: what was asked before the
successor came is not taken after it has asked (I1, I3, docs/adr/0031).
"""

from collections.abc import Callable
from typing import TypeVar

from bazaar.core.failures import Unreachable
from bazaar.core.ledger import Batch, BatchAnswer, Page
from bazaar.core.types import Position
from bazaar.protocol import tracing
from bazaar.protocol.clients import CatalogClient

T = TypeVar("T")


class FencedLedger:
    """Asks the catalog; safe for many threads."""

    def __init__(self, catalog: CatalogClient) -> None:
        """catalog: as it is reached, whichever life of it answers."""
        self._catalog = catalog
        self._recoveries = 0

    def note_recovery(self) -> None:
        """Take no answer any more to what was asked before; then tell where the log ends."""
        self._recoveries += 1

    def place(self, batch: Batch) -> BatchAnswer:
        """Have a batch decided. Raises StaleTerm, GapFound (definite), Unreachable."""
        with tracing.child("send batch"):
            return self._ask(lambda: self._catalog.place(batch))

    def page(self, after: Position, limit: int) -> Page:
        """Return entries after one. Raises GapFound (definite), Unreachable."""
        return self._ask(lambda: self._catalog.ledger(after, limit))

    def _ask(self, ask: Callable[[], T]) -> T:
        recoveries = self._recoveries
        answer = ask()
        if self._recoveries != recoveries:
            raise Unreachable("The catalog has started anew since it was asked.")
        return answer
