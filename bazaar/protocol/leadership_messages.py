"""Messages about the leader and the active catalog (docs/PROTOCOL.md)."""

from typing import Self
from uuid import UUID

import msgspec
from msgspec import Struct

from bazaar.core.activity import ActivePing
from bazaar.core.election import Leadership, Ping
from bazaar.core.types import Digest, Epoch, Head, OrderNo, Position, ReplicaId, Term
from bazaar.protocol.messages import Hex, Id, Message, Place, TermNo


class HeadBody(Message, frozen=True, kw_only=True):
    """Replica to a catalog that starts: where its log ends, and what it knows."""

    position: Place
    order_no: Place
    digest: Hex
    digest_at: Hex | None
    """The digest at the position that was asked for; None when the log ends before."""
    term: TermNo
    leader: Id | None
    is_damaged: bool = False
    """Whether its entries cannot be had, because the log is damaged somewhere."""

    @property
    def head(self) -> Head:
        """Where the log ends."""
        return Head(Position(self.position), OrderNo(self.order_no), Digest(self.digest))


class ActiveBody(Message, frozen=True, kw_only=True):
    """A catalog's answer: whether it is active."""

    epoch: Place
    """The newest that it knows."""
    is_active: bool
    """Whether this life of its process has claimed that epoch."""
    is_proven: bool
    """Whether it has just proved itself to the database."""

    @classmethod
    def from_core(cls, ping: ActivePing) -> Self:
        """Pack the answer to a ping."""
        return cls(epoch=ping.epoch, is_active=ping.is_active, is_proven=ping.is_proven)

    def to_core(self) -> ActivePing:
        """Unpack it."""
        return ActivePing(Epoch(self.epoch), is_active=self.is_active, is_proven=self.is_proven)


class EpochBody(Message, frozen=True, kw_only=True):
    """A new active catalog to front ends and replicas: its epoch and its id."""

    epoch: Place
    catalog: Id


class LeadershipBody(Message, frozen=True, kw_only=True):
    """A term and its leader."""

    term: TermNo
    leader: Id | None = None

    def to_core(self) -> Leadership:
        """Unpack the leadership."""
        return Leadership(Term(self.term), None if self.leader is None else ReplicaId(self.leader))


class NoticeBody(Message, frozen=True, kw_only=True):
    """Front end to replica: the leader; to catalog: the leader wanted after `term`."""

    term: TermNo
    leader: Id


class PingBody(Struct, frozen=True, kw_only=True):
    """A live replica's answer; the first two fields are the seed's."""

    replica_id: Id = msgspec.field(name="alive order server")
    port: int
    term: TermNo
    leader: Id | None
    last: Place
    is_serving: bool
    is_leading: bool
    reaches_catalog: bool = True

    def to_core(self) -> Ping:
        """Unpack the ping."""
        return Ping(
            ReplicaId(self.replica_id),
            Term(self.term),
            None if self.leader is None else ReplicaId(self.leader),
            OrderNo(self.last),
            is_serving=self.is_serving,
            is_leading=self.is_leading,
            reaches_catalog=self.reaches_catalog,
        )


class TokenBody(Message, frozen=True, kw_only=True):
    """Follower to leader: whether an append of this term with this token is its own."""

    term: TermNo
    token: UUID
