"""
The next fault and its targets, decided by a seed; `chaos` injects it.

Two streams of chance: one for the faults, one for the targets. So the same seed gives the same
faults in the same order whatever the cluster does meanwhile, and a target depends on nothing but
its own draw and on who can be affected at that moment.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bazaar.cluster.exits import ClusterError
from bazaar.cluster.snapshot import Snapshot
from bazaar.topology import Role


class Fault(StrEnum):
    """What chaos can do."""

    KILL_LEADER = "kill-leader"
    KILL_FOLLOWER = "kill-follower"
    KILL_REPLICA = "kill-replica"
    """The leader or a follower, by chance."""
    PAUSE_LEADER = "pause-leader"
    KILL_CATALOG = "kill-catalog"
    KILL_FRONTEND = "kill-frontend"
    RESTART_ALL = "restart-all"
    """Kill every process at once."""

    @property
    def signal_name(self) -> str:
        """The signal that does it."""
        return "STOP" if self is Fault.PAUSE_LEADER else "KILL"


@dataclass(frozen=True, slots=True)
class FaultInjection:
    """One fault and the processes that it affects."""

    fault: Fault
    names: tuple[str, ...]

    @property
    def target(self) -> str:
        """The affected processes, for a mark."""
        return "all" if self.fault is Fault.RESTART_ALL else self.names[0]


def parse_faults(text: str) -> tuple[Fault, ...]:
    """
    Return faults from names with commas between.

    Raises ClusterError: a name is none.
    """
    found = []
    for word in (part.strip() for part in text.split(",")):
        if word not in list(Fault):
            raise ClusterError(f"{word!r} is no fault; there are {', '.join(Fault)}.")
        if Fault(word) not in found:
            found.append(Fault(word))
    return tuple(found)


def check_possible(faults: Iterable[Fault], replicas: int) -> None:
    """Raise ClusterError when a cluster is too small for one of the faults."""
    if Fault.KILL_FOLLOWER in faults and replicas == 1:
        raise ClusterError("kill-follower needs a follower, and this cluster has one replica only.")


class FaultSchedule:
    """An endless schedule: all faults in each round, each round in a new order."""

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        assert faults, "something to choose from"
        self._faults = _rounds(faults, random.Random(f"faults {seed}"))  # noqa: S311 - replayable
        self._targets = random.Random(f"targets {seed}")  # noqa: S311 - replayable

    def next(self, snapshot: Snapshot) -> FaultInjection | None:
        """Return the next injection; None when no process can be its target now."""
        fault, draw = next(self._faults), self._targets.random()
        candidates = list_targets(fault, snapshot)
        if not candidates:
            return None
        return FaultInjection(fault, candidates[int(draw * len(candidates))])


def _rounds(faults: tuple[Fault, ...], chance: random.Random) -> Iterator[Fault]:
    while True:
        yield from chance.sample(faults, k=len(faults))


def list_targets(fault: Fault, snapshot: Snapshot) -> list[tuple[str, ...]]:
    """Return the groups of processes of which a fault may affect one."""
    up = [view for view in snapshot.processes if view.is_up]
    leader = snapshot.leader.name if snapshot.leader else None
    if fault is Fault.RESTART_ALL:
        return [tuple(view.name for view in up)] if up else []
    if fault in (Fault.KILL_LEADER, Fault.PAUSE_LEADER):
        return [(view.name,) for view in up if view.name == leader]
    if fault is Fault.KILL_FOLLOWER and leader is None:
        return []
    role = _ROLES[fault]
    spared = leader if fault is Fault.KILL_FOLLOWER else None
    return [(view.name,) for view in up if view.role is role and view.name != spared]


_ROLES = {
    Fault.KILL_FOLLOWER: Role.ORDER,
    Fault.KILL_REPLICA: Role.ORDER,
    Fault.KILL_CATALOG: Role.CATALOG,
    Fault.KILL_FRONTEND: Role.FRONT_END,
}
