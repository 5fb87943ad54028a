"""
Where the processor time of a trade goes, process by process: `make bench-costs`.

Clients trade at a cluster of its own. What a process uses meanwhile is divided by the trades that
are placed: microseconds of a processor a trade, of it those in the kernel. py-spy looks at one
process after another, without stopping it, and takes the stack of the thread that holds the
interpreter's lock. A sample counts for the innermost function of ours in it, with what that calls
in libraries. So the costs are those of Python; what is missing to the whole is spent where the lock
is given up: in the kernel and in SQLite. What a trade waits for is no cost: its trace shows that.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bazaar import clock
from bazaar.protocol.clients import FrontEndClient
from bazaar.settings.env import ROOT
from bench import processes, trading
from bench.clusters import OwnCluster, prepared, running
from bench.trading import Spec
from tests.cluster.hostile import table

OURS = ("bazaar/", "catalog_app/", "frontend_app/", "order_app/")
OTHER = "threads of libraries"
SAMPLES_PER_S = 250
TIMEOUT_S, EXTRA_TIMEOUT_S = 5.0, 30.0
LOAD_BEFORE_S, SETTLE_S, LOAD_AFTER_S = 1.0, 0.5, 3.0
"""Before the first look, before the profiler begins, and longer than it takes to end."""
HEADS = ("clients", "process", "us a trade", "kernel", "Python", "us", "its largest costs")


@dataclass(frozen=True, slots=True)
class Profile:
    """What one process did while clients traded."""

    process: str
    clients: int
    cpu_us: float
    """A trade; the next two are of it."""
    kernel_us: float
    sample_us: float
    """What a sample stands for, a trade."""
    samples: Counter[str]
    """By function."""

    def largest(self, most: int) -> Iterator[tuple[str, float]]:
        """Yield the functions that cost most, and how many microseconds a trade."""
        for name, count in self.samples.most_common(most):
            yield name, count * self.sample_us


def read(stacks: str) -> Counter[str]:
    """
    Return the samples by function of ours; stacks: `frame;frame count`, the outermost first.

    A process that is not stopped changes a stack while it is read: what is no stack is left out.
    """
    found: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        inward = [frame for frame in frames.split(";") if is_ours(frame)]
        if count.isdecimal():
            found[name(inward[-1]) if inward else OTHER] += int(count)
    return found


def is_ours(frame: str) -> bool:
    """Tell whether a frame, `function (path:line)`, is in code of this project."""
    return frame.partition(" (")[2].removeprefix(f"{ROOT}/").startswith(OURS)


def name(frame: str) -> str:
    """Return `function (path)`: all lines of a function are one cost."""
    function, _, place = frame.partition(" (")
    return f"{function} ({place.removeprefix(f'{ROOT}/').rpartition(':')[0]})"


def main() -> int:
    """Measure and print."""
    options = _parse()
    with (
        tempfile.TemporaryDirectory(prefix="bazaar-costs-") as folder,
        running(prepared(Path(folder) / "cluster")) as cluster,
    ):
        profiles = [
            profile(cluster, process, clients, options.seconds, Path(folder) / "stacks")
            for clients in options.clients
            for process in list_processes(cluster)
        ]
    _say(table(HEADS, [row for one in profiles for row in rows(one, options.most)]))
    return 0


def list_processes(cluster: OwnCluster) -> list[str]:
    """Return one process of each part that a trade has."""
    leader = cluster.leader()
    follower = next(
        f"order-{node.id}" for node in cluster.topology.replicas if f"order-{node.id}" != leader
    )
    return ["frontend-1", leader, follower, "catalog"]


def profile(cluster: OwnCluster, process: str, clients: int, seconds: int, stacks: Path) -> Profile:
    """Look at a process while clients trade. Raises SystemExit: it cannot be looked at."""
    front_end = FrontEndClient.at(cluster.topology.front_ends[0], cluster.secret, TIMEOUT_S)
    main_pid = cluster.view(process).pid
    with loaded(cluster, clients, seconds + LOAD_BEFORE_S + LOAD_AFTER_S):
        before, trades, began_s = (
            processes.used_by(main_pid),
            front_end.status().trades,
            clock.monotonic_s(),
        )
        clock.wait(SETTLE_S)
        now = processes.used_by(main_pid)
        record(max(now, key=lambda pid: sum(now[pid]) - sum(before[pid])), seconds, stacks)
        after, placed = processes.used_by(main_pid), front_end.status().trades - trades
        took_s = clock.monotonic_s() - began_s
    front_end.close()
    a_trade = 1e6 / max(placed, 1)
    user_s, kernel_s = (
        sum(times[kind] for times in after.values()) - sum(times[kind] for times in before.values())
        for kind in (0, 1)
    )
    return Profile(
        process,
        clients,
        cpu_us=(user_s + kernel_s) * a_trade,
        kernel_us=kernel_s * a_trade,
        sample_us=took_s * a_trade / (seconds * SAMPLES_PER_S),
        samples=read(stacks.read_text()),
    )


@contextmanager
def loaded(cluster: OwnCluster, clients: int, seconds: float) -> Iterator[None]:
    """Have clients trade for so long."""
    spec = Spec(url=cluster.base_url, clients=clients, seconds=seconds, warmup_s=0.0)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(trading.run, spec)
        clock.wait(LOAD_BEFORE_S)
        yield
        load.result()


def record(pid: int, seconds: int, stacks: Path) -> None:
    """Write the stacks of a process. Raises SystemExit with what the profiler said."""
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid)),
            *("--duration", str(seconds), "--rate", str(SAMPLES_PER_S)),
            *("--gil", "--nonblocking"),
            *("--format", "raw", "--full-filenames", "--output", str(stacks)),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + EXTRA_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The process cannot be looked at; is this root? {done.stderr}")


def rows(one: Profile, most: int) -> Iterator[Sequence[str]]:
    """Yield the rows of a process: its largest costs."""
    python_us = one.samples.total() * one.sample_us
    heads = [
        *(str(one.clients), one.process),
        *(f"{us:.0f}" for us in (one.cpu_us, one.kernel_us, python_us)),
    ]
    for text, cost_us in one.largest(most):
        yield [*heads, f"{cost_us:.1f}", text]
        heads = [""] * len(heads)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--seconds", type=int, default=6, help="of each process")
    parser.add_argument("--most", type=int, default=6, help="costs that are shown of a process")
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
