"""
Two commits side by side: `make bench-compare REV=...`.

A cluster of each commit runs at the same time; they are measured in turn, and each round gives one
ratio. The load comes from this checkout for both. What a commit needs that this one does not have
is installed in its own checkout. `--set NAME=VALUE` gives the other cluster a setting, so that a
commit can be compared with itself: `REV=HEAD ARGS="--set BAZAAR_SPANS_KEPT_MAX=0"`. `--on
postgresql` or `mariadb` has this checkout's catalog decide on such a server, as it must be for
several hosts, in place of a file; `--on tls` gives all its ports TLS.

`processor` is the ratio of what the processes of both clusters use for an answer; a database's
server is not one of them, and neither are clients: those need more for TLS, and share the cores.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bazaar.cluster.temporary import TemporaryCluster
from bazaar.settings import env
from bazaar.topology import Topology
from bench import trading, wrk
from bench.cache import cpu_s
from bench.clusters import MEMBER_ROLES, running
from bench.field import FIRST_ORDERS_S, STOCK_PATH
from bench.numbers import Spread, ratio
from bench.queries import ORDER_PATHS
from bench.results import CACHED, LOOK_UP, TRADE, UNCACHED, Cell
from bench.rounds import take_turns
from bench.surroundings import NAMES, certify, surrounded
from bench.tables import plain, spread
from bench.trades import in_short
from bench.wrk import Measured

HERE, THERE = "here", "there"
TASKS = (CACHED, UNCACHED, LOOK_UP, TRADE)
LOCK = "requirements.lock"


class OtherCluster(TemporaryCluster):
    """A cluster that runs the code of another checkout."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        server: str,
        variables: Mapping[str, str],
        nodes: Topology | None = None,
    ) -> None:
        """root: of the checkout. server: what `cluster up` calls it. variables: its settings."""
        folder.mkdir()
        self._root = root
        environ = {**os.environ, **variables}
        options = ("--stocks", "asterix", "--server", server)
        super().__init__(folder, *options, nodes=nodes, environ=environ)

    def _command(self, *arguments: str) -> list[str]:
        python = self._root / ".venv" / "bin" / "python"
        return [str(python), str(self._root / "manage.py"), "cluster", *arguments]


@dataclass(frozen=True)
class Place:
    """One of the clusters."""

    url: str
    """Of its front end."""
    ca_path: str | None
    """If it uses TLS."""
    pids: tuple[int, ...]
    """Of those processes that serve."""

    def used_s(self) -> float:
        """Return the processor time of its processes until now."""
        return sum(cpu_s(pid) for pid in self.pids)


@dataclass(frozen=True)
class Comparison:
    """What is measured, and how often."""

    places: dict[str, Place]
    rounds: int
    seconds: int
    cpu_us: defaultdict[tuple[str, str, int], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Of a cluster for each answer, by task, name and clients: a value a round."""

    def once(self, task: str, name: str, clients: int) -> tuple[Measured, int]:
        """Measure one task at one commit."""
        began_s = self.places[name].used_s()
        measured, errors = self._measure(task, self.places[name], clients)
        answers = measured.rate * self.seconds
        used_s = self.places[name].used_s() - began_s
        self.cpu_us[task, name, clients].append(used_s / answers * 1e6)
        return measured, errors

    def cpu(self, task: str, clients: int) -> float:
        """Return the median ratio of the processor times of an answer, here to there."""
        here, there = (Spread(tuple(self.cpu_us[task, name, clients])) for name in (HERE, THERE))
        return ratio(here, there).median

    def _measure(self, task: str, place: Place, clients: int) -> tuple[Measured, int]:
        url, ca_path = place.url, place.ca_path
        if task == TRADE:
            spec = trading.Spec(url=url, clients=clients, seconds=self.seconds, ca_path=ca_path)
            return in_short(trading.run(spec))
        if task == LOOK_UP:
            return wrk.run(url, clients, self.seconds, paths=ORDER_PATHS), 0
        header = wrk.FRESH if task == UNCACHED else None
        return wrk.run(url + STOCK_PATH, clients, self.seconds, header=header), 0


@contextlib.contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """Give a ready checkout of a revision. Raises SystemExit: there is none such."""
    tree = folder / "tree"
    added = subprocess.run(
        ["git", "worktree", "add", "--quiet", "--detach", str(tree), revision],
        cwd=env.ROOT,
        check=False,
    )
    if added.returncode:
        raise SystemExit(f"{revision!r} is not a revision that can be checked out.")
    try:
        if (tree / LOCK).read_bytes() == (env.ROOT / LOCK).read_bytes():
            (tree / ".venv").symlink_to(env.ROOT / ".venv")
        else:
            subprocess.run(["make", "--quiet", "setup"], cwd=tree, check=True)
        yield tree
    finally:
        shutil.rmtree(tree)
        subprocess.run(["git", "worktree", "prune"], cwd=env.ROOT, check=False)


@contextlib.contextmanager
def traded_with(cluster: OtherCluster) -> Iterator[Place]:
    """Run a cluster with a few orders."""
    ca_path = certify(cluster)
    with running(cluster):
        url = cluster.topology.front_ends[0].url
        trading.run(trading.Spec(url=url, clients=8, seconds=FIRST_ORDERS_S, ca_path=ca_path))
        wrk.run(url + STOCK_PATH, 1, 1)
        views = cluster.cluster.take_snapshot().processes
        pids = (view.pid for view in views if view.pid and view.role in MEMBER_ROLES)
        yield Place(url, ca_path, tuple(pids))


def row(here: Cell, there: Cell, cpu: float) -> tuple[str, ...]:
    """Return a line of the table: both rates, the ratios within each round; cpu: theirs."""
    ratios = ratio(here.rate, there.rate)
    return (
        here.task,
        str(here.clients),
        spread(there.rate, ",.0f"),
        spread(here.rate, ",.0f"),
        spread(ratios, ".3f"),
        f"{ratio(here.p99_ms, there.p99_ms).median:.2f}",
        f"{cpu:.2f}",
        str(here.errors + there.errors or ""),
    )


def main(arguments: Sequence[str]) -> int:
    """Measure and print the ratios; return 0, however they are."""
    options = _read(arguments)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bazaar-compare-")))
        tree = stack.enter_context(checked_out(options.revision, folder))
        nodes, server = stack.enter_context(surrounded(options.on)), options.server
        sides = {
            HERE: OtherCluster(folder / HERE, env.ROOT, server, {}, nodes),
            THERE: OtherCluster(folder / THERE, tree, server, dict(options.variables)),
        }
        places = {
            name: stack.enter_context(traded_with(cluster)) for name, cluster in sides.items()
        }
        compared = Comparison(places, options.rounds, options.seconds)
        rows = []
        for clients in options.clients:
            for task in options.only:
                turns = ((task, HERE), (task, THERE))
                here, there = take_turns(clients, compared.rounds, turns, compared.once)
                rows.append(row(here, there, compared.cpu(task, clients)))
                sys.stderr.write(f"{'  '.join(rows[-1])}\n")
    rate = f"{options.revision} a second"
    heads = ("", "clients", rate, "here", "here / it", "p99", "processor", "errors")
    for line in plain((heads, rows)):
        sys.stdout.write(f"{line}\n")
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.compare", description=__doc__)
    parser.add_argument("revision", help="the commit to compare this checkout with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--clients", type=_numbers, default=(1, 8, 32), help="1,8,32")
    parser.add_argument("--only", type=_tasks, default=TASKS, help=", ".join(TASKS))
    parser.add_argument("--server", default="granian", help="granian or gunicorn")
    parser.add_argument(
        "--on", choices=NAMES, help="what this checkout's cluster has in place of the default"
    )
    parser.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        dest="variables",
        metavar="NAME=VALUE",
        help="a setting of the other cluster",
    )
    return parser.parse_args(arguments)


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise argparse.ArgumentTypeError(f"{text}: write NAME=VALUE")
    return name, value


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _tasks(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(TASKS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there is no such task")
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
