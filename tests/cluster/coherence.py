"""
Are reads coherent while everything fails? `python -m tests.cluster.coherence --seconds 60`.

Not part of the suite: it takes long, and needs root and network namespaces (`--no-cut` does
without). It brings up a cluster of its own with three front ends of two processes each, the last of
them on a network of its own; lets clients use all of them; meanwhile kills the leader, pauses a
front end for 3 s, kills the catalog, and cuts the last front end off from the catalog for 3 s. In
the end the databases and what the clients saw are held to the promises (`proof`). Exit status 1
when one is broken.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bazaar import clock
from bazaar.cluster.ports import free_ports, free_topology
from bazaar.cluster.temporary import TRIES
from tests.cluster.apart import FrontEndApart, move_to
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load
from tests.cluster.netns import Namespace, NetworkUnavailable
from tests.cluster.proof import assert_proof

FAULTS = ("leader", "pause", "catalog", "cut")
DEAD_S = 1.0
"""How long a process that was killed stays down."""
AFTER_S = 1.0
"""How long after a fault a silence still counts as its own."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One fault as it was; times on the monotonic clock, in seconds."""

    name: str
    begin_s: float
    end_s: float


@dataclass(slots=True)
class Faults:
    """What is done to a cluster under load."""

    cluster: LiveCluster
    apart: FrontEndApart | None
    chance: random.Random
    silent_s: float = 3.0
    """How long a front end is paused or cut off."""
    incidents: list[Incident] = field(default_factory=list)

    @property
    def urls(self) -> list[str]:
        """All front ends."""
        nodes = [*self.cluster.topology.front_ends, *([self.apart.node] if self.apart else [])]
        return [f"http://{host}:{port}" for host, port in (node.address for node in nodes)]

    def kill_leader(self) -> str:
        """Kill the leader and bring it back."""
        return self._kill(self.cluster.leader())

    def kill_catalog(self) -> str:
        """Kill the catalog and bring it back."""
        return self._kill("catalog")

    def pause_front_end(self) -> str:
        """Pause a front end with all its processes."""
        names = [f"frontend-{node.id}" for node in self.cluster.topology.front_ends]
        if self.apart and self.chance.random() < 1 / (len(names) + 1):
            self.apart.signal(signal.SIGSTOP)
            clock.wait(self.silent_s)
            self.apart.signal(signal.SIGCONT)
            return f"{self.apart.name} paused"
        name = self.chance.choice(names)
        self.cluster.pause(name)
        clock.wait(self.silent_s)
        self.cluster.resume(name)
        return f"{name} paused"

    def cut_link(self) -> str:
        """Cut a front end off from the catalog."""
        assert self.apart, "only a front end on a network of its own can be cut off"
        self.apart.cut()
        clock.wait(self.silent_s)
        self.apart.heal()
        return f"{self.apart.name} cut off from the catalog"

    def by_name(self) -> dict[str, Callable[[], str]]:
        """Return all that can be done to the cluster."""
        cut = {"cut": self.cut_link} if self.apart else {}
        return {
            "leader": self.kill_leader,
            "pause": self.pause_front_end,
            "catalog": self.kill_catalog,
            **cut,
        }

    def run(self, seconds: float, faults: Sequence[Callable[[], str]]) -> None:
        """Do one thing after the other, at moments of chance within the given time."""
        end_s = time.monotonic() + seconds
        for left, fault in zip(range(len(faults), 0, -1), faults, strict=True):
            span_s = max(0.0, (end_s - time.monotonic()) / left)
            clock.wait(span_s * self.chance.uniform(0.1, 0.4))
            begin_s = time.monotonic()
            name = fault()
            self.incidents.append(Incident(name, begin_s, time.monotonic()))
        clock.wait(max(0.0, end_s - time.monotonic()))

    def _kill(self, name: str) -> str:
        self.cluster.kill(name)
        clock.wait(DEAD_S)
        self.cluster.start(name)
        return f"{name} killed"


def main() -> int:
    """Run it and print what was found."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is removed
    try:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            return _run(_bring_up(Path(folder), options, stack), options)
    except NetworkUnavailable as error:
        _say(f"{error}; --no-cut does without")
        return 2


def _run(faults: Faults, options: argparse.Namespace) -> int:
    with Load(faults.urls, options.clients, is_full=True, is_half_hasty=True) as load:
        chosen = [fault for name, fault in faults.by_name().items() if name in options.faults]
        faults.run(options.seconds, chosen * options.rounds)
    _report(load, faults.incidents, options.seconds)
    try:
        assert_proof(faults.cluster, load)
    except AssertionError as error:
        _say(f"not proved: {error}")
        return 1
    _say("proved: every log equals the ledger, nothing lost, doubled, misnumbered or read too old")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault comes")
    parser.add_argument("--faults", nargs="*", default=FAULTS, choices=FAULTS)
    parser.add_argument("--silent", type=float, default=3, help="length of a pause or cut")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--front-ends", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="processes of each front end")
    parser.add_argument("--no-cut", action="store_true", help="no namespaces, no link that is cut")
    parser.add_argument("--server", default="granian")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _bring_up(folder: Path, options: argparse.Namespace, stack: ExitStack) -> Faults:
    """Bring everything up; `stack` takes it down."""
    namespace = None if options.no_cut else stack.enter_context(Namespace())
    supervised = options.front_ends - (namespace is not None)
    for attempt in range(TRIES):  # somebody may take a port between choosing and opening it
        found = free_topology(front_ends=supervised)
        if namespace:
            found = move_to(found, namespace.outer)
        (place := folder / str(attempt)).mkdir()
        more = ("--server", options.server, "--workers", str(options.workers))
        environ = {**os.environ, "BAZAAR_ANONYMOUS_TRADES": "1"}
        cluster = LiveCluster(place, *more, nodes=found, environ=environ)
        stack.callback(cluster.end)
        if cluster.try_up():
            break
        _say(cluster.read_output())
    else:
        raise AssertionError("the cluster did not come up")
    apart = None
    if namespace:
        served, control = free_ports(2)
        apart = FrontEndApart(cluster, namespace, (served, control), options.workers)
        stack.enter_context(apart)
    return Faults(cluster, apart, random.Random(options.seed), options.silent)


def _report(load: Load, incidents: Sequence[Incident], seconds: float) -> None:
    done, hits = load.done, sum(one.cache == "hit" for one in load.done)
    stale = sum(one.is_stale for one in done)
    _say(f"{len(done)} operations in {seconds:g} s ({len(done) / seconds:,.0f} a second)")
    _say(f"{hits} hits, {stale} marked stale, {len(load.acknowledged)} trades acknowledged")
    for one in incidents:
        begin_s, end_s = one.begin_s - load.origin_s, one.end_s - load.origin_s
        gap_s = load.longest_gap_s(begin_s, end_s + AFTER_S)
        _say(f"{begin_s:6.1f} s  {one.name}: longest silence of trades {gap_s:.3f} s")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
