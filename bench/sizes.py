"""Queries against the number of stocks, trades against the number of replicas."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from bench import prefill, trades, trading, wrk
from bench.clusters import OwnCluster, prepared, running
from bench.effort import Effort
from bench.results import BAZAAR, CACHED, TRADE, UNCACHED, Size
from bench.rounds import take_turns
from bench.trading import Spec

CONNECTIONS = 8
PATHS_MAX = 500
"""Stocks that are asked for in turn, spread over all there are."""
SETS = {10: "asterix", 469: "sp500"}
CLIENTS = (1, 32)
Say = Callable[[str], None]
Found = tuple[wrk.Measured, int]


def measure_stocks(effort: Effort, folder: Path, say: Say) -> list[Size]:
    """Measure hits and misses at every number of stocks, side by side."""
    with contextlib.ExitStack() as stack:
        urls, paths = {}, {}
        for count in effort.stocks:
            say(f"starting a cluster with {count:,} stocks")
            cluster = list_many(folder / f"stocks-{count}", count)
            names = prefill.list_stocks(cluster.data)
            stack.enter_context(running(cluster))
            urls[str(count)] = cluster.base_url
            paths[str(count)] = [f"/stocks?stock_name={quote(name)}" for name in pick(names)]

        def once(task: str, name: str, clients: int) -> Found:
            header = wrk.FRESH if task == UNCACHED else None
            url, seconds = urls[name], effort.query_s
            return wrk.run(url, clients, seconds, header=header, paths=paths[name]), 0

        for name in urls:
            once(CACHED, name, CONNECTIONS)  # into memory
        turns = [(task, name) for task in (CACHED, UNCACHED) for name in urls]
        say("queries against the number of stocks")
        cells = take_turns(CONNECTIONS, effort.rounds, turns, once)
    return [
        Size(count=count, cells=tuple(cell for cell in cells if cell.contestant == str(count)))
        for count in effort.stocks
    ]


def pick(names: list[str]) -> list[str]:
    """Return stocks from all over the list."""
    return names[:: max(1, len(names) // PATHS_MAX)][:PATHS_MAX]


def list_many(place: Path, count: int) -> OwnCluster:
    """Return a cluster that has so many stocks."""
    cluster = prepared(place, stocks=SETS.get(count, "asterix"))
    if count not in SETS:
        prefill.add_stocks(cluster.data, [f"Stock {number:06}" for number in range(count - 10)])
    return cluster


def measure_replicas(effort: Effort, folder: Path, say: Say) -> list[Size]:
    """Measure trades with every number of replicas, one cluster after the other."""
    found = []
    for count in effort.replicas:
        say(f"trades with {count} replicas")
        with running(prepared(folder / f"replicas-{count}", replicas=count)) as cluster:
            url = cluster.base_url

            def once(task: str, name: str, clients: int, url: str = url) -> Found:
                del task, name
                spec = Spec(url=url, clients=clients, seconds=effort.trade_s)
                return trades.in_short(trading.run(spec))

            cells = []
            for clients in CLIENTS:
                cells += take_turns(clients, effort.replica_rounds, [(TRADE, BAZAAR)], once)
            found.append(Size(count=count, cells=tuple(cells)))
    return found
