"""An order log in memory: what `bazaar.core.replication.DurableLog` asks for, and a page of it."""

from collections.abc import Iterable
from uuid import UUID

from bazaar.core.digest import link
from bazaar.core.failures import GapFound
from bazaar.core.ledger import Page
from bazaar.core.types import (
    START,
    Digest,
    Entry,
    Head,
    Linked,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Term,
)


class MemoryLog:
    """An order log and a term; durable for as long as the object lives."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: list[Entry] = []
        self.heads: list[Head] = [START]
        self.orders: list[Order] = []
        self.by_key: dict[UUID, Order] = {}
        self.term = Term(0)
        self.leader: ReplicaId | None = None
        MemoryLog.append(self, tuple(link(START, entries)))

    @property
    def last(self) -> Position:
        """The newest entry."""
        return self.head.position

    @property
    def head(self) -> Head:
        """Where it ends."""
        return self.heads[-1]

    @property
    def known(self) -> tuple[Term, ReplicaId | None]:
        """The term that a replica begins with, and its leader."""
        return self.term, self.leader

    def append(self, entries: tuple[Linked, ...]) -> None:
        for entry, head in entries:
            self.entries.append(entry)
            self.heads.append(head)
            if isinstance(entry, Order):
                self.orders.append(entry)
                self.by_key[entry.key] = entry

    def save_term(self, term: Term, leader: ReplicaId | None) -> None:
        self.term, self.leader = term, leader

    def digest_at(self, position: Position) -> Digest:
        return self.heads[position].digest

    def get(self, order_no: OrderNo) -> Order | None:
        return self.orders[order_no - 1] if 0 < order_no <= len(self.orders) else None

    def find(self, keys: tuple[UUID, ...]) -> dict[UUID, Order]:
        return {key: self.by_key[key] for key in keys if key in self.by_key}

    def page(self, after: int, limit: int = 1000) -> Page:
        """Return entries after one that the log has, at most `limit`; GapFound when it lacks it."""
        if after > self.last:
            raise GapFound(self.last)
        end = min(after + limit, len(self.entries))
        entries = tuple(self.entries[after:end])
        return Page(self.heads[after], entries, self.heads[end].digest, self.last)
