"""
The counts that a load process reports a few times a second.

Latencies are counted by whole microseconds: exact, and cheap to take down between two requests.
"""

import msgspec

from bazaar.proof.records import Done, OperationKind

MICRO = 1_000_000


class Cell(msgspec.Struct, array_like=True):
    """All operations of one kind that ended in one second of the run."""

    second: int
    kind: OperationKind
    is_warmup: bool
    outcomes: dict[str, int] = {}
    caches: dict[str, int] = {}
    """Where the answers to queries came from."""
    latencies: dict[int, int] = {}
    """Of those that were ok: microseconds, and how many took so long."""


class Tally(msgspec.Struct, tag="tally", tag_field="type"):
    """What happened since the tally before."""

    cells: list[Cell]
    traded_s: list[float]
    """When each successful trade was answered, in seconds since the run began."""
    unsent: int = 0
    """In an open loop: operations that were due and never begun."""
    is_last: bool = False


class Counter:
    """Counts operations into cells until they are collected."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, str, bool], Cell] = {}
        self._traded_s: list[float] = []

    def add(self, done: Done, end_s: float) -> None:
        """Count one; end_s: when it ended, answered or not."""
        second = int(end_s)
        cell = self._cells.get((second, done.kind, done.is_warmup))
        if cell is None:
            cell = Cell(second, done.kind, done.is_warmup, {}, {}, {})
            self._cells[second, done.kind, done.is_warmup] = cell
        outcome = done.outcome
        cell.outcomes[outcome] = cell.outcomes.get(outcome, 0) + 1
        if outcome != "ok":
            return
        took_us = round((end_s - done.intended_s) * MICRO)
        cell.latencies[took_us] = cell.latencies.get(took_us, 0) + 1
        if done.cache is not None:
            cell.caches[done.cache] = cell.caches.get(done.cache, 0) + 1
        if done.kind == "trade":
            self._traded_s.append(end_s)

    def collect(self, *, unsent: int = 0, is_last: bool = False) -> Tally:
        """Return what was counted, and begin anew."""
        found = Tally(list(self._cells.values()), self._traded_s, unsent, is_last)
        self._cells, self._traded_s = {}, []
        return found
