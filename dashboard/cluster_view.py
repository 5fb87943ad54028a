"""The cluster at one moment, as its processes reported it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bazaar.protocol.statuses import FrontEndStatus, ReplicaStatus, Status
from bazaar.topology import Node

WORKER = "worker"
"""The role of a front end's further processes: only the catalog knows their addresses."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """The status that one process reported, or why there is none."""

    name: str
    role: str
    node: Node
    status: Status | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The results of polling every process once."""

    results: Sequence[PollResult]
    at_s: float
    """When all had answered, in seconds since 1970."""

    @property
    def term(self) -> int:
        """The highest term that any process knows."""
        return max((one.status.term for one in self.results if one.status), default=0)

    @property
    def leader(self) -> int | None:
        """The leader of that term, from the first process that knows the term."""
        for one in self.results:
            if one.status and one.status.term == self.term:
                return one.status.leader
        return None

    @property
    def last(self) -> int:
        """The newest order that any process has."""
        return max((one.status.last for one in self.results if one.status), default=0)

    @property
    def replicas(self) -> list[PollResult]:
        """The order replicas, dead ones too."""
        return [one for one in self.results if one.role == "order"]

    @property
    def front_ends(self) -> list[FrontEndStatus]:
        """The statuses of the front ends that answered."""
        return [one.status for one in self.results if isinstance(one.status, FrontEndStatus)]

    @property
    def leader_status(self) -> ReplicaStatus | None:
        """The status of the leader, if it answered."""
        statuses = (one.status for one in self.replicas if isinstance(one.status, ReplicaStatus))
        return next((status for status in statuses if status.id == self.leader), None)

    @property
    def in_sync(self) -> tuple[int, ...]:
        """The leader and the replicas that a trade waits for; none without a leader."""
        return self.leader_status.in_sync if self.leader_status else ()

    def lag_of(self, result: PollResult) -> int | None:
        """Return how many orders a replica lacks; None when it did not answer."""
        status = result.status
        return self.last - status.last if isinstance(status, ReplicaStatus) else None
