"""
The order log on disk: the core's `DurableLog`, durable when `append` returns.

SQLite in WAL with synchronous=FULL (docs/adr/0002). The newest digest is kept in memory, because
nearly every append needs it. Callers hold the replica's lock while they write: one writer a
database.
"""

from collections.abc import Sequence

from bazaar.core.replication import Linked
from bazaar.core.types import Digest, OrderNo, ReplicaId, Term
from bazaar.runtime.order_table import OrderTable
from bazaar.runtime.transactions import write_transaction
from order_app.models import HeardTerm


class OrderLog(OrderTable):
    """One replica's log and term in its own database."""

    def __init__(self) -> None:
        """Read where the log ends."""
        super().__init__("order_app_logentry")
        self._newest = self.read_head()

    @property
    def head(self) -> tuple[OrderNo, Digest]:
        """The newest order's number and digest; 0 and GENESIS for an empty log."""
        return self._newest

    def append(self, orders: Sequence[Linked]) -> None:
        """Store orders in one transaction; durable when this returns."""
        with write_transaction() as database:
            self.insert(database, orders)
        self._newest = (orders[-1][0].order_no, orders[-1][1])

    def digest_at(self, order_no: OrderNo) -> Digest:
        """Return the digest up to an order that the log has; GENESIS for 0."""
        last, digest = self._newest
        return digest if order_no == last else super().digest_at(order_no)

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        """Store the highest term known; durable when this returns."""
        HeardTerm.objects.update_or_create(pk=1, defaults={"term": term, "leader": leader})

    def load_term(self) -> tuple[Term, ReplicaId | None]:
        """Return the highest term known and its leader; term 0 when there was none."""
        row = HeardTerm.objects.values_list("term", "leader").first()
        if row is None:
            return Term(0), None
        return Term(row[0]), None if row[1] is None else ReplicaId(row[1])
