"""The cluster at one moment, as its processes reported it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bazaar.core.activity import ActivityState
from bazaar.protocol.cluster_report import ClusterReport
from bazaar.protocol.statuses import CatalogStatus, FrontEndStatus, ReplicaStatus, Status
from bazaar.topology import WORKER, Node, Role, process_name

READY, NOT_READY = "ready", "not ready"
_WAITING = (ActivityState.STANDBY, ActivityState.TAKING_OVER)
STOPPED, SILENT = "not running", "paused or cut off"
"""Nothing listens there; or there is neither an answer nor a refusal."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """The status that one process reported, or why there is none."""

    name: str
    role: str
    node: Node
    status: Status | None
    reason: str = ""
    is_refused: bool = False
    """Whether its machine said that nothing listens at its port."""

    @property
    def state(self) -> str:
        """What it does, in one or two words."""
        if self.status is None:
            return STOPPED if self.is_refused else SILENT
        if isinstance(self.status, ReplicaStatus):
            return self.status.state
        if isinstance(self.status, CatalogStatus) and self.status.activity in _WAITING:
            return self.status.activity
        return READY if self.status.is_ready else NOT_READY


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The results of polling every process once."""

    results: Sequence[PollResult]
    at_s: float
    """When all had answered, in seconds since 1970."""

    @property
    def report(self) -> ClusterReport:
        """What leader, term and health are judged by: all processes of the topology."""
        named = [one for one in self.results if one.role != WORKER]
        return ClusterReport(
            {one.name: one.status for one in named}, {one.name: one.node.host for one in named}
        )

    @property
    def term(self) -> int:
        """The newest term that any process knows."""
        return self.report.term

    @property
    def leader(self) -> int | None:
        """The id of the replica that leads in that term."""
        name = self.report.leader
        return next((one.node.id for one in self.results if one.name == name), None)

    @property
    def catalog(self) -> str:
        """The name of the active catalog; that of the first one while none is."""
        return self.report.catalog or process_name(Role.CATALOG, 1)

    @property
    def last(self) -> int:
        """The newest order that any process has."""
        return max((one.status.last for one in self.results if one.status), default=0)

    @property
    def replicas(self) -> list[PollResult]:
        """The order replicas, dead ones too."""
        return [one for one in self.results if one.role == "order"]

    @property
    def workers(self) -> list[PollResult]:
        """The further processes of front ends."""
        return [one for one in self.results if one.role == WORKER]

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
        return self.report.in_sync

    def lag_of(self, result: PollResult) -> int | None:
        """
        Return how many orders a replica lacks; None when it did not answer.

        Compared with the other replicas, which are asked at the same moment, or as it says itself.
        """
        if not isinstance(status := result.status, ReplicaStatus):
            return None
        newest = max(one.status.last for one in self.replicas if one.status)
        return max(newest - status.last, status.lag_orders)
