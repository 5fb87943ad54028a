"""The results of an evaluation: plain values, kept as JSON."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from bazaar.loadtest.evaluate.steps import Effort, Step
from bazaar.loadtest.report.episodes import Episode, list_episodes
from bazaar.loadtest.summary import Summary, quantile
from bazaar.proof.records import Done, Mark, Record

SETTLE_S = 1.0
"""At the beginning of a run connections are opened: those answers are no hits and no misses."""
_GROUPS = {
    "hit": "hit",
    "miss": "miss",
    "shared": "miss",
    "request": "request",
    "stale": "stale",
}
"""What a `Cache-Status` counts as; a shared answer is one that waited for another's miss."""


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Of some operations, in milliseconds."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, and what became of it."""

    at_s: float
    fault: str
    target: str
    elected_s: float | None
    """From the fault until the next leader was seen; None: no election."""
    pause_s: float | None
    """The longest time without a successful trade that ends after the fault."""
    healed_s: float | None
    """From the fault until all was well."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of a front end's memory, counted since the run began."""

    at_s: float
    ranks: tuple[int, ...]
    """What is in it: 1 is the stock that is asked for most."""
    hits: int
    misses: int
    evictions: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one step."""

    step: Step
    command: str
    summary: Summary
    by_cache: dict[str, Latencies] = {}
    """Stock look-ups by where the answer came from: hit, miss, request (past the cache), stale."""
    recoveries: tuple[Recovery, ...] = ()
    looks: tuple[Look, ...] = ()


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of a run."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    packages: dict[str, str]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """All results of an evaluation."""

    machine: Machine
    started: str
    """Wall time, ISO 8601 in UTC."""
    took_s: float
    effort: Effort
    stocks: int
    """In the catalog."""
    best_share: float
    """Of all look-ups, what goes to as many stocks as the small cache holds, the most popular."""
    outcomes: tuple[Outcome, ...]

    def find(self, name: str) -> Outcome | None:
        """Return the outcome of one step."""
        return next((one for one in self.outcomes if one.step.name == name), None)

    def by_p(self, *, is_cached: bool) -> list[Outcome]:
        """Return the steps that differ in p, in its order."""
        return [
            one
            for one in self.outcomes
            if one.step.name.startswith("p0") and one.step.is_cached is is_cached
        ]

    def findings(self) -> list[str]:
        """Return what the proofs found, each with the title of its step."""
        return [
            f"{one.step.title}: {finding}"
            for one in self.outcomes
            for finding in one.summary.proof or ()
        ]

    def slow_hits(self) -> list[float]:
        """Return every p at which the median hit is no faster than the median miss."""
        return [
            one.step.p
            for one in self.by_p(is_cached=True)
            if {"hit", "miss"} <= one.by_cache.keys()
            and one.by_cache["hit"].p50_ms >= one.by_cache["miss"].p50_ms
        ]


def split_by_cache(records: Iterable[Record]) -> dict[str, Latencies]:
    """Return the latencies of stock look-ups by where their answers came from."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in records:
        if isinstance(one, Done) and one.kind == "query" and one.done_s is not None:
            group = _GROUPS.get(one.cache or "")
            if group and one.outcome == "ok" and one.intended_s >= SETTLE_S:
                found[group].append(1000 * (one.done_s - one.intended_s))
    return {group: summarize(values) for group, values in sorted(found.items())}


def summarize(values_ms: Iterable[float]) -> Latencies:
    """Return the percentiles of some latencies, of which there is at least one."""
    counts = Counter(values_ms)
    p50, p95, p99 = (round(quantile(counts, part), 4) for part in (0.50, 0.95, 0.99))
    return Latencies(count=counts.total(), p50_ms=p50, p95_ms=p95, p99_ms=p99)


def find_recoveries(records: Iterable[Record]) -> list[Recovery]:
    """Return what became of every fault of a run."""
    marks: list[Mark] = []
    traded_s: list[float] = []
    for one in records:
        if isinstance(one, Mark):
            marks.append(one)
        elif isinstance(one, Done) and one.kind == "trade" and one.outcome == "ok":
            traded_s.append(one.done_s or 0.0)
    episodes = list_episodes(marks)
    begins_s = [*(one.at_s for one in episodes), math.inf]
    traded_s.sort()
    return [
        _recovery(one, _longest_pause(traded_s, one.at_s, next_s))
        for one, next_s in zip(episodes, begins_s[1:], strict=True)
    ]


def _recovery(episode: Episode, pause_s: float | None) -> Recovery:
    elections = episode.elections
    return Recovery(
        at_s=round(episode.at_s, 3),
        fault=episode.fault,
        target=episode.target,
        elected_s=round(elections[0].at_s - episode.at_s, 3) if elections else None,
        pause_s=None if pause_s is None else round(pause_s, 3),
        healed_s=None if episode.until_s is None else round(episode.until_s - episode.at_s, 3),
    )


def _longest_pause(traded_s: Sequence[float], from_s: float, to_s: float) -> float | None:
    """Return the longest time between two trades of which the later is in a span."""
    gaps = [
        later - earlier for earlier, later in itertools.pairwise(traded_s) if from_s <= later < to_s
    ]
    return max(gaps, default=None)
