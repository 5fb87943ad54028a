"""What is asked for, what was measured, and whether that is enough; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.effort import MOST_CLIENTS
from bench.numbers import Spread, best, least, ratio
from bench.results import (
    BARE,
    BAZAAR,
    CACHED,
    FLASK,
    FLASK_BEST,
    LOOK_UP,
    SQLITE,
    TRADE,
    UNCACHED,
    Cell,
    Length,
    Results,
)

CACHED_OF_BARE = 0.8
CACHED_TIMES_FLASK = 15.0
UNCACHED_TIMES_FLASK = 3.0
LOOK_UP_TIMES_FLASK = 8.0
TRADE_TIMES_FLASK = 16.0
TRADE_OF_SQLITE = 0.45
TRADE_P50_OF_FLASK = 0.22
PAUSED_TIMES_HEALTHY = 2.0
GROWTH_MOST = 0.2
MEMORY_MB_MOST = 120.0
TOOK_S_MOST = 600.0
SHORT, LONG = 10**3, 10**6
"""Lengths of the log that are compared."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is asked for."""

    what: str
    target: str
    measured: str
    is_reached: bool

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return "reached" if self.is_reached else "MISSED"


def judge(results: Results) -> list[Verdict]:
    """Return a verdict on everything that was measured."""
    found = [
        *_queries(results),
        *_trades(results),
        *_paused(results),
        *_growth(results),
        *_memory(results),
    ]
    return [*found, _time(results)] if results.is_whole else found


def _queries(results: Results) -> Iterator[Verdict]:
    ours = results.find(CACHED, MOST_CLIENTS, BAZAAR)
    bare = results.find(CACHED, MOST_CLIENTS, BARE)
    if ours and bare:
        what = f"{CACHED}: rate / {BARE}"
        yield at_least(what, CACHED_OF_BARE, ratio(ours.rate, bare.rate))
    for task, times in (
        (CACHED, CACHED_TIMES_FLASK),
        (UNCACHED, UNCACHED_TIMES_FLASK),
        (LOOK_UP, LOOK_UP_TIMES_FLASK),
    ):
        yield from _times_flask(results, task, times)


def _times_flask(results: Results, task: str, times: float) -> Iterator[Verdict]:
    ours = results.find(task, MOST_CLIENTS, BAZAAR)
    theirs = baselines(results, task, MOST_CLIENTS)
    if ours and theirs:
        fastest = best(cell.rate for cell in theirs)
        yield at_least(f"{task}: rate / Flask baseline", times, ratio(ours.rate, fastest))


def baselines(results: Results, task: str, clients: int) -> list[Cell]:
    """Return both ways to run the Flask baseline; the better one counts."""
    found = (results.find(task, clients, name) for name in (FLASK, FLASK_BEST))
    return [cell for cell in found if cell]


def _trades(results: Results) -> Iterator[Verdict]:
    yield from _times_flask(results, TRADE, TRADE_TIMES_FLASK)
    ours = results.find(TRADE, MOST_CLIENTS, BAZAAR)
    sqlite = results.find(TRADE, MOST_CLIENTS, SQLITE)
    if ours and sqlite:
        what = f"{TRADE}: rate / {SQLITE}"
        yield at_least(what, TRADE_OF_SQLITE, ratio(ours.rate, sqlite.rate))
    lone, others = results.find(TRADE, 1, BAZAAR), baselines(results, TRADE, 1)
    if lone and others:
        fastest = least(cell.p50_ms for cell in others)
        found = ratio(lone.p50_ms, fastest)
        yield at_most(f"{TRADE}, 1 client: p50 / Flask baseline", TRADE_P50_OF_FLASK, found)


def _paused(results: Results) -> Iterator[Verdict]:
    if one := results.paused:
        found = ratio(one.later_p99_ms, one.healthy_p99_ms)
        what = f"one follower paused: trade p99 after {one.grace_s:g} s / healthy p99"
        yield at_most(what, PAUSED_TIMES_HEALTHY, found)


def _growth(results: Results) -> Iterator[Verdict]:
    lengths = {one.orders: one for one in results.lengths}
    short, long = lengths.get(SHORT), lengths.get(LONG)
    if not short or not long:
        return
    for what, name in (("1 client", "p50_one_ms"), ("8 clients", "p50_eight_ms")):
        found = ratio(getattr(long, name), getattr(short, name))
        yield at_most(f"trade p50, {what}: {LONG:,} orders / {SHORT:,}", 1 + GROWTH_MOST, found)
    role, grown = _most_grown(short, long)
    what = f"resident memory: {LONG:,} orders / {SHORT:,} ({role})"
    yield at_most(what, 1 + GROWTH_MOST, Spread((grown,)))


def _most_grown(short: Length, long: Length) -> tuple[str, float]:
    """Return the process that has grown most, and how much."""
    grown = {name: long.memory_mb[name] / size for name, size in short.memory_mb.items()}
    role = max(grown, key=lambda name: grown[name])
    return role, grown[role]


def _memory(results: Results) -> Iterator[Verdict]:
    looks = [results.memory_mb, *(one.memory_mb for one in results.lengths)]
    found = [(size, name) for look in looks for name, size in look.items()]
    if found:
        size, name = max(found)
        yield Verdict(
            f"resident memory of the largest role process ({name})",
            f"under {MEMORY_MB_MOST:.0f} MB",
            f"{size:.0f} MB",
            size < MEMORY_MB_MOST,
        )


def _time(results: Results) -> Verdict:
    took = f"{results.took_s:.0f} s"
    is_reached = results.took_s < TOOK_S_MOST
    return Verdict("this run", f"under {TOOK_S_MOST:.0f} s", took, is_reached)


def at_least(what: str, target: float, found: Spread) -> Verdict:
    """Judge by the median."""
    return Verdict(what, f"at least {target:.3g}", in_words(found), found.median >= target)


def at_most(what: str, target: float, found: Spread) -> Verdict:
    """Judge by the median."""
    return Verdict(what, f"at most {target:.3g}", in_words(found), found.median <= target)


def in_words(found: Spread) -> str:
    """Return the median, and the spread when there is one."""
    if len(found.rounds) == 1:
        return f"{found.median:.3g}"
    return f"{found.median:.3g} ({found.least:.3g} to {found.most:.3g})"
