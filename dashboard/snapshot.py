"""The cluster at one moment, as everybody who answered told it; every panel shows the same one."""

from collections.abc import Sequence
from dataclasses import dataclass

from bazaar.protocol.statuses import CatalogStatus, FrontEndStatus, ReplicaStatus
from dashboard.findings import Finding


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was found when all roles were asked."""

    findings: Sequence[Finding]
    at_s: float = 0.0
    """When, in seconds since 1970."""

    @property
    def term(self) -> int:
        """The highest term that anybody knows."""
        return max((f.status.term for f in self.findings if f.status), default=0)

    @property
    def leader(self) -> int | None:
        """Who leads that term, as whoever knows it says."""
        for finding in self.findings:
            if finding.status and finding.status.term == self.term:
                return finding.status.leader
        return None

    @property
    def last(self) -> int:
        """The newest order that anybody has."""
        return max((f.status.last for f in self.findings if f.status), default=0)

    @property
    def catalog(self) -> CatalogStatus | None:
        """What the catalog told."""
        found = (f.status for f in self.findings if isinstance(f.status, CatalogStatus))
        return next(found, None)

    @property
    def replicas(self) -> list[Finding]:
        """The order replicas, dead ones too."""
        return [finding for finding in self.findings if finding.role == "order"]

    @property
    def front_ends(self) -> list[FrontEndStatus]:
        """What the front ends told."""
        return [f.status for f in self.findings if isinstance(f.status, FrontEndStatus)]

    @property
    def leading(self) -> ReplicaStatus | None:
        """What the leader told, if it answered."""
        told = (f.status for f in self.replicas if isinstance(f.status, ReplicaStatus))
        return next((status for status in told if status.id == self.leader), None)

    @property
    def in_sync(self) -> tuple[int, ...]:
        """The replicas that a trade waits for, the leader among them; nothing without a leader."""
        return self.leading.in_sync if self.leading else ()

    def lag_of(self, finding: Finding) -> int | None:
        """How many orders a replica lacks; None when it told nothing."""
        status = finding.status
        return self.last - status.last if isinstance(status, ReplicaStatus) else None
