"""
How long catalog and replica take to serve, with few orders and with many: `make bench-starts`.

Clusters of these lengths are made in bulk. In each, catalog and a follower are stopped and started
in turns; counted is from the order to start until the status says ready: the catalog decides then,
having asked every replica; the replica serves. So the start of Python and Django is counted, too;
it is what the shortest length shows. Beside the time is the processor time of the process until
then, which others on the machine hardly change. Then trades of one client alternate between two
lengths.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.protocol.cluster_report import Health
from bench import prefill, trading
from bench.cache import cpu_s
from bench.clusters import OwnCluster, prepared, running
from bench.numbers import Spread, ratio
from bench.trading import Spec
from tests.cluster.hostile import table

UP_TIMEOUT_S = READY_TIMEOUT_S = 180.0
TARGET_S = 2.0
TRADE_S = 2.0
LATENCY_TARGET = 1.2
"""A median trade with many orders, to one with few."""
GIB = 1024**3
COLUMNS = (
    *("orders", "one database, GiB", "start of all, s"),
    *("catalog, s: median", "worst", "processor", "replica, s: median", "worst", "processor"),
)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a process, in seconds."""

    took_s: float
    cpu_s: float
    """The processor time of all its processes."""


@dataclass(frozen=True, slots=True)
class Starts:
    """What was measured of one length."""

    orders: int
    size_gib: float
    up_s: float
    catalog: Sequence[Start]
    replica: Sequence[Start]

    @property
    def row(self) -> list[str]:
        """The row of the table."""
        texts = [f"{self.orders:,}", f"{self.size_gib:.2f}", f"{self.up_s:.1f}"]
        for starts in (self.catalog, self.replica):
            took = Spread(tuple(one.took_s for one in starts))
            cpu = Spread(tuple(one.cpu_s for one in starts))
            texts += [f"{took.median:.2f}", f"{took.most:.2f}", f"{cpu.median:.2f}"]
        return texts

    @property
    def is_slow(self) -> bool:
        """Whether a median start takes longer than it may."""
        return any(
            median(one.took_s for one in starts) > TARGET_S
            for starts in (self.catalog, self.replica)
        )


@dataclass(slots=True)
class TradeCosts:
    """What trades of one client took in a cluster, round by round."""

    orders: int
    p50_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """The processor time of all processes for each trade."""

    def add(self, cluster: OwnCluster) -> None:
        """Trade for a while."""
        pids = [view.pid for view in cluster.look().processes]
        before_s = sum(map(cpu_s, pids))
        done = trading.run(Spec(url=cluster.base_url, clients=1, seconds=TRADE_S, warmup_s=0.0))
        self.p50_ms.append(done.quantile_ms(0.5))
        self.cpu_ms.append((sum(map(cpu_s, pids)) - before_s) / len(done.took_s) * 1000)

    def describe(self) -> str:
        """Return medians and the least in words."""
        p50, cpu = Spread(tuple(self.p50_ms)), Spread(tuple(self.cpu_ms))
        return (
            f"{self.orders:,} orders: trade p50, 1 client, {p50.median:.2f} ms "
            f"({p50.least:.2f} to {p50.most:.2f}); processor {cpu.median:.2f} ms a trade "
            f"({cpu.least:.2f} to {cpu.most:.2f})"
        )


def main() -> int:
    """Measure, print, and return 1 when a target is missed."""
    options = _parse()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = [measure(folder, orders, options.rounds) for orders in options.orders]
        _say(table(COLUMNS, [one.row for one in found]))
        is_missed = any(one.is_slow for one in found)
        if options.trades:
            few, many = compare_trades(folder, options.trades, options.trade_rounds)
            _say(f"{few.describe()}\n{many.describe()}")
            grown = ratio(Spread(tuple(many.p50_ms)), Spread(tuple(few.p50_ms))).median
            _say(f"{grown:.2f} times as long, the median of the ratios in each round")
            is_missed |= grown > LATENCY_TARGET
    return int(is_missed)


def measure(folder: Path, orders: int, rounds: int) -> Starts:
    """Make a cluster with so many orders, and start its processes again and again."""
    _say(f"{orders:,} orders")
    cluster = make(folder, orders)
    size_gib = (cluster.data.root / "catalog.sqlite3").stat().st_size / GIB
    began_s, catalog, replica = clock.monotonic_s(), [], []
    with running(cluster):
        cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY, UP_TIMEOUT_S)
        up_s = clock.monotonic_s() - began_s
        for _ in range(rounds):
            catalog.append(restart(cluster, "catalog"))
            follower = next(view for view in cluster.look().replicas if not view.is_leading)
            replica.append(restart(cluster, follower.name))
    return Starts(orders, size_gib, up_s, catalog, replica)


def make(folder: Path, orders: int) -> OwnCluster:
    """Make a cluster with so many orders, unless the folder has one."""
    place = folder / f"orders-{orders}"
    if place.exists():
        return OwnCluster(place)
    cluster = prepared(place)
    prefill.add_orders(cluster.data, cluster.topology, orders)
    return cluster


def restart(cluster: OwnCluster, name: str) -> Start:
    """Stop a process; start it, and return what it takes to be ready."""
    cluster.cluster.stop(name)
    began_s = clock.monotonic_s()
    cluster.cluster.supervisor.start(name)
    is_ready = wait_until(lambda: cluster.view(name).is_well, READY_TIMEOUT_S)
    start = Start(clock.monotonic_s() - began_s, cpu_s(cluster.view(name).pid))
    if not is_ready:
        raise SystemExit(f"{name} was not ready within {READY_TIMEOUT_S:g} s.")
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY, UP_TIMEOUT_S)
    return start


def compare_trades(folder: Path, lengths: Sequence[int], rounds: int) -> list[TradeCosts]:
    """Trade in several clusters in turns; return what it took in each."""
    with contextlib.ExitStack() as stack:
        clusters = [stack.enter_context(running(make(folder, orders))) for orders in lengths]
        for cluster in clusters:
            cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY, UP_TIMEOUT_S)
        costs = [TradeCosts(orders) for orders in lengths]
        for _ in range(rounds):
            for cluster, cost in zip(clusters, costs, strict=True):
                cost.add(cluster)
        return costs


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.starts", description=__doc__)
    parser.add_argument("--orders", type=int, nargs="*", default=[10**3, 10**6, 10**7])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trades", type=int, nargs=2, default=[10**3, 10**6], metavar="ORDERS")
    parser.add_argument("--no-trades", dest="trades", action="store_const", const=None)
    parser.add_argument("--trade-rounds", type=int, default=10)
    parser.add_argument(
        "--folder", type=Path, help="keep the databases here, and use them again; 10 GB"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
