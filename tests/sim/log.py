"""A replica's disk: kept across crashes, and checked against the one history at every write."""

from collections.abc import Callable

from bazaar.core.digest import GENESIS, link
from bazaar.core.replication import Linked
from bazaar.core.types import Digest, OrderNo, ReplicaId, Term
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

    @property
    def head(self) -> tuple[OrderNo, Digest]:  # type: ignore[override]
        """The newest order's number and digest, as `order_app.store` has them."""
        return self.last, self.digests[-1]

    def load_term(self) -> tuple[Term, ReplicaId | None]:
        """Return the highest term known and its leader."""
        return self.term, self.leader

    def find_fault(self) -> OrderNo | None:
        """Return the first order that its digest contradicts."""
        linked = link(GENESIS, self.orders)
        faults = (
            order.order_no for order, digest in linked if digest != self.digests[order.order_no]
        )
        return next(faults, None)

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
