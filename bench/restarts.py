"""
How long a cluster takes to the next trade: `make bench-restarts`.

Two starts of one cluster with many orders, again and again. In the first, clients trade, every
process is killed at once (-9), supervisor and `cluster up` among them, and `cluster up` is typed
again while the clients go on. In the second the cluster was stopped, and other processes compute
without end beside the start. Counted is from the command to the first acknowledged trade of a
client that tries all the time; beside it the processor time that all processes of the cluster have
used by then, which others on the machine change less.
"""

import argparse
import contextlib
import http.client
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import psutil

from bazaar import clock
from bazaar.clock import wait_until
from bench import prefill, trading
from bench.clusters import OwnCluster, prepared
from bench.numbers import Spread
from bench.trading import Spec
from tests.cluster.failover import busy
from tests.cluster.hostile import table

TARGET_S = 3.0
TRADE_TIMEOUT_S, CALL_TIMEOUT_S = 120.0, 15.0
PROBE_PAUSE_S = 0.01
LOAD_CLIENTS, LOAD_S, LOAD_BEFORE_S = 8, 10.0, 2.0
"""What trades while everything is killed: for how long in all, and before that."""
END_TIMEOUT_S = 10.0
COLUMNS = ("start", "times", "to the next trade, s: median", "worst", "processor, s: median")


@dataclass(frozen=True, slots=True)
class Restart:
    """One start, in seconds until a trade was acknowledged."""

    took_s: float
    cpu_s: float
    """The processor time of all processes of the cluster."""


def describe(name: str, starts: list[Restart]) -> list[str]:
    """Return the row of one kind of start."""
    took = Spread(tuple(one.took_s for one in starts))
    cpu = Spread(tuple(one.cpu_s for one in starts))
    return [name, str(len(starts)), f"{took.median:.2f}", f"{took.most:.2f}", f"{cpu.median:.2f}"]


def is_slow(starts: list[Restart]) -> bool:
    """Tell whether one took longer than it may."""
    return any(one.took_s > TARGET_S for one in starts)


def main() -> int:
    """Measure, print, and return 1 when a start took too long."""
    options = _parse()
    with tempfile.TemporaryDirectory() as folder:
        cluster = prepared(Path(folder) / "cluster")
        prefill.add_orders(cluster.data, cluster.topology, options.orders)
        try:
            start_and_trade(cluster)  # what the first start of a checkout has to compile
            beside = partial(busy, options.busy)
            killed = [kill_and_start(cluster) for _ in range(options.times)]
            stopped = [stop_and_start(cluster, beside) for _ in range(options.times)]
        finally:
            cluster.end()
    rows = [
        describe(f"all killed under load, {options.orders:,} orders", killed),
        describe(f"stopped, {options.busy} busy processes beside it", stopped),
    ]
    _say(table(COLUMNS, rows))
    return int(is_slow(killed) or is_slow(stopped))


def kill_and_start(cluster: OwnCluster) -> Restart:
    """Kill every process while clients trade, and start the cluster again."""
    with loaded(cluster):
        clock.wait(LOAD_BEFORE_S)
        kill_all(cluster)
        return start_and_trade(cluster)


def stop_and_start(
    cluster: OwnCluster, beside: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Restart:
    """Stop the cluster, and start it again; beside: what runs meanwhile."""
    cluster.end()
    with beside():
        return start_and_trade(cluster)


@contextlib.contextmanager
def loaded(cluster: OwnCluster) -> Iterator[None]:
    """Have clients trade for LOAD_S, whatever becomes of it."""
    spec = Spec(url=cluster.base_url, clients=LOAD_CLIENTS, seconds=LOAD_S, warmup_s=0.0)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(trading.run, spec)
        yield
        load.result()


def kill_all(cluster: OwnCluster) -> None:
    """Kill every process of a cluster at once, and wait until all are gone."""
    assert cluster.process is not None, "it was started"
    assert cluster.process.poll() is None, "it is up until now"
    for member in cluster.members():
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    cluster.process.wait(END_TIMEOUT_S)
    cluster.close()
    assert wait_until(lambda: not cluster.members(), END_TIMEOUT_S), "some are still there"


def start_and_trade(cluster: OwnCluster) -> Restart:
    """
    Type `cluster up`; return what it takes until a trade is acknowledged.

    This thread starts it: the cluster is stopped when the thread that did has ended.
    """
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(await_trade, cluster, clock.monotonic_s())
        cluster.up()
        found = coming.result()
    _say(f"{found.took_s:.2f} s, {found.cpu_s:.2f} s of processor time")
    return found


def await_trade(cluster: OwnCluster, began_s: float) -> Restart:
    """Try to trade until that is acknowledged; began_s: of the start, on the monotonic clock."""
    key = str(uuid4())
    if not wait_until(lambda: trade(cluster.base_url, key), TRADE_TIMEOUT_S, _pause):
        raise SystemExit(f"No trade within {TRADE_TIMEOUT_S:g} s.")
    return Restart(clock.monotonic_s() - began_s, sum(map(_cpu_s, cluster.members())))


def trade(url: str, key: str) -> bool:
    """Try to buy a share; return whether that was acknowledged."""
    wanted = {"stock_name": trading.STOCKS[0], "trade_type": "buy", "quantity": 1}
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=CALL_TIMEOUT_S)
    try:
        connection.request("POST", "/orders", msgspec.json.encode(wanted), headers)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _pause(_: float) -> None:
    clock.wait(PROBE_PAUSE_S)


def _cpu_s(process: psutil.Process) -> float:
    """Return the processor time of a process and of its children that have ended."""
    try:
        spent = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(spent.user + spent.system + spent.children_user + spent.children_system)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.restarts", description=__doc__)
    parser.add_argument("--orders", type=int, default=10**5)
    parser.add_argument("--times", type=int, default=5, help="starts of each kind")
    parser.add_argument("--busy", type=int, default=2, help="processes that compute")
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
