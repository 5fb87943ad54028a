"""Things that are measured of the small and the large, and whether they are flat."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.clusters import OwnCluster
from bench.numbers import Spread
from tests.cluster.hostile import table

MEMORY_MB_MAX = 120.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured of several clusters."""

    name: str
    form: str
    ratio_max: float = 1.3
    """Of the last cluster, the largest, to the first."""
    most: float = 0.0
    """The bound in place of a ratio, if it has one."""
    reason: str = ""
    """Why it is not flat."""

    def is_met(self, spreads: Sequence[Spread]) -> bool:
        """Tell whether it is flat, or need not be; spreads: from the smallest cluster."""
        if self.most:
            return max(one.median for one in spreads) <= self.most
        return bool(self.reason) or grown(spreads) <= self.ratio_max

    def row(self, spreads: Sequence[Spread]) -> list[str]:
        """Return its line of the table."""
        form, bound = self.form, f"at most {self.ratio_max:g} times"
        if self.most:
            bound = f"at most {self.most:g}"
        word = "" if self.is_met(spreads) else ", missed"
        values = [
            f"{one.median:{form}} ({one.least:{form}} to {one.most:{form}})" for one in spreads
        ]
        return [self.name, *values, f"{grown(spreads):.2f}", (self.reason or bound) + word]


MEMORY = tuple(
    Measure(f"memory of {role}, MB", ".0f", most=MEMORY_MB_MAX)
    for role in ("the catalog", "the largest replica", "the front end")
)


@dataclass(slots=True)
class Found:
    """What was measured of one cluster, by name."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def note(self, measure: Measure, value: float) -> None:
        """Keep a value."""
        self.values.setdefault(measure.name, []).append(value)

    def spread(self, measure: Measure) -> Spread:
        """Return all values of a measure."""
        return Spread(tuple(self.values[measure.name]))


def grown(spreads: Sequence[Spread]) -> float:
    """Return the median of the largest cluster to that of the smallest; 0: that one had none."""
    return spreads[-1].median / (spreads[0].median or math.inf)


def weigh(cluster: OwnCluster, found: Found) -> None:
    """Note the memory of a cluster's processes."""
    weighed = cluster.memory_mb()
    replicas = max(mb for name, mb in weighed.items() if name.startswith("order-"))
    values = (weighed["catalog"], replicas, weighed["frontend-1"])
    for measure, value in zip(MEMORY, values, strict=True):
        found.note(measure, value)


def are_met(measures: Sequence[Measure], clusters: Sequence[Found]) -> bool:
    """Tell whether everything is flat, or need not be; clusters: from the smallest."""
    return all(measure.is_met([one.spread(measure) for one in clusters]) for measure in measures)


def show(measures: Sequence[Measure], clusters: Mapping[str, Found]) -> str:
    """Return everything as a table; clusters: by name, from the smallest."""
    heads = ["", *clusters, "ratio", "bound, or the reason"]
    spreads = {one: [found.spread(one) for found in clusters.values()] for one in measures}
    return table(heads, [one.row(found) for one, found in spreads.items()])
