"""
What an evaluation measures, and with which options: one load run a step.

The load is an open loop: with and without the cache, and at every p, as many operations are asked
for in a second. In a closed loop the faster case would carry more load and be compared with the
slower one under less.
"""

from collections.abc import Iterator

import msgspec

P_VALUES = (0.0, 0.2, 0.4, 0.6, 0.8)
FAULTS = "kill-leader,kill-replica,pause-leader,kill-catalog"
CHAOS_P = 0.2
FAULTS_WANTED, INTERVAL_S_MAX = 7, 8.0
CRASH_CLIENTS = 128
"""So many that some are always free: one that waits for a trade cannot look a stock up."""
SMALL_CACHE = 50
"""Stocks in the memory of the small cache: about a tenth of the catalog."""
WARM_STOCKS = 5
"""Stocks of the first run, whose answers nobody looks at: it warms the servers, not the cache."""
RATE_DEFAULT, CLIENTS_DEFAULT = 200, 32
SECONDS_DEFAULT = 25.0
SECONDS_MIN, SECONDS_MAX = 2.0, 45.0
"""Of one step; with more the whole would take longer than a quarter of an hour."""
SLOWER = 5
LONG = 2.4
"""So much longer are the two runs that show something over time."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    seconds: float = SECONDS_DEFAULT
    rate: int = RATE_DEFAULT
    clients: int = CLIENTS_DEFAULT
    seed: int = 1

    @property
    def chaos_interval_s(self) -> float:
        """From one fault to the next."""
        return round(min(INTERVAL_S_MAX, max(1.0, LONG * self.seconds / FAULTS_WANTED)), 1)

    @property
    def crash_rate(self) -> int:
        """
        Operations a second while processes are killed.

        So few that the trades that wait for a dead catalog leave threads of the front end free: 64
        by default, each held by one waiting trade.
        """
        return max(1, self.rate // 4)

    @property
    def small_rate(self) -> int:
        """Return the rate on the small cache, in operations a second."""
        return max(1, self.rate // SLOWER)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One load run."""

    name: str
    title: str
    p: float
    is_cached: bool = True
    is_small: bool = False
    """The cluster's cache is smaller than the catalog."""
    options: tuple[str, ...]
    """Of `loadtest`, but for where to and what is kept of it."""
    seconds: float


def list_steps(effort: Effort) -> list[Step]:
    """Return all steps in their order."""
    return [*_by_p(effort), _crashes(effort), _small(effort)]


def warm_up(effort: Effort) -> Step:
    """Return the step before the first on every cluster; nothing of it is kept."""
    options = _options(effort, 0.2, 2.0, "--stocks", str(WARM_STOCKS))
    return Step(name="warm-up", title="warm-up", p=0.2, options=options, seconds=2.0)


def _by_p(effort: Effort) -> Iterator[Step]:
    for p in P_VALUES:
        for is_cached in (True, False):
            more = () if is_cached else ("--no-cache",)
            yield Step(
                name=f"p{p:.1f}-{'cache' if is_cached else 'no-cache'}",
                title=f"p = {p:g} {'with' if is_cached else 'without'} cache",
                p=p,
                is_cached=is_cached,
                options=_options(effort, p, effort.seconds, *more),
                seconds=effort.seconds,
            )


def _crashes(effort: Effort) -> Step:
    seconds = LONG * effort.seconds
    more = ("--chaos", FAULTS, "--chaos-interval", f"{effort.chaos_interval_s:g}s")
    many = msgspec.structs.replace(effort, rate=effort.crash_rate, clients=CRASH_CLIENTS)
    options = _options(many, CHAOS_P, seconds, *more, "--chaos-seed", str(effort.seed))
    return Step(name="crashes", title="crashes", p=CHAOS_P, options=options, seconds=seconds)


def _small(effort: Effort) -> Step:
    seconds = LONG * effort.seconds
    slow = msgspec.structs.replace(effort, rate=effort.small_rate)
    return Step(
        name="small-cache",
        title=f"a cache of {SMALL_CACHE} stocks",
        p=0.0,
        is_small=True,
        options=_options(slow, 0.0, seconds),
        seconds=seconds,
    )


def _options(effort: Effort, p: float, seconds: float, *more: str) -> tuple[str, ...]:
    return (
        *("--profile", "sp500", "--p", f"{p:g}", "--rate", str(effort.rate)),
        *("--clients", str(effort.clients), "--seed", str(effort.seed)),
        *("--duration", f"{seconds:g}s", *more),
    )
