"""The table of `make ha`: what each fault cost, and whether that is within its bound. Pure."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OURS_MORE_S = 0.5
"""What trades may stand still longer than the engine itself."""
ALLOWED_S = {"kill-host": 3.0, "kill-frontend": 2.5}
"""
What a fault may cost where its engine is back sooner.

A front end that is gone may answer from memory, for all that others know, until its lease of 2 s is
over; and the lease that the active catalog of a lost host has granted last (docs/adr/0048).
"""
READS_S = 1.0
"""For how long no read may be answered at a front end that runs."""
_COLUMNS = "{:<44} {:>5} {:>8} {:>8} {:>6} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one fault cost; times are the longest without an acknowledged trade, commit or read."""

    name: str
    """Of the fault, as `ONLY` has it."""
    label: str
    target: str
    ours_s: float
    engine_s: float
    healing_s: float
    """The longest while it was mended."""
    reads_s: float
    """The longest at any front end that runs."""
    reads: int
    stale_reads: int
    """How many of them were marked as old."""
    errors: int
    """Operations that clients gave up, or got no answer to."""

    @property
    def more_s(self) -> float:
        """Ours minus the engine's."""
        return self.ours_s - self.engine_s


def find_limit_s(cost: Cost) -> float:
    """Return for how long trades may have stood still."""
    return max(cost.engine_s + OURS_MORE_S, ALLOWED_S.get(cost.name, 0.0))


def list_misses(costs: Sequence[Cost]) -> Iterator[str]:
    """Yield a sentence for each bound that is missed."""
    for cost in costs:
        what, limit_s = f"{cost.label}, {cost.target}", find_limit_s(cost)
        if cost.ours_s > limit_s:
            yield f"{what}: trades stood still for {cost.ours_s:.2f} s; {limit_s:.2f} s are allowed"
        if cost.reads_s > READS_S:
            yield f"{what}: reads stood still for {cost.reads_s:.2f} s; {READS_S:g} s are allowed"
        if cost.errors:
            yield f"{what}: {cost.errors} operations failed"


def describe(cost: Cost) -> str:
    """Return what one fault cost, in a line."""
    return (
        f"{cost.label}, {cost.target}: {_show(cost.ours_s)}, the engine {_show(cost.engine_s)}, "
        f"healing {_show(cost.healing_s)}, reads {_show(cost.reads_s)}, "
        f"{cost.stale_reads:,} of {cost.reads:,} marked old, {cost.errors} errors"
    )


def write_table(costs: Sequence[Cost]) -> Iterator[str]:
    """Yield the lines of the table, one a kind of fault."""
    yield _COLUMNS.format(
        *("fault", "times", "median", "worst", "errors", "engine", "worst"),
        *("more", "healing", "reads", "old"),
    )
    kinds: dict[str, list[Cost]] = defaultdict(list)
    for cost in costs:
        kinds[cost.label].append(cost)
    for label, found in kinds.items():
        yield _COLUMNS.format(
            label,
            len(found),
            _show(statistics.median(one.ours_s for one in found)),
            _show(max(one.ours_s for one in found)),
            sum(one.errors for one in found),
            _show(statistics.median(one.engine_s for one in found)),
            _show(max(one.engine_s for one in found)),
            _show(max(one.more_s for one in found)),
            _show(max(one.healing_s for one in found)),
            _show(max(one.reads_s for one in found)),
            sum(one.stale_reads for one in found),
        )


def _show(seconds: float) -> str:
    return f"{seconds:.2f} s"
