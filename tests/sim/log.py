"""A replica's disk: kept across crashes, and checked against the one history at every write."""

from collections.abc import Callable

from bazaar.core.digest import GENESIS
from bazaar.core.replication import Linked
from bazaar.core.types import OrderNo, ReplicaId, Term
from tests.core.memory_log import MemoryLog
from tests.sim.checks import Checks


class SimLog(MemoryLog):
    """An order log and a term; the process may die at each write."""

    def __init__(self, checks: Checks, crash_point: Callable[[], None]) -> None:
        """crash_point: called before and after each write; may not return."""
        super().__init__()
        self.checks, self.crash_point = checks, crash_point
        self.lost_upto = OrderNo(0)
        """The newest order that was on this disk when it was wiped."""

    def append(self, orders: tuple[Linked, ...]) -> None:
        self.crash_point()
        self.checks.stored(self.last, orders)
        super().append(orders)
        self.crash_point()

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        self.crash_point()
        self.checks.term_saved((self.term, self.leader), (term, leader))
        super().save_term(term, leader)
        self.crash_point()

    def wipe(self) -> None:
        """Lose everything."""
        self.lost_upto = max(self.lost_upto, self.last)
        self.orders, self.digests, self.by_key = [], [GENESIS], {}
        self.term, self.leader = Term(0), None
