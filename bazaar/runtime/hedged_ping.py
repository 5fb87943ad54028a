"""
Pings that tell a process that is gone from one that is slow (docs/adr/0051).

A ping that is not answered soon is sent once more, on another connection: the first one may have
been lost on the way. When neither is answered for longer than is usual, the process is suspected.
Both go on listening, so a suspicion that was wrong is noticed, counted, and learned from.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bazaar.core.failure_detector import LOOK_S, FailureDetector, Silence
from bazaar.core.failures import Unreachable
from bazaar.runtime.waits import Waits

PINGS_MAX = 2
"""To find out once whether a process lives."""
HEDGE_S = 2 * LOOK_S
"""After such a silence the second one is sent."""
THREADS_MAX = 8
"""Pings under way; those of a few silences, each of which ends after the timeout."""

T = TypeVar("T")


@dataclass(slots=True)
class _Inquiry(Generic[T]):
    """The pings of one question whether a process lives, and what came of them."""

    ping: Callable[[float], T]
    silence: Silence
    sent: int = 0
    answers: list[T] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    is_given_up: bool = False

    @property
    def needs_another(self) -> bool:
        """Whether every ping has failed, and another one may be sent."""
        return len(self.failures) == self.sent < PINGS_MAX

    @property
    def is_late(self) -> bool:
        """Whether the second ping is due."""
        return self.silence.silent_s >= HEDGE_S and self.sent < PINGS_MAX

    def find_failure(self) -> Exception | None:
        """Return what says that there will be no answer, if anything does."""
        for failure in self.failures:
            if not isinstance(failure, Unreachable) or failure.is_refused:
                return failure
        return self.failures[-1] if len(self.failures) == PINGS_MAX else None

    def has_news(self) -> bool:
        """Tell whether there is something to do before the next look."""
        return bool(self.answers or self.find_failure() or self.needs_another)


class HedgedPing(Generic[T]):
    """Pings one process, or each that takes its place; one thread asks at a time."""

    def __init__(self, timeout_s: float, waits: Waits, name: str) -> None:
        """timeout_s: the longest silence that is not unusual. name: of its threads."""
        self._timeout_s, self._now_s = timeout_s, waits.now_s
        self._detector = FailureDetector(timeout_s)
        self._pool = waits.make_pool(THREADS_MAX, name)
        (self._changed,) = waits.make_conditions(1)
        self._inquiry: _Inquiry[T] | None = None
        self.suspicions = 0
        """Silences that were unusual."""
        self.wrong_suspicions = 0
        """Of these, those that an answer followed."""

    @property
    def patience_s(self) -> float:
        """How long an answer may take now."""
        return self._detector.patience_s(self._now_s())

    @property
    def has_answered_late(self) -> bool:
        """Whether the process that was suspected last has answered after all."""
        inquiry = self._inquiry
        return inquiry is not None and inquiry.is_given_up and bool(inquiry.answers)

    def ask(self, ping: Callable[[float], T]) -> T:
        """
        Return the answer to a ping.

        ping: sends it and waits for the answer, with a timeout in s.

        Raises Unreachable: refused, failed twice, or silent for longer than is usual. Raises what
        `ping` raises otherwise.
        """
        silence = self._detector.begin(self._now_s())
        self._inquiry = inquiry = _Inquiry(ping, silence)
        while True:
            if inquiry.needs_another or inquiry.is_late:
                inquiry.sent += 1
                self._pool.submit(self._ping, inquiry)
            with self._changed:
                self._changed.wait_for(inquiry.has_news, LOOK_S)
                silence.look(self._now_s())
                if inquiry.answers:
                    self._detector.hear(silence, self._now_s())
                    return inquiry.answers[0]
                if failure := inquiry.find_failure():
                    raise failure
                if silence.is_unusual:
                    inquiry.is_given_up = True
                    self.suspicions += 1
                    silent_ms = round(silence.silent_s * 1000)
                    raise Unreachable(f"It has not answered for {silent_ms} ms.")

    def _ping(self, inquiry: _Inquiry[T]) -> None:
        """Ping once, and note what comes of it."""
        answers: list[T] = []
        failures: list[Exception] = []
        try:
            answers = [inquiry.ping(self._timeout_s)]
        except Exception as failure:  # noqa: BLE001 - `ask` raises it
            failures = [failure]
        with self._changed:
            if answers and inquiry.is_given_up and not inquiry.answers:
                self.wrong_suspicions += 1
                self._detector.hear(inquiry.silence, self._now_s())
            inquiry.answers += answers
            inquiry.failures += failures
            self._changed.notify_all()
