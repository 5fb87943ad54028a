"""One fault after another under a load, and what each has cost."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster.parent_death import wrap_command
from bazaar.proof.records import Done, Header, Record, encode
from bazaar.settings import env
from tests.cluster.ha.cluster import HaCluster
from tests.cluster.ha.engine import Engine
from tests.cluster.ha.faults import Fault
from tests.cluster.ha.table import Cost
from tests.cluster.load import Load, find_longest_gap_s

DEADLINE_S = 60.0
AFTER_TIMEOUT_S = 90.0
"""For the first trade after a fault."""
QUIET_S = 1.0
"""Of load before a fault and after it is mended."""
STEADY_S = 0.5
STEADY_COMMITS = 4
"""
So many commits in STEADY_S before or after one show that the engine is there.

While Galera decides who is left, single ones pass in an outage of seconds.
"""
SERVED = ("ok", "refused", "not_found")
"""How operations end that were served."""


class BareClient:
    """The bare client of an engine, and when its rows were committed."""

    def __init__(self, output: Path) -> None:
        """output: what it prints goes there."""
        self._output = output
        self._read = 0
        self.at_s: list[float] = []
        """On the monotonic clock."""

    def read(self) -> Sequence[float]:
        """Return all times so far."""
        with self._output.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self.at_s.append(float(line))
        return self.at_s

    def await_commit_after(self, at_s: float) -> None:
        """Wait until the engine has committed a row after a moment, or will not."""
        wait_until(lambda: max(self.read()[-9:], default=0) > at_s, AFTER_TIMEOUT_S)


@contextmanager
def run_bare_client(engine: Engine, folder: Path) -> Iterator[BareClient]:
    """Run it for as long as a `with` block runs."""
    urls = [f"{engine.scheme}://bazaar@{host.address}:{engine.port}/bare" for host in engine.hosts]
    command = [sys.executable, "-m", "tests.cluster.ha.bare_client", *urls]
    output = folder / "bare.out"
    with output.open("wb") as out, (folder / "bare.err").open("wb") as errors:
        process = subprocess.Popen(wrap_command(command), cwd=env.ROOT, stdout=out, stderr=errors)
    try:
        yield BareClient(output)
    finally:
        process.kill()
        process.wait()


class Measuring:
    """Faults under a load, and the history of its clients."""

    def __init__(
        self, cluster: HaCluster, bare: BareClient, *, fault_s: float, clients: int
    ) -> None:
        """fault_s: how long a fault lasts at least once trades go on. clients: half only query."""
        self._cluster, self._bare, self._fault_s = cluster, bare, fault_s
        self._clients = clients
        self._header: Header | None = None
        self._origin_s = 0.0
        self.done: list[Done] = []
        """What all clients did, in seconds since the first load began."""
        self.failed: list[Done] = []
        """Operations that clients gave up, or got no answer to."""

    @property
    def records(self) -> list[Record]:
        """The history of all loads."""
        assert self._header, "there was a load"
        return [self._header, *self.done]

    def write(self, path: Path) -> None:
        """Write the history, as `manage.py audit` reads it."""
        path.write_bytes(b"".join(map(encode, self.records)))

    @property
    def urls(self) -> tuple[str, ...]:
        """All front ends."""
        return tuple(node.url for node in self._cluster.topology.front_ends)

    def measure(self, name: str, fault: Fault) -> Cost:
        """
        Inject a fault into a cluster that is well, mend it, and return what it has cost.

        name: of its kind.
        """
        with Load(self.urls, self._clients, is_half_reading=True, deadline_s=DEADLINE_S) as load:
            load.await_progress()
            clock.wait(QUIET_S)
            begun_s = clock.monotonic_s()
            fault.inject()
            hit_s = clock.monotonic_s()
            self._await_trade_after(load, hit_s)
            self._bare.await_commit_after(hit_s)
            clock.wait(self._fault_s)
            heal_s = clock.monotonic_s()
            fault.heal()
            self._cluster.settle()
            clock.wait(QUIET_S)
            end_s = clock.monotonic_s()
        self._note(load)
        return self._judge(name, fault, load, (begun_s, heal_s, end_s))

    def _await_trade_after(self, load: Load, at_s: float) -> None:
        def has_come() -> bool:
            return any(
                load.origin_s + one.sent_s > at_s for one in load.acknowledged[-self._clients :]
            )

        wait_until(has_come, AFTER_TIMEOUT_S)  # else it has to be mended first, which shows

    def _note(self, load: Load) -> None:
        header, *_ = load.records
        if self._header is None:
            assert isinstance(header, Header), "a history begins with its header"
            self._header, self._origin_s = header, load.origin_s
        later_s = load.origin_s - self._origin_s
        self.done += (shift(one, later_s) for one in load.done)
        self.failed += (one for one in load.done if one.outcome not in SERVED)

    def _judge(
        self, name: str, fault: Fault, load: Load, moments: tuple[float, float, float]
    ) -> Cost:
        begun_s, heal_s, end_s = (at_s - load.origin_s for at_s in moments)
        commits = [at_s - load.origin_s for at_s in self._bare.read()]
        reads = [
            one
            for one in load.done
            if one.kind == "query" and one.done_s and one.outcome == "ok" and one.done_s > begun_s
        ]
        return Cost(
            name=name,
            label=fault.label,
            target=fault.target,
            ours_s=load.longest_gap_s(begun_s, heal_s),
            engine_s=find_longest_gap_s(leave_single_out(commits), begun_s, heal_s),
            healing_s=load.longest_gap_s(heal_s, end_s - QUIET_S),
            reads_s=self._find_longest_without_read_s(reads, fault, begun_s, heal_s),
            reads=len(reads),
            stale_reads=sum(one.is_stale for one in reads),
            errors=sum(one.outcome not in SERVED for one in load.done),
        )

    def _find_longest_without_read_s(
        self, reads: Sequence[Done], fault: Fault, begun_s: float, heal_s: float
    ) -> float:
        """Return the longest at any front end that serves during the fault."""
        served = [
            number
            for number, node in enumerate(self._cluster.topology.front_ends)
            if node.host != fault.unserved
        ]
        return max(
            find_longest_gap_s(
                (one.done_s for one in reads if one.url == number and one.done_s), begun_s, heal_s
            )
            for number in served
        )


def leave_single_out(at_s: Sequence[float]) -> list[float]:
    """Return the commits that have others shortly before or after them."""
    times = sorted(at_s)

    def is_near(one: int, other: int) -> bool:
        return 0 <= other < len(times) and abs(times[other] - times[one]) <= STEADY_S

    return [
        at
        for number, at in enumerate(times)
        if is_near(number, number - STEADY_COMMITS) or is_near(number, number + STEADY_COMMITS)
    ]


def shift(done: Done, seconds: float) -> Done:
    """Return an operation as if it had come later."""
    ended_s = None if done.done_s is None else done.done_s + seconds
    return msgspec.structs.replace(
        done,
        intended_s=done.intended_s + seconds,
        sent_s=done.sent_s + seconds,
        done_s=ended_s,
    )
