"""An order log in memory: what `bazaar.core.replication.Log` asks for, and nothing more."""

from collections.abc import Iterable
from uuid import UUID

from bazaar.core.digest import GENESIS, link
from bazaar.core.failures import GapFound
from bazaar.core.ledger import Page
from bazaar.core.replication import Linked
from bazaar.core.types import Digest, Order, OrderNo, ReplicaId, Term


class MemoryLog:
    """An order log and a term; durable for as long as the object lives."""

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self.orders: list[Order] = []
        self.digests: list[Digest] = [GENESIS]
        self.by_key: dict[UUID, Order] = {}
        self.term = Term(0)
        self.leader: ReplicaId | None = None
        MemoryLog.append(self, tuple(link(GENESIS, orders)))

    @property
    def last(self) -> OrderNo:
        """The newest order."""
        return OrderNo(len(self.orders))

    @property
    def head(self) -> tuple[Term, ReplicaId | None, OrderNo, Digest]:
        """What a replica begins with."""
        return self.term, self.leader, self.last, self.digests[-1]

    def append(self, orders: tuple[Linked, ...]) -> None:
        for order, digest in orders:
            self.orders.append(order)
            self.digests.append(digest)
            self.by_key[order.key] = order

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        self.term, self.leader = term, leader

    def digest_at(self, order_no: OrderNo) -> Digest:
        return self.digests[order_no]

    def get(self, order_no: OrderNo) -> Order | None:
        return self.orders[order_no - 1] if 0 < order_no <= len(self.orders) else None

    def find(self, keys: tuple[UUID, ...]) -> dict[UUID, Order]:
        return {key: self.by_key[key] for key in keys if key in self.by_key}

    def page(self, after: int, limit: int = 1000) -> Page:
        """Return orders after one that the log has, at most `limit`; GapFound when it lacks it."""
        if after > self.last:
            raise GapFound(self.last)
        end = min(after + limit, len(self.orders))
        orders = tuple(self.orders[after:end])
        return Page(OrderNo(after), self.digests[after], orders, self.digests[end], self.last)
