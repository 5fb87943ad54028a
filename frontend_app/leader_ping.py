"""
Pings that tell a leader that is gone from one that is slow (docs/adr/0051).

A ping that is not answered soon is asked once more, on another connection: the first one may have
been lost on the way. When neither is answered for longer than is usual, the replica is suspected.
Both go on listening, so a suspicion that was wrong is noticed, and counted.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from bazaar.core.election import Ping
from bazaar.core.failure_detector import LOOK_S, FailureDetector, Silence
from bazaar.core.failures import Failure, Unreachable
from bazaar.core.types import ReplicaId
from bazaar.protocol.clients import ReplicaClient
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.runtime.waits import Waits

log = get_log("bazaar.frontend")

PINGS_MAX = 2
"""To find out once whether a replica lives."""
HEDGE_S = 2 * LOOK_S
"""After such a silence the second one is sent."""
THREADS_MAX = 8
"""Pings under way; those of a few silences, each of which ends after the timeout."""


@dataclass(slots=True)
class _Inquiry:
    """The pings of one question whether a replica lives, and what came of them."""

    replica_id: ReplicaId
    sent: int = 0
    answer: Ping | None = None
    failures: list[Failure] = field(default_factory=list)
    is_given_up: bool = False

    @property
    def needs_another(self) -> bool:
        """Whether every ping has failed, and another one may be sent."""
        return len(self.failures) == self.sent < PINGS_MAX

    def find_failure(self) -> Failure | None:
        """Return what says that there will be no answer, if anything does."""
        for failure in self.failures:
            if not isinstance(failure, Unreachable) or failure.is_refused:
                return failure
        return self.failures[-1] if len(self.failures) == PINGS_MAX else None

    def has_news(self) -> bool:
        """Tell whether there is something to do before the next look."""
        return bool(self.answer or self.find_failure() or self.needs_another)


class LeaderPing:
    """Pings the leader; one thread asks at a time."""

    def __init__(
        self, replicas: Mapping[ReplicaId, ReplicaClient], timeout_s: float, waits: Waits
    ) -> None:
        """timeout_s: the longest silence that is not unusual."""
        self._replicas, self._timeout_s, self._now_s = replicas, timeout_s, waits.now_s
        self._detector = FailureDetector(timeout_s)
        self._pool = waits.make_pool(THREADS_MAX, "leader ping")
        (self._changed,) = waits.make_conditions(1)
        self._inquiry: _Inquiry | None = None
        self._is_silent = False
        self.suspicions = 0
        """Silences that were unusual."""
        self.wrong_suspicions = 0
        """Of these, those that an answer followed."""

    @property
    def patience_s(self) -> float:
        """How long an answer may take now."""
        return self._detector.patience_s(self._now_s())

    def ask(self, replica_id: ReplicaId) -> Ping:
        """
        Return what a replica says of itself.

        Raises Unreachable: it refuses, its answers fail, or it is silent for longer than is usual.
        Raises what it answers.
        """
        self._inquiry = inquiry = _Inquiry(replica_id)
        silence = self._detector.begin(self._now_s())
        while not silence.is_unusual:
            is_late = silence.silent_s >= HEDGE_S and inquiry.sent < PINGS_MAX
            if inquiry.needs_another or is_late:
                inquiry.sent += 1
                self._pool.submit(self._ping, inquiry)
            with self._changed:
                self._changed.wait_for(inquiry.has_news, LOOK_S)
                silence.look(self._now_s())
                if inquiry.answer:
                    self._detector.hear(silence, self._now_s())
                    self._is_silent = False
                    return inquiry.answer
                if failure := inquiry.find_failure():
                    raise failure
        raise self._suspect(inquiry, silence)

    def has_answered_late(self, replica_id: ReplicaId | None) -> bool:
        """Tell whether a replica was the last to be suspected, and has answered after all."""
        inquiry = self._inquiry
        if inquiry is None or inquiry.replica_id != replica_id:
            return False
        return inquiry.is_given_up and inquiry.answer is not None

    def _suspect(self, inquiry: _Inquiry, silence: Silence) -> Failure:
        """Note a silence, and return the failure that tells it."""
        with self._changed:
            inquiry.is_given_up = True
        self.suspicions += 1
        replica_id = inquiry.replica_id
        silent_ms = round(silence.silent_s * 1000)
        if not self._is_silent:
            events.emit(
                log, logging.INFO, "leader suspected", replica=replica_id, silent_ms=silent_ms
            )
        self._is_silent = True
        return Unreachable(f"Replica {replica_id} has not answered for {silent_ms} ms.")

    def _ping(self, inquiry: _Inquiry) -> None:
        """Ping once, and note what comes of it."""
        answer: Ping | None = None
        failures: list[Failure] = []
        try:
            answer = self._replicas[inquiry.replica_id].ping(self._timeout_s)
        except Failure as failure:
            failures = [failure]
        with self._changed:
            if answer and inquiry.is_given_up and not inquiry.answer:
                self.wrong_suspicions += 1
            inquiry.answer = inquiry.answer or answer
            inquiry.failures += failures
            self._changed.notify_all()
