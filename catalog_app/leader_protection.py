"""
Protection of a new leader from front ends that cannot reach it.

Only the catalog's own ping counts, so a dead leader is replaced at once, however new it is.
"""

from collections.abc import Callable, Mapping

from bazaar.core.election import LEADER_PROTECTION_S, Ping, is_protected
from bazaar.core.failures import Failure, LeaderAlive
from bazaar.core.types import ReplicaId
from bazaar.protocol.clients import ReplicaClient

PING_TIMEOUT_S = 0.1
"""How long a claim may wait for the leader's answer."""


class LeaderProtection:
    """When the last leader was elected, and clients to ping it; for many threads."""

    def __init__(
        self, replicas: Mapping[ReplicaId, ReplicaClient], now_s: Callable[[], float]
    ) -> None:
        """
        now_s: a monotonic clock.

        A restarted catalog protects no leader until the next claim.
        """
        self._replicas, self._now_s = replicas, now_s
        self._began_s = now_s() - LEADER_PROTECTION_S

    def begin(self) -> None:
        """Note that a leader was elected just now."""
        self._began_s = self._now_s()

    def check(self, leader: ReplicaId) -> None:
        """Raise LeaderAlive (definite) when a claim against this leader must wait."""
        led_s = self._now_s() - self._began_s
        if led_s < LEADER_PROTECTION_S and is_protected(led_s, self._ping(leader)):
            raise LeaderAlive

    def _ping(self, leader: ReplicaId) -> Ping | None:
        try:
            return self._replicas[leader].ping(PING_TIMEOUT_S)
        except (Failure, KeyError):
            return None
