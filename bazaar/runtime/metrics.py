"""
The metrics of one process: durations of requests, and events.

All of it is in memory, bounded (I10), and costs a request well below a microsecond; quantiles are
computed when the status is read, for what was requested since it was read last. One process has one
set of operations and one list of events, as it has one log.
"""

import logging
import math
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bazaar import clock
from bazaar.core.histogram import LATENCY_BOUNDS_S, SIZE_BOUNDS, Histogram, quantiles
from bazaar.protocol.statuses import (
    EVENTS_MAX,
    FIELD_CHARS_MAX,
    BatchSizes,
    Event,
    OperationStatus,
)
from bazaar.runtime.log_lines import Log, line_limiter

BEGAN = "bazaar.began_s"
"""The key of the WSGI environ for the time when the request came."""
REFUSAL_S, REFUSAL_MAX_S = 1.0, 30.0
"""Refusals of one kind make one event in the first time; while more come, it doubles up to this."""
SHARES = 0.5, 0.95, 0.99
"""The quantiles of a status."""
Field = str | int | float | None


class Meter:
    """
    How often one kind of request came, and how long it took.

    Safe for many threads.
    """

    __slots__ = ("_told", "failed", "histogram", "name", "refused")

    def __init__(self, name: str) -> None:
        """name: method and path, and for a stock read its cache status."""
        self.name, self.histogram = name, Histogram(LATENCY_BOUNDS_S)
        self.refused = self.failed = 0
        self._told = OperationStatus(name=name, count=0)
        """The newest snapshot."""

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.histogram.counts)

    def add(self, took_s: float, status: int = HTTPStatus.OK) -> None:
        """Count one answer."""
        self.histogram.add(took_s)
        if status >= HTTPStatus.BAD_REQUEST:
            if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                self.refused += 1
            else:
                self.failed += 1

    def snapshot(self) -> OperationStatus:
        """Return the counts so far."""
        told, count = self._told, self.count
        if (told.count, told.refused, told.failed) == (count, self.refused, self.failed):
            return told
        counts = self.histogram.snapshot()
        p50, p95, p99 = quantiles(LATENCY_BOUNDS_S, counts, SHARES)
        self._told = told = OperationStatus(
            name=self.name,
            count=sum(counts),
            refused=self.refused,
            failed=self.failed,
            p50_ms=round(p50 * 1000, 4),
            p95_ms=round(p95 * 1000, 4),
            p99_ms=round(p99 * 1000, 4),
            buckets=counts,
        )
        return told


class Operations:
    """The meters of one process, by name; names are from a fixed set."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}
        self._lock = threading.Lock()

    def meter(self, name: str) -> Meter:
        """Return the meter of this name, a new one the first time."""
        with self._lock:
            return self._meters.setdefault(name, Meter(name))

    def snapshot(self) -> tuple[OperationStatus, ...]:
        """Return the operations that were requested at all, by name."""
        return tuple(meter.snapshot() for meter in self.list_meters())

    def list_meters(self) -> tuple[Meter, ...]:
        """Return the meters of what was requested at all, by name."""
        with self._lock:
            meters = sorted(self._meters.items())
        return tuple(meter for _, meter in meters if meter.count)


@dataclass(slots=True)
class _Refusals:
    """The refusals of one kind since the last event about them."""

    log: Log
    level: int
    fields: Mapping[str, Field]
    """Of the newest one."""
    emitted_s: float = -math.inf
    interval_s: float = REFUSAL_S
    times: int = 0

    def is_due(self, now_s: float) -> bool:
        return not 0 <= now_s - self.emitted_s < self.interval_s

    def take(self, now_s: float) -> int:
        """Return how many there were, and begin anew."""
        times, self.times, self.emitted_s = self.times, 0, now_s
        self.interval_s = min(2 * self.interval_s, REFUSAL_MAX_S) if times else REFUSAL_S
        return times


class Events:
    """The newest events of one process, each also in its log; safe for many threads."""

    def __init__(self, wall_s: Callable[[], float]) -> None:
        """wall_s: seconds since 1970."""
        self._wall_s = wall_s
        self._ring: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._count = 0
        self._refusals: dict[str, _Refusals] = {}
        self._refused: Counter[str] = Counter()
        self._lock = threading.Lock()

    def emit(self, log: Log, level: int, phrase: str, **fields: Field) -> None:
        """
        Note an event, and log it as one line: the phrase, then the fields.

        phrase: one of a few. fields: values that differ; a text is cut after FIELD_CHARS_MAX.
        """
        log.log(level, phrase, **fields)
        short = {name: _cut(value) for name, value in fields.items()}
        with self._lock:
            self._count += 1
            event = Event(no=self._count, at_s=self._wall_s(), phrase=phrase, fields=short)
            self._ring.append(event)

    def emit_refusal(
        self, log: Log, kind: str, *, level: int = logging.INFO, **fields: Field
    ) -> None:
        """
        Note a refusal; emit one event for each kind in a while, with their number.

        kind: one of a few. fields: of the newest one.
        """
        now_s = self._wall_s()
        with self._lock:
            self._refused[kind] += 1
            refusals = self._refusals.setdefault(kind, _Refusals(log, level, fields))
            refusals.fields = fields
            is_due = refusals.is_due(now_s)
            times = refusals.take(now_s) if is_due else 0
            refusals.times += not is_due
        if is_due:
            self.emit(log, level, "refused", kind=kind, times=times + 1, **fields)

    def _emit_rest(self) -> None:
        """Emit the number of refusals that came soon after another one, when its time is over."""
        now_s = self._wall_s()
        with self._lock:
            rest = [
                (kind, refusals, refusals.take(now_s))
                for kind, refusals in self._refusals.items()
                if refusals.times and refusals.is_due(now_s)
            ]
        for kind, refusals, times in rest:
            fields = {"kind": kind, "times": times, **refusals.fields}
            self.emit(refusals.log, refusals.level, "refused", **fields)

    def count_refusals(self) -> dict[str, int]:
        """Return how many refusals of each kind there were."""
        with self._lock:
            return dict(self._refused)

    def snapshot(self) -> tuple[Event, ...]:
        """Return the newest events, the oldest of them first."""
        self._emit_rest()
        with self._lock:
            return tuple(self._ring)


def _cut(value: Field) -> Field:
    """Return a value of bounded size: a text may come from outside."""
    return str(value)[:FIELD_CHARS_MAX] if isinstance(value, str) else value


operations = Operations()
events = Events(clock.wall_s)
commits = Histogram(LATENCY_BOUNDS_S)
"""Commits of the database, by how long they took in seconds."""
open_ports: dict[str, Callable[[], int]] = {}
"""What counts the connections of each port that this process serves, by its name."""
_up_since_s = clock.wall_s()
_began_s = clock.monotonic_s()


def process_life() -> tuple[int, float]:
    """Return the pid, and since when it runs (seconds since 1970): no other has both."""
    return os.getpid(), _up_since_s


def process_status() -> dict[str, Any]:
    """Return the part of a status that every role gets from here."""
    line_limiter.flush()  # whoever reads the status may read the log
    return {
        "pid": os.getpid(),
        "up_since_s": _up_since_s,
        "uptime_s": round(clock.monotonic_s() - _began_s, 3),
        "operations": operations.snapshot(),
        "events": events.snapshot(),
    }


def summarize_sizes(sizes: Histogram) -> BatchSizes:
    """Return the sizes of batches."""
    counts = sizes.snapshot()
    p50, p95, p99 = map(math.ceil, quantiles(SIZE_BOUNDS, counts, SHARES))
    return BatchSizes(p50=p50, p95=p95, p99=p99, buckets=counts)
