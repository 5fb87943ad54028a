"""
Many lease holders and many stocks: `make bench-holders`.

One cluster gets more front ends, each a process with a lease of its own, until there are so many.
In turns one of them or all of them have a stock in memory when it is traded, and when its price
changes; the catalog answers when all that have it have dropped it, so the time of the change is
also the time until all did. Every front end is then asked for the stock: an old answer ends the
run. Then clusters with few stocks and with many stand side by side, and take turns.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from urllib.parse import quote

from bazaar import clock
from bazaar.client.client import Client
from bazaar.cluster.ports import free_ports
from bazaar.core.types import TradeType
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.cluster_report import Health
from bench import prefill, processes, sizes, trading, wrk
from bench.cache import ask, cpu_s
from bench.clusters import OwnCluster, prepared, running
from bench.hit_steps import HOST, SHARED
from bench.measures import MEMORY, Found, Measure, are_met, show, weigh
from bench.trading import Spec

STOCK = "GameStart"
STARTED_AT_ONCE = 4
CALL_TIMEOUT_S = 30.0
REST_S = 5.0
UP_TIMEOUT_S = 180.0
PAGE = 50
STOCKS_PATH = "/api/v1/stocks"
WAITED_MS = 500.0
"""So long the catalog waits for a holder before it takes it for lost."""
ONE_EACH = "a message a holder; the slowest is waited for"
PRICE = Measure("price change, ms", ".1f", most=WAITED_MS, reason=ONE_EACH)
TRADE = Measure("trade, ms", ".1f", most=WAITED_MS, reason=ONE_EACH)
REST = Measure("catalog at rest, % of a core", ".1f", reason="each holder renews its lease")
START = Measure("start of all until healthy, s", ".2f", ratio_max=1.5)
HIT = Measure("hit, 1 client, p50 ms", ".3f")
MISS = Measure("past every cache, p50 ms", ".3f")
TRADED = Measure("trade, 1 client, p50 ms", ".2f")
FIRST = Measure("first page of the list, p50 ms", ".3f")
MIDDLE = Measure("page from the middle, p50 ms", ".3f")
LAST = Measure("page from the end, p50 ms", ".3f")
STOCK_MEASURES = (START, HIT, MISS, TRADED, FIRST, MIDDLE, LAST, *MEMORY)


@dataclass(slots=True)
class Holders:
    """A cluster with many front ends; `clients` has that of the cluster's own first."""

    cluster: OwnCluster
    catalog: CatalogClient
    clients: list[Client]
    one: Found = field(default_factory=Found)
    all: Found = field(default_factory=Found)
    cents: int = 1000

    def measure(self) -> None:
        """Measure one round: one front end has the stock, then all have it."""
        for clients, found in ((self.clients[:1], self.one), (self.clients, self.all)):
            self.reprice()  # now nobody has it
            warm(clients)
            began_s = clock.monotonic_s()
            clients[0].trade(STOCK, TradeType.BUY, 1)
            found.note(TRADE, (clock.monotonic_s() - began_s) * 1000)
            warm(clients)
            began_s = clock.monotonic_s()
            price = self.reprice()
            found.note(PRICE, (clock.monotonic_s() - began_s) * 1000)
            for client in clients:
                if (read := client.query(STOCK).price) != price:
                    raise SystemExit(f"{client.urls[0]} says {read} after {price} (I7).")

    def reprice(self) -> Decimal:
        """Change the price; return it once everybody has dropped the stock."""
        self.cents += 1
        price = Decimal(self.cents) / 100
        self.catalog.change_price(STOCK, price)
        return price

    def rest(self, found: Found) -> None:
        """Note what the catalog does for leases alone."""
        pid = self.cluster.view("catalog").pid
        before_s = cpu_s(pid)
        clock.wait(REST_S)
        found.note(REST, (cpu_s(pid) - before_s) / REST_S * 100)


def warm(clients: Sequence[Client]) -> None:
    """Have front ends keep the stock."""
    for client in clients:
        client.query(STOCK)


def start_front_end(cluster: OwnCluster, port: int) -> subprocess.Popen[bytes]:
    """Start one more front end at a port of its own. Raises SystemExit."""

    def is_up() -> bool:
        try:
            ask(f"http://{HOST}:{port}/stocks?stock_name={STOCK}")
        except OSError:
            return False
        return True

    command = ("bazaar.web.lone_process", "--host", HOST, "--port", str(port))
    return processes.start(command, {**cluster.environ, **SHARED}, is_up)


def end_all(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes side by side."""
    for process in started:
        process.terminate()
    for process in started:
        processes.end(process)


def measure_holders(folder: Path, count: int, rounds: int) -> bool:
    """Measure with so many holders, and print; return whether all is within bounds."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(running(prepared(folder / "holders")))
        node, secret = cluster.topology.catalog, cluster.secret
        catalog = stack.enter_context(closing(CatalogClient.at(node, secret, CALL_TIMEOUT_S)))
        own = stack.enter_context(Client([cluster.base_url]))
        holders = Holders(cluster, catalog, [own])
        holders.rest(holders.one)
        weigh(cluster, holders.one)
        began_s, ports = clock.monotonic_s(), free_ports(count - 1)
        # Linux ends a process with the thread that started it: the threads stay.
        pool = stack.enter_context(ThreadPoolExecutor(STARTED_AT_ONCE))
        started = list(pool.map(partial(start_front_end, cluster), ports))
        stack.callback(end_all, started)
        took_s = clock.monotonic_s() - began_s
        for port in ports:
            holders.clients.append(stack.enter_context(Client([f"http://{HOST}:{port}"])))
        _say(f"{len(catalog.status().holders)} lease holders; the last came after {took_s:.0f} s")
        for _ in range(rounds):
            holders.measure()
        holders.rest(holders.all)
        weigh(cluster, holders.all)
    measures, found = (PRICE, TRADE, REST, *MEMORY), (holders.one, holders.all)
    _say(show(measures, {"1 holder": holders.one, f"{count} holders": holders.all}))
    return are_met(measures, found)


def measure_stocks(folder: Path, counts: Sequence[int], rounds: int) -> bool:
    """Measure with few stocks and with many, and print; return whether all is within bounds."""
    found, names = dict[str, Found](), dict[str, list[str]]()
    with contextlib.ExitStack() as stack:
        clusters = {}
        for count in sorted(counts):
            title = f"{count:,} stocks"
            cluster = sizes.list_many(folder / f"stocks-{count}", count)
            found[title], names[title] = Found(), sorted(prefill.list_stocks(cluster.data))
            began_s = clock.monotonic_s()
            clusters[title] = stack.enter_context(running(cluster))
            wait(cluster)
            found[title].note(START, clock.monotonic_s() - began_s)
        for title, cluster in clusters.items():
            wrk.run(cluster.base_url, 1, 1, paths=stock_paths(names[title]))  # into memory
        for _ in range(rounds):
            for title, cluster in clusters.items():
                ask_for_stocks(cluster.base_url, names[title], found[title])
        for title, cluster in clusters.items():
            weigh(cluster, found[title])
    _say(show(STOCK_MEASURES, found))
    return are_met(STOCK_MEASURES, list(found.values()))


def ask_for_stocks(url: str, names: Sequence[str], found: Found) -> None:
    """Measure one round at one cluster."""
    paths = stock_paths(names)
    found.note(HIT, wrk.run(url, 1, 1, paths=paths).p50)
    found.note(MISS, wrk.run(url, 1, 1, paths=paths, header=wrk.FRESH).p50)
    found.note(TRADED, trading.run(Spec(url=url, clients=1, seconds=1.0)).quantile_ms(0.5))
    half = len(names) // 2
    for measure, at in ((FIRST, 0), (MIDDLE, half), (LAST, len(names) - 1 - PAGE)):
        cursor = f"&cursor={quote(names[at])}" if at > 0 else ""
        found.note(measure, wrk.run(f"{url}{STOCKS_PATH}?limit={PAGE}{cursor}", 1, 1).p50)


def stock_paths(names: Sequence[str]) -> list[str]:
    """Return addresses of stocks from all over the list."""
    return [f"/stocks?stock_name={quote(name)}" for name in sizes.pick(list(names))]


def wait(cluster: OwnCluster) -> None:
    """Wait until all is well."""
    cluster.wait_for(lambda found: found.health is Health.HEALTHY, UP_TIMEOUT_S)


def main() -> int:
    """Measure, print, and return 1 when something is outside its bounds."""
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="bazaar-holders-") as name:
        folder, is_met = Path(name), True
        if options.holders > 1:
            is_met &= measure_holders(folder, options.holders, options.rounds)
        if options.stocks:
            is_met &= measure_stocks(folder, options.stocks, options.stock_rounds)
    return int(not is_met)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.holders", description=__doc__)
    parser.add_argument("--holders", type=int, default=100, help="1: leave this part out")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--stocks", type=int, nargs="*", default=[469, 10**5])
    parser.add_argument("--stock-rounds", type=int, default=5)
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
