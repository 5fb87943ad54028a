"""
Are reads coherent while everything fails? `python -m tests.cluster.coherence --seconds 60`.

Not part of the suite: it takes long, root and network namespaces (`--no-cut` does without). It
brings up a cluster of its own with three front ends of two processes each, the last of them on a
network of its own; lets 16 clients read (90 %) and trade eight stocks on all of them; meanwhile
kills the leader, pauses a front end for 3 s, kills the catalog, and cuts the last front end off
from the catalog for 3 s. In the end the databases are held to the promises (`proof`) and the
history of every stock is checked (`bazaar.proof.linearizability`). Exit status 1 when an answer was
older than it may be and not marked stale, or anything else does not hold.
"""

import argparse
import itertools
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bazaar.cluster.ports import free_ports, free_topology
from bazaar.cluster.temporary import TRIES
from bazaar.proof.linearizability import Report, check
from bazaar.proof.stock_operations import StockOperation
from bazaar.proof.violations import ViolationKind
from bazaar.topology import Topology
from tests.cluster.apart import FrontEndApart
from tests.cluster.conftest import LiveCluster
from tests.cluster.netns import Namespace, NetworkUnavailable
from tests.cluster.verdict import list_openings, prove
from tests.cluster.visitors import Notes, Plan, Visitors

STOCKS_MAX = 8
FAULTS = ("leader", "pause", "catalog", "cut")
DEAD_S = 1.0
"""How long a process that was killed stays down."""
AFTER_S = 1.0
"""How long after a fault a silence still counts as its own."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One fault as it was; times from the start of the run, in seconds."""

    name: str
    begin_s: float
    end_s: float


@dataclass(slots=True)
class Scene:
    """A cluster under visit, and what is done to it."""

    cluster: LiveCluster
    apart: FrontEndApart | None
    chance: random.Random
    silent_s: float = 3.0
    """How long a front end is paused or cut off."""
    origin_s: float = field(default_factory=time.monotonic)
    incidents: list[Incident] = field(default_factory=list)

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
            time.sleep(self.silent_s)
            self.apart.signal(signal.SIGCONT)
            return f"{self.apart.name} paused"
        name = self.chance.choice(names)
        self.cluster.pause(name)
        time.sleep(self.silent_s)
        self.cluster.resume(name)
        return f"{name} paused"

    def cut_link(self) -> str:
        """Cut a front end off from the catalog."""
        assert self.apart, "only a front end on a network of its own can be cut off"
        self.apart.cut()
        time.sleep(self.silent_s)
        self.apart.heal()
        return f"{self.apart.name} cut off from the catalog"

    def plan(self, openings: Sequence[StockOperation], clients: int) -> Plan:
        """Return what visitors do: all front ends, the first stocks."""
        nodes = [*self.cluster.topology.front_ends, *([self.apart.node] if self.apart else [])]
        return Plan(
            folder=str(self.cluster.folder),
            front_ends=tuple(node.address for node in nodes),
            stocks=tuple(one.stock_name for one in openings[:STOCKS_MAX]),
            visitors=tuple(range(1, clients + 1)),
            origin_s=self.origin_s,
        )

    def faults(self) -> dict[str, Callable[[], str]]:
        """Return all that can be done to it, by name."""
        cut = {"cut": self.cut_link} if self.apart else {}
        return {
            "leader": self.kill_leader,
            "pause": self.pause_front_end,
            "catalog": self.kill_catalog,
            **cut,
        }

    def play(self, seconds: float, faults: Sequence[Callable[[], str]]) -> None:
        """Do one thing after the other, at moments of chance within the given time."""
        end_s = self._now_s() + seconds
        for left, fault in zip(range(len(faults), 0, -1), faults, strict=True):
            span_s = max(0.0, (end_s - self._now_s()) / left)
            time.sleep(span_s * self.chance.uniform(0.1, 0.4))
            begin_s = self._now_s()
            name = fault()
            self.incidents.append(Incident(name, begin_s, self._now_s()))
        time.sleep(max(0.0, end_s - self._now_s()))

    def _kill(self, name: str) -> str:
        self.cluster.kill(name)
        time.sleep(DEAD_S)
        self.cluster.start(name)
        return f"{name} killed"

    def _now_s(self) -> float:
        return time.monotonic() - self.origin_s


def main() -> int:
    """Run it and print what was found."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is removed
    try:
        return _run(options)
    except NetworkUnavailable as error:
        _say(f"{error}; --no-cut does without")
        return 2


def _run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        scene = _bring_up(Path(folder), options, stack)
        openings = list_openings(scene.cluster.data.root)
        plan = replace(
            scene.plan(openings, options.clients), trade_share=options.trades, seed=options.seed
        )
        with Visitors(plan, options.processes) as visitors:
            faults = [fault for name, fault in scene.faults().items() if name in options.faults]
            scene.play(options.seconds, faults * options.rounds)
        notes = visitors.notes
        _print_counts(notes, scene.incidents, options.seconds)
        history = prove(scene.cluster, openings, notes)
        _say("proof: every log equals the ledger, nothing lost, doubled or misnumbered")
    if options.keep:
        with options.keep.open("w") as file:
            file.writelines(f"{operation}\n" for operation in history)
    return _print_report(check(history), notes.counts["mismarked"])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault comes")
    parser.add_argument("--faults", nargs="*", default=FAULTS, choices=FAULTS)
    parser.add_argument("--silent", type=float, default=3, help="length of a pause or cut")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--processes", type=int, default=8, help="that the clients run in")
    parser.add_argument("--front-ends", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="processes of each front end")
    parser.add_argument("--trades", type=float, default=0.1, help="their share of the operations")
    parser.add_argument("--no-cut", action="store_true", help="no namespaces, no link that is cut")
    parser.add_argument("--server", default="granian")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write the history to this file")
    return parser.parse_args()


def _bring_up(folder: Path, options: argparse.Namespace, stack: ExitStack) -> Scene:
    """Bring everything up; `stack` takes it down."""
    namespace = None if options.no_cut else stack.enter_context(Namespace())
    supervised = options.front_ends - (namespace is not None)
    for attempt in range(TRIES):  # somebody may take a port between choosing and opening it
        found = free_topology(front_ends=supervised)
        if namespace:
            found = _move(found, namespace.outer)
        (place := folder / str(attempt)).mkdir()
        more = ("--server", options.server, "--workers", str(options.workers))
        cluster = LiveCluster(place, *more, nodes=found)
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
    return Scene(cluster, apart, random.Random(options.seed), options.silent)


def _move(found: Topology, host: str) -> Topology:
    """Return a cluster that listens on another address."""
    move = msgspec.structs.replace
    return Topology(
        catalog=move(found.catalog, host=host),
        dashboard=move(found.dashboard, host=host),
        front_ends=tuple(move(node, host=host) for node in found.front_ends),
        replicas=tuple(move(node, host=host) for node in found.replicas),
    )


def _print_counts(notes: Notes, incidents: Sequence[Incident], seconds: float) -> None:
    trades = [answer for _, answer in notes.trades]
    done = sorted(answer.done_s for answer in trades if answer.status == 200)
    counts = notes.counts
    failures = sorted((name, n) for name, n in counts.items() if ": " in name)
    total = len(notes.reads) + len(done)
    _say(f"{total} operations in {seconds:g} s ({total / seconds:,.0f} a second)")
    _say(
        f"{len(notes.reads)} reads: {counts['hits']} hits, "
        f"{sum(read.is_stale for read in notes.reads)} marked stale, "
        f"{counts['mismarked']} of which header and body disagree"
    )
    refused = sum(answer.status == 404 for answer in trades)
    _say(f"{len(done)} trades acknowledged, {refused} refused, {len(trades)} sent")
    _say("failures: " + (", ".join(f"{name} {n}" for name, n in failures) or "none"))
    for one in incidents:
        gap_s = max(_silences(done, one), default=float("inf"))
        _say(f"{one.begin_s:6.1f} s  {one.name}: longest silence of trades {gap_s:.3f} s")


def _silences(done_s: Sequence[float], incident: Incident) -> Iterator[float]:
    """Yield the times between trades from the beginning of a fault to a while after its end."""
    for before_s, after_s in itertools.pairwise(done_s):
        if after_s >= incident.begin_s and before_s <= incident.end_s + AFTER_S:
            yield after_s - before_s


def _print_report(report: Report, mismarked: int) -> int:
    _say(f"{report.reads} reads, {report.stale_reads} marked stale; {report.writes} writes")
    for violation in report.violations:
        _say(violation.describe())
    old = [one for one in report.violations if one.kind is ViolationKind.OLD_READ]
    _say(f"unmarked stale answers: {len(old)}")
    return int(bool(report.violations or mismarked))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
