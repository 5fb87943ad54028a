"""
The events of the whole cluster in the order of their time.

A status repeats the newest events of its process; here each is taken once, identified by process
and number. A process that was silent for a while reports late: its events go to the place of their
time. The feed itself notices which processes stop and start answering. Bounded (I10): the newest
FEED_EVENTS_MAX are kept.
"""

import bisect
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bazaar.protocol.statuses import Event, Status
from dashboard.cluster_view import PollResult
from dashboard.event_sentences import describe_event

FEED_EVENTS_MAX = 2000
SOURCE = "dashboard"
"""The source of events that no process can report of itself."""


@dataclass(frozen=True, slots=True, order=True)
class ClusterEvent:
    """One event of one process; ordered by time."""

    at_s: float
    """Seconds since 1970, on the clock of the source."""
    source: str
    """The name of the process that reported it."""
    began_s: float
    """When that process began; with source and number it identifies the event."""
    no: int
    phrase: str = field(compare=False)
    text: str = field(compare=False)
    """The fields, as in the log."""
    sentence: str = field(compare=False, default="")
    """The same for people."""

    @property
    def key(self) -> str:
        """What identifies it, as the id of an element in a page."""
        return f"event-{self.source}-{self.began_s:.0f}-{self.no}"

    @property
    def at(self) -> datetime:
        """The time as a date."""
        return datetime.fromtimestamp(self.at_s, UTC)


class EventFeed:
    """The newest events of a cluster; safe for many threads."""

    def __init__(self) -> None:
        self._events: list[ClusterEvent] = []
        self._taken: dict[str, tuple[float, int]] = {}
        """For each name when its process began, and the number of its newest event."""
        self._answered: dict[str, bool] = {}
        self._count = 0
        self._lock = threading.Lock()

    def take(self, results: Sequence[PollResult], at_s: float) -> list[ClusterEvent]:
        """Take the events of one poll and return the new ones, by time."""
        with self._lock:
            fresh = sorted(event for result in results for event in self._take(result, at_s))
            for event in fresh:
                bisect.insort(self._events, event)
            del self._events[:-FEED_EVENTS_MAX]
        return fresh

    def newest(self, limit: int = FEED_EVENTS_MAX) -> list[ClusterEvent]:
        """Return the newest events, the oldest of them first."""
        with self._lock:
            return self._events[-limit:]

    def _take(self, result: PollResult, at_s: float) -> Iterator[ClusterEvent]:
        status, name = result.status, result.name
        answered = self._answered.get(name)
        self._answered[name] = status is not None
        if status is None:
            if answered:
                text = f"{name} does not answer: {result.reason}"
                yield self._notice(at_s, "lost", text, result)
            return
        began_s, _ = self._taken.get(name, (status.up_since_s, 0))
        if began_s != status.up_since_s:
            yield self._notice(
                at_s, "restarted", f"{name} was restarted (pid {status.pid})", result
            )
        elif answered is False:
            yield self._notice(at_s, "back", f"{name} answers (pid {status.pid})", result)
        yield from self._take_new(name, status)

    def _take_new(self, name: str, status: Status) -> Iterator[ClusterEvent]:
        """Yield the events that a process reports for the first time."""
        began_s, newest = self._taken.get(name, (0.0, 0))
        if began_s != status.up_since_s:
            newest = 0
        for event in status.events:
            if event.no > newest:
                text = " ".join(f"{key}={value}" for key, value in event.fields.items())
                sentence = describe_event(name, event)
                yield ClusterEvent(
                    event.at_s, name, status.up_since_s, event.no, event.phrase, text, sentence
                )
                newest = event.no
        self._taken[name] = status.up_since_s, newest

    def _notice(self, at_s: float, phrase: str, text: str, result: PollResult) -> ClusterEvent:
        self._count += 1
        event = Event(
            no=self._count,
            at_s=at_s,
            phrase=phrase,
            fields={"name": result.name, "state": result.state},
        )
        sentence = describe_event(SOURCE, event)
        return ClusterEvent(at_s, SOURCE, 0.0, self._count, phrase, text, sentence)
