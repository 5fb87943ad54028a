"""How the order replicas are; asked a few times a second at most (I10)."""

import threading
from collections.abc import Mapping

from bazaar.clock import monotonic_s
from bazaar.core.failures import Failure
from bazaar.core.types import ReplicaId
from frontend_app.leader import LeaderWatch
from frontend_app.serializers import PublicCluster, ReplicaView

SHOWN_S = 0.2
"""How long an answer is shown to others, so that no flood of questions reaches the replicas."""


class ClusterReader:
    """Asks the replicas of one cluster; safe for many threads."""

    def __init__(
        self, watch: LeaderWatch, ports: Mapping[ReplicaId, int], timeout_s: float
    ) -> None:
        """ports: the served port of each replica. timeout_s: how long each may take to answer."""
        self._watch, self._ports, self._timeout_s = watch, ports, timeout_s
        self._lock = threading.Lock()
        self._shown: PublicCluster | None = None
        self._until_s = 0.0

    def read(self) -> PublicCluster:
        """Return leader, term and replicas; one that does not answer is not alive."""
        with self._lock:
            if self._shown is None or monotonic_s() >= self._until_s:
                self._shown = self._ask()
                self._until_s = monotonic_s() + SHOWN_S
            return self._shown

    def _ask(self) -> PublicCluster:
        leadership = self._watch.leadership
        pings = self._watch.ping_all(tuple(self._watch.replicas), self._timeout_s)
        alive = {ping.replica_id for ping in pings if ping.is_serving}
        in_sync = self._read_in_sync(leadership.leader)
        replicas = tuple(
            ReplicaView(
                replica_id=replica_id,
                port=self._ports[replica_id],
                is_alive=replica_id in alive,
                is_leader=replica_id == leadership.leader,
                in_sync=None if in_sync is None else replica_id in in_sync,
            )
            for replica_id in sorted(self._watch.replicas)
        )
        return PublicCluster(leadership.leader, leadership.term, replicas)

    def _read_in_sync(self, leader: ReplicaId | None) -> frozenset[int] | None:
        """Return the replicas in sync; None: the leader does not say."""
        if leader is None:
            return None
        try:
            return frozenset(self._watch.replicas[leader].status(self._timeout_s).in_sync)
        except (Failure, KeyError):
            return None
