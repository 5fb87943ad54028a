"""A replica's disk: kept across crashes, and checked against the one history at every write."""

from collections.abc import Callable
from itertools import islice

from bazaar.core.digest import link
from bazaar.core.types import START, Linked, Position, ReplicaId, Term
from tests.core.memory_log import MemoryLog
from tests.sim.checks import Checks


class SimLog(MemoryLog):
    """An order log and a term; the process may die at each write."""

    def __init__(
        self, checks: Checks, crash_point: Callable[[], None], check_disk: Callable[[], None]
    ) -> None:
        """
        Begin empty.

        crash_point: called before and after each write; may not return. check_disk: called before
        each write; raises StorageFailed.
        """
        super().__init__()
        self.checks, self.crash_point, self.check_disk = checks, crash_point, check_disk
        self.lost_upto = Position(0)
        """The newest entry that was on this disk when it was wiped."""
        self.refused_term = Term(0)
        """The newest term that this disk did not take."""

    def load_term(self) -> tuple[Term, ReplicaId | None]:
        """Return the highest term known and its leader."""
        return self.term, self.leader

    @property
    def points(self) -> "SimLog":
        """Return what a start checks: all, because no verified point is kept in memory."""
        return self

    def find_fault(self, newest: int | None = None) -> str:
        """Return the first entry that its digest contradicts, in words."""
        heads = (head for _, head in link(START, self.entries))
        faults = (head.position for head in heads if head != self.heads[head.position])
        return "".join(f"entry {position}" for position in islice(faults, 1))

    def append(self, entries: tuple[Linked, ...]) -> None:
        self.check_disk()
        self.crash_point()
        self.checks.stored(self.last, entries)
        super().append(entries)
        self.crash_point()

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        newest, self.refused_term = self.refused_term, max(self.refused_term, term)
        self.check_disk()
        self.refused_term = newest
        self.crash_point()
        self.checks.term_saved((self.term, self.leader), (term, leader))
        super().save_term(term, leader)
        self.crash_point()

    def wipe(self) -> None:
        """Lose everything."""
        self.lost_upto = max(self.lost_upto, self.last)
        self.entries, self.heads, self.orders, self.by_key = [], [START], [], {}
        self.term, self.leader = Term(0), None
