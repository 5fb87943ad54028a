"""
Flows: decisions that need answers from other processes, as generators.

A flow yields an *effect*, a frozen value that names what it needs. It is resumed with the answer,
or a `Failure` is thrown into it. It never waits, so the same flow runs under threads and HTTP
(`bazaar.runtime.loops.run`) and in the simulated network of `tests/sim`. A flow's steps between two
effects are atomic for its machine: the caller holds the machine's lock while it steps and releases
it while the effect is under way.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from bazaar.core.failures import Failure
from bazaar.core.ledger import Batch
from bazaar.core.types import Linked, Position, ReplicaId, Term, Trade


@dataclass(frozen=True, slots=True)
class Effect:
    """The base of all effects."""


T = TypeVar("T")
Flow = Generator[Effect, Any, T]
"""A decision that returns T in the end."""


@dataclass(frozen=True, slots=True)
class PlaceBatch(Effect):
    """
    Place a batch in the ledger; answers BatchAnswer.

    Fails StaleTerm (definite), Unreachable.
    """

    batch: Batch


@dataclass(frozen=True, slots=True)
class ReadLedger(Effect):
    """Read the ledger after a position; answers Page. Fails Unreachable."""

    after: Position


@dataclass(frozen=True, slots=True)
class ReadLeadership(Effect):
    """Read the current leadership in the catalog; answers Leadership. Fails Unreachable."""


@dataclass(frozen=True, slots=True)
class AskLeader(Effect):
    """
    Ask a replica, at its address, whether it leads a term with a token.

    Fails Unconfirmed (definite): it does not. Fails Unreachable.
    """

    leader: ReplicaId
    term: Term
    token: UUID


@dataclass(frozen=True, slots=True)
class ReadPeerLog(Effect):
    """
    Read another replica's log after a position; answers Page.

    Fails Unreachable, NotServing.
    """

    peer: ReplicaId
    after: Position


@dataclass(frozen=True, slots=True)
class ShipEntries(Effect):
    """Hand entries to the outbox, which followers get from now on."""

    entries: tuple[Linked, ...]


@dataclass(frozen=True, slots=True)
class AwaitFollowers(Effect):
    """
    Wait until every in-sync follower has `upto`, or is dropped.

    Answers how many replicas are in sync.
    """

    upto: Position


@dataclass(frozen=True, slots=True)
class PingReplica(Effect):
    """Ping one replica; answers Ping. Fails Unreachable: refused, or silent for unusually long."""

    replica_id: ReplicaId


@dataclass(frozen=True, slots=True)
class PingReplicas(Effect):
    """Ping replicas side by side; answers the pings that came back, as a tuple."""

    replica_ids: tuple[ReplicaId, ...]


@dataclass(frozen=True, slots=True)
class ClaimLeadership(Effect):
    """
    Make `leader` the leader of term + 1; answers Leadership.

    Fails StaleTerm (lost the race), Unreachable.
    """

    term: Term
    leader: ReplicaId


@dataclass(frozen=True, slots=True)
class NotifyReplicas(Effect):
    """
    Notify replicas of the leader: itself first, the others without waiting.

    Fails Unreachable.
    """

    term: Term
    leader: ReplicaId
    replica_ids: tuple[ReplicaId, ...]


@dataclass(frozen=True, slots=True)
class SendTrades(Effect):
    """
    Forward trades to the leader of a term, for that term only.

    Answers a tuple of Answer. Fails NotLeader, TooFewInSync, Busy (definite), Deposed,
    NotReplicated, Unreachable (indefinite).
    """

    term: Term
    leader: ReplicaId
    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True)
class AwaitLeader(Effect):
    """
    Wait while the leader is checked or a new one is found.

    Answers the keys whose deadline is over, as a set; the others are worth another attempt.
    """

    keys: tuple[UUID, ...]
    term: Term
    """The term under which the attempt failed; a newer one is worth trying at once."""
    failure: Failure
