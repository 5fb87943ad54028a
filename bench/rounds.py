"""Rounds: contestants take turns, so that all meet the same machine."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.numbers import Spread
from bench.results import Cell
from bench.wrk import Measured

Task = tuple[str, str]
"""Task and contestant."""


@dataclass
class _Found:
    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    errors: int = 0


def take_turns(
    clients: int,
    rounds: int,
    turns: Iterable[Task],
    measure: Callable[[str, str, int], tuple[Measured, int]],
) -> list[Cell]:
    """Measure every turn once a round."""
    found: defaultdict[Task, _Found] = defaultdict(_Found)
    order = list(turns)
    for number in range(rounds):
        # Each round begins with another one: whoever follows a heavy one is not always the same.
        for task in order[number % len(order) :] + order[: number % len(order)]:
            one, errors = measure(*task, clients)
            found[task].rate.append(one.rate)
            found[task].p50.append(one.p50)
            found[task].p99.append(one.p99)
            found[task].errors += errors
    return [_cell(task, clients, found[task]) for task in order]


def _cell(task: Task, clients: int, found: _Found) -> Cell:
    return Cell(
        task=task[0],
        contestant=task[1],
        clients=clients,
        rate=Spread(tuple(found.rate)),
        p50_ms=Spread(tuple(found.p50)),
        p99_ms=Spread(tuple(found.p99)),
        errors=found.errors,
    )
