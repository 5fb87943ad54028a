"""
Decide whether a history of stocks is linearizable (I7).

For histories of plain reads and writes that takes exponential time (Gibbons and Korach, "Testing
Shared Memories", 1997). Here every operation carries a version, and versions are the order of the
writes; so only one order of a stock's operations is possible: version by version, in each the write
that made it and then its reads. An operation's *rank* is its place in that order, and a history is
linearizable exactly if

- the order agrees with the clock: what ended before something else began has no higher rank;
- each version was made by one write and shows one state;
- each state follows from the one before, where the writes in between are known.

Stocks are independent, so each is checked by itself, in O(n log n).

A history need not hold every write, unless it opens with a state: from then on a version that no
recorded write made is a violation too. A read marked stale may be old: it is taken as begun long
ago, but what it showed must have been there when it was answered. A write without an answer has not
ended; while its version is unknown as well, all it does is excuse versions that no write made.

The *smallest* violation is the pair with the least time between the end of the one operation and
the beginning of the other (none when they overlap), and the first of those that are equal. Reported
is one pair for every operation whose rank contradicts the clock, with the last one it contradicts,
and the smallest pair of every version that breaks one of the other rules.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.stock_operations import StockOperation, StockOperationKind
from bazaar.proof.violations import Violation, ViolationKind

STATE = ("quantity", "trade_volume", "price")
"""The parts of a state that an operation may show."""


@dataclass(frozen=True, slots=True)
class Report:
    """How much was checked, and every violation, the smallest first."""

    reads: int
    stale_reads: int
    """Marked stale; among `reads`."""
    writes: int
    unresolved_writes: int
    """Of unknown outcome and version; among `writes`."""
    violations: tuple[Violation, ...]


class StockHistory:
    """The operations on one stock, in the orders that the rules need."""

    def __init__(self, operations: Sequence[StockOperation]) -> None:
        known = [one for one in operations if one.version is not None]
        self.by_start = sorted(known, key=attrgetter("start_s"))
        self.by_end = sorted(known, key=attrgetter("end_s"))
        self.versions: list[tuple[int, list[StockOperation]]] = [
            (version, list(group))  # by start, because sorting is stable
            for version, group in itertools.groupby(
                sorted(self.by_start, key=_version), key=_version
            )
        ]
        self.is_complete = any(one.kind is StockOperationKind.OPENING for one in operations)
        unresolved = [one.start_s for one in operations if one.version is None]
        self._unresolved_from_s = min(unresolved, default=None)

    def is_excused(self, end_s: float) -> bool:
        """Return whether a write of unknown outcome may have happened by then."""
        return self._unresolved_from_s is not None and self._unresolved_from_s <= end_s


def check(operations: Iterable[StockOperation]) -> Report:
    """Check a history of any number of stocks, its operations in any order."""
    stocks: defaultdict[str, list[StockOperation]] = defaultdict(list)
    for operation in operations:
        stocks[operation.stock_name].append(operation)
    histories = map(StockHistory, stocks.values())
    violations = [one for history in histories for rule in _RULES for one in rule(history)]
    counted = [
        one
        for one in itertools.chain(*stocks.values())
        if one.kind is not StockOperationKind.OPENING
    ]
    return Report(
        reads=sum(not one.is_write for one in counted),
        stale_reads=sum(one.is_stale for one in counted),
        writes=sum(one.is_write for one in counted),
        unresolved_writes=sum(one.version is None for one in counted),
        violations=tuple(sorted(violations, key=attrgetter("size"))),
    )


def _version(operation: StockOperation) -> int:
    assert operation.version is not None, "only operations whose version is known are ordered"
    return operation.version


def _rank(operation: StockOperation) -> int:
    """Return the place in the one possible order: a write, its reads, the next write."""
    return 2 * _version(operation) + (not operation.is_write)


# The rules


def _find_disorder(history: StockHistory) -> Iterator[Violation]:
    """Yield each operation with the last of higher rank that ended before it."""
    ended = _Ended()
    coming = iter(history.by_end)
    upcoming = next(coming, None)
    for later in history.by_start:
        while upcoming is not None and upcoming.end_s < later.start_s:
            ended.add(upcoming)
            upcoming = next(coming, None)
        earlier = None if later.is_stale else ended.last_above(_rank(later))
        if earlier is not None:
            yield Violation(_disorder(earlier, later), earlier, later)


class _Ended:
    """
    The ended operations, without those that a later one of their rank replaces.

    So ranks fall from the first to the last, and the search for one is a bisection.
    """

    def __init__(self) -> None:
        self._operations: list[StockOperation] = []
        self._negative_ranks: list[int] = []

    def add(self, operation: StockOperation) -> None:
        """Add the next that ended."""
        rank = _rank(operation)
        while self._negative_ranks and -self._negative_ranks[-1] <= rank:
            self._negative_ranks.pop()
            self._operations.pop()
        self._negative_ranks.append(-rank)
        self._operations.append(operation)

    def last_above(self, rank: int) -> StockOperation | None:
        """Return the last that ended with a higher rank."""
        place = bisect.bisect_left(self._negative_ranks, -rank)
        return self._operations[place - 1] if place else None


def _disorder(earlier: StockOperation, later: StockOperation) -> ViolationKind:
    if not later.is_write:
        return ViolationKind.OLD_READ
    return ViolationKind.WRITE_ORDER if earlier.is_write else ViolationKind.READ_AHEAD


def _find_two_writes(history: StockHistory) -> Iterator[Violation]:
    for _, group in history.versions:
        writes = [one for one in group if one.is_write]
        yield from _smallest(
            Violation(ViolationKind.TWO_WRITES, *pair) for pair in itertools.pairwise(writes)
        )


def _find_two_states(history: StockHistory) -> Iterator[Violation]:
    for _, group in history.versions:
        yield from _smallest(
            Violation(ViolationKind.TWO_STATES, earlier, later, field)
            for field in STATE
            for earlier, later in itertools.pairwise(_showing(group, field))
            if getattr(earlier, field) != getattr(later, field)
        )


def _find_wrong_steps(history: StockHistory) -> Iterator[Violation]:
    chains = [_Chain(field) for field in STATE]
    for version, group in history.versions:
        yield from _smallest(
            violation for chain in chains if (violation := chain.step(version, group))
        )


class _Chain:
    """One part of the state, followed from version to version through known writes."""

    def __init__(self, field: str) -> None:
        self.field = field
        self._version = 0
        self._value: Any = None
        """None: unknown."""
        self._witness: StockOperation | None = None
        """The last operation that showed what the value follows from."""

    def step(self, version: int, group: Sequence[StockOperation]) -> Violation | None:
        """Follow the write that made a version; compare with what the version showed."""
        write = next((one for one in group if one.is_write), None)
        is_next = version == self._version + 1
        self._version = version
        value = _follow(self.field, self._value, write) if is_next and write else None
        if not (showing := _showing(group, self.field)):
            self._value = value
            return None
        before, shown = self._witness, getattr(showing[-1], self.field)
        self._value, self._witness = shown, showing[-1]
        if value is None or before is None or getattr(showing[0], self.field) == value:
            return None
        return Violation(ViolationKind.WRONG_STEP, before, showing[0], self.field, value)


def _follow(field: str, value: Any, write: StockOperation) -> Any:
    """Return a part of the state after a write; None when that is not known."""
    if write.kind is StockOperationKind.PRICE:
        return write.price if field == "price" else value
    if field == "price" or value is None:
        return value
    if write.shares is None:
        return None
    is_less = field == "quantity" and write.trade_type is TradeType.BUY
    return value - write.shares if is_less else value + write.shares


def _find_no_write(history: StockHistory) -> Iterator[Violation]:
    """Yield the first sighting of each version that no write made."""
    if not history.is_complete:
        return
    made = {version for version, group in history.versions if any(one.is_write for one in group)}
    seen = {version for version, _ in history.versions}
    first = min(_version(one) for one in history.by_start if one.kind is StockOperationKind.OPENING)
    for version, group in history.versions:
        seen_first = min(group, key=attrgetter("end_s"))
        if history.is_excused(seen_first.end_s):
            continue
        if version not in made:
            yield Violation(ViolationKind.NO_WRITE, seen_first, seen_first, expected=version)
        elif version > first and version - 1 not in seen:
            yield Violation(ViolationKind.NO_WRITE, seen_first, seen_first, expected=version - 1)


_RULES: tuple[Callable[[StockHistory], Iterator[Violation]], ...] = (
    _find_disorder,
    _find_two_writes,
    _find_two_states,
    _find_wrong_steps,
    _find_no_write,
)


def _showing(group: Iterable[StockOperation], field: str) -> list[StockOperation]:
    """Return the operations that show a part of the state."""
    return [one for one in group if getattr(one, field) is not None]


def _smallest(violations: Iterable[Violation]) -> Iterator[Violation]:
    """Yield the smallest of some violations, if there is one."""
    yield from sorted(violations, key=attrgetter("size"))[:1]
