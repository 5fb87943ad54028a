"""
The order log on disk: the core's `DurableLog`, durable when `append` returns.

SQLite in WAL with synchronous=FULL (docs/adr/0002). The newest digest is kept in memory, because
nearly every append needs it. Callers hold the replica's lock while they write: one writer a
database.
"""

from collections.abc import Sequence

from bazaar.core.failures import StorageFailed, Unreachable
from bazaar.core.types import (
    START,
    Digest,
    Head,
    Linked,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Term,
    TradeType,
)
from bazaar.protocol import tracing
from bazaar.runtime.damage import damage
from bazaar.runtime.row_copies import sound
from bazaar.runtime.sequence_store import SequenceStore
from bazaar.runtime.storage import storage
from bazaar.runtime.transactions import lost_commits, read, write_transaction
from bazaar.runtime.verified_points import VerifiedPoints
from order_app.models import HeardTerm

LOOKED_THROUGH_MAX = 10_000
"""Orders that one page of a list looks through, for those of a stock or a type."""
_NEWEST = " WHERE order_no BETWEEN ? AND ?{} ORDER BY order_no DESC LIMIT ?"
_TERM = f"SELECT term, leader, {sound('term', 'leader')} FROM order_app_heardterm"  # noqa: S608 - our own names


class OrderLog(SequenceStore):
    """One replica's log and term in its own database."""

    def __init__(self) -> None:
        """Read where the log ends; the beginning, when that cannot be read (`damage`)."""
        super().__init__("order_app_logentry", "order_app_stockchange")
        self.points = VerifiedPoints(self, "order_app_verifiedpoint")
        self._newest = START
        with damage:
            self._newest = self.read_head()

    @property
    def head(self) -> Head:
        """Where the log ends."""
        return self._newest

    def append(self, entries: Sequence[Linked]) -> None:
        """
        Store entries in one transaction; durable when this returns.

        Raises Unreachable (indefinite): some are there already. Either the log is damaged, or it
        ends elsewhere than this process has read: an earlier life has written them, and its server
        has executed the commit late. Then this process begins anew, as after a lost commit.
        """
        before, newest = self._newest, entries[-1][1]
        try:
            with write_transaction() as database:
                self.insert(database, entries)
        except StorageFailed:
            raise  # it may be tried again
        except Unreachable as failure:
            if self.read_head() == before:
                raise damage.refuse(f"entry {before.position + 1}") from failure
            lost_commits.report(failure.message)
            raise
        self._newest = newest
        count = newest.order_no - before.order_no
        tracing.note(stored_from=before.order_no + 1, stored=count)

    def digest_at(self, position: Position) -> Digest:
        """Return the digest up to an entry that the log has; GENESIS for 0."""
        newest = self._newest
        return newest.digest if position == newest.position else super().digest_at(position)

    def list_newest(
        self, upto: OrderNo, limit: int, stock_name: str | None, trade_type: TradeType | None
    ) -> tuple[list[Order], OrderNo]:
        """
        Return orders up to one, the newest first, and the oldest that was looked at.

        There is no index on stocks or types, because each trade would pay for it: a page reads
        backwards through LOOKED_THROUGH_MAX orders at most (I10), and may have none. Raises
        Unreachable (indefinite): one is damaged.
        """
        first = OrderNo(max(upto - LOOKED_THROUGH_MAX + 1, 1))
        wanted = {"stock_name": stock_name, "trade_type": trade_type}
        values = {column: value for column, value in wanted.items() if value}
        where = _NEWEST.format("".join(f" AND {column} = ?" for column in values))
        rows = self._read(self._orders + where, [first, upto, *values.values(), limit])
        orders = [self._check(row) for row in rows]
        return orders, orders[-1].order_no if len(orders) == limit else first

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        """Store the highest term known; durable when this returns."""
        with storage:
            HeardTerm.objects.update_or_create(pk=1, defaults={"term": term, "leader": leader})

    def load_term(self) -> tuple[Term, ReplicaId | None]:
        """Return the highest term known and its leader; term 0: none can be read."""
        rows = []
        with damage:
            rows = read(_TERM)
        for term, leader, is_sound in rows:
            if is_sound:
                return Term(term), None if leader is None else ReplicaId(leader)
            damage.report("the term")
        return Term(0), None
