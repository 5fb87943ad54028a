"""
What happened in the whole cluster, merged by time from what every role tells.

Each role tells its newest events again and again; here each is taken once, known by its process and
its number. A role that was silent for a while tells late: its events get the place of their time.
Whether a role answers at all is noticed here as well. Bounded (I10): HAPPENINGS_MAX, the newest.
"""

import bisect
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bazaar.protocol.statuses import Status
from dashboard.findings import Finding

HAPPENINGS_MAX = 2000
SELF = "dashboard"
"""Who tells what no role can tell of itself."""


@dataclass(frozen=True, slots=True, order=True)
class Happening:
    """One event of one process; ordered by time."""

    at_s: float
    """Seconds since 1970, on the clock of who tells."""
    source: str
    """The name of the role that tells."""
    began_s: float
    """When its process began: with source and number the name of this event."""
    no: int
    phrase: str = field(compare=False)
    text: str = field(compare=False)
    """The fields, as in the log."""


class Feed:
    """The newest happenings of a cluster; safe for many threads."""

    def __init__(self) -> None:
        self._kept: list[Happening] = []
        self._heard: dict[str, tuple[float, int]] = {}
        """For each role the process that was heard last, and the number of its newest event."""
        self._answered: dict[str, bool] = {}
        self._count = 0
        self._lock = threading.Lock()

    def take(self, findings: Sequence[Finding], at_s: float) -> list[Happening]:
        """Take what was found when all roles were asked; return what is new in it, by time."""
        with self._lock:
            fresh = sorted(one for finding in findings for one in self._take(finding, at_s))
            for one in fresh:
                bisect.insort(self._kept, one)
            del self._kept[:-HAPPENINGS_MAX]
        return fresh

    def newest(self, limit: int = HAPPENINGS_MAX) -> list[Happening]:
        """Return the newest happenings, the oldest of them first."""
        with self._lock:
            return self._kept[-limit:]

    def _take(self, finding: Finding, at_s: float) -> Iterator[Happening]:
        status, name = finding.status, finding.name
        answered = self._answered.get(name)
        self._answered[name] = status is not None
        if status is None:
            if answered:
                yield self._notice(at_s, "lost", f"{name} does not answer: {finding.reason}")
            return
        began_s, _ = self._heard.get(name, (status.up_since_s, 0))
        if began_s != status.up_since_s:
            yield self._notice(at_s, "restarted", f"{name} was restarted (pid {status.pid})")
        elif answered is False:
            yield self._notice(at_s, "back", f"{name} answers (pid {status.pid})")
        yield from self._unheard(name, status)

    def _unheard(self, name: str, status: Status) -> Iterator[Happening]:
        """Yield what a role tells for the first time."""
        began_s, newest = self._heard.get(name, (0.0, 0))
        if began_s != status.up_since_s:
            newest = 0
        for event in status.events:
            if event.no > newest:
                text = " ".join(f"{key}={value}" for key, value in event.fields.items())
                yield Happening(event.at_s, name, status.up_since_s, event.no, event.phrase, text)
                newest = event.no
        self._heard[name] = status.up_since_s, newest

    def _notice(self, at_s: float, phrase: str, text: str) -> Happening:
        self._count += 1
        return Happening(at_s, SELF, 0.0, self._count, phrase, text)
