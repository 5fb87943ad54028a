"""Medians and spreads; pure."""

import statistics
from collections.abc import Iterable

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """A value as several rounds found it."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.rounds)

    @property
    def least(self) -> float:
        """The smallest."""
        return min(self.rounds)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.rounds)


def ratio(ours: Spread, theirs: Spread) -> Spread:
    """Return ours to theirs, compared within each round."""
    pairs = zip(ours.rounds, theirs.rounds, strict=True)
    return Spread(tuple(one / other for one, other in pairs))


def best(spreads: Iterable[Spread]) -> Spread:
    """Return, round by round, the largest of several."""
    return Spread(tuple(map(max, zip(*(one.rounds for one in spreads), strict=True))))


def least(spreads: Iterable[Spread]) -> Spread:
    """Return, round by round, the smallest of several."""
    return Spread(tuple(map(min, zip(*(one.rounds for one in spreads), strict=True))))
