"""
The dialects beside the seed's, in one run: `make bench-dialects`.

One cluster answers a stock from memory, orders, and trades in every dialect in turn. Each round
gives the ratio of v1 and of the course's dialect to the seed's. A stock and a trade are to reach
0.9 of it; the exit code is 1 when one does not.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bazaar.client import exchange
from bazaar.client.client_dialects import CLIENT_DIALECTS, SEED, ClientDialect
from bazaar.client.reading import cache_word
from bench import trading, wrk
from bench.cache import STOCK, ask
from bench.clusters import prepared, running
from bench.effort import MOST_CLIENTS
from bench.field import FIRST_ORDERS_S
from bench.numbers import ratio
from bench.queries import ORDERS
from bench.results import CACHED, LOOK_UP, TRADE, Cell
from bench.rounds import take_turns
from bench.tables import Table, ms, plain, spread
from bench.trades import in_short
from bench.verdicts import Verdict, at_least
from bench.wrk import Measured

TASKS = (CACHED, LOOK_UP, TRADE)
OF_SEED = 0.9
"""The least part of the seed's rate."""
ASKED = (CACHED, TRADE)
"""Tasks of which that is asked; the look-up of an order is shown beside them."""


@dataclass(frozen=True)
class Load:
    """One cluster, and how long it is loaded at a time."""

    url: str
    seconds: int

    def once(self, task: str, name: str, clients: int) -> tuple[Measured, int]:
        """Measure one task in one dialect. Raises SystemExit: there were errors."""
        dialect = CLIENT_DIALECTS[name]
        if task == TRADE:
            spec = trading.Spec(
                url=self.url, clients=clients, seconds=self.seconds, dialect=dialect.name
            )
            return in_short(trading.run(spec))
        if task == LOOK_UP:
            return wrk.run(self.url, clients, self.seconds, paths=list_order_paths(dialect)), 0
        path = exchange.build_query(dialect, STOCK).request.target
        fill(self.url + path)
        return wrk.run(self.url + path, clients, self.seconds), 0


def list_order_paths(dialect: ClientDialect) -> list[str]:
    """Return the paths of the first orders in a dialect."""
    calls = (exchange.build_order_query(dialect, number) for number in range(1, ORDERS + 1))
    return [call.request.target for call in calls]


def fill(url: str) -> None:
    """Have a stock in memory. Raises SystemExit: it does not come from there."""
    ask(url)
    headers = {name.lower(): value for name, value in ask(url)[1]}
    if (word := cache_word(headers.get("cache-status", ""))) != "hit":
        raise SystemExit(f"{url} was answered as {word}, not from memory.")


def judge(cells: Sequence[Cell]) -> Iterator[Verdict]:
    """Yield a verdict on each dialect but the seed's at what is asked of it."""
    for cell, seed in beside_seed(cells):
        if cell.task in ASKED:
            what = f"{cell.task}, {cell.clients} clients: {cell.contestant} / {SEED.name}"
            yield at_least(what, OF_SEED, ratio(cell.rate, seed.rate))


def beside_seed(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """Yield each result in another dialect with the seed's of the same rounds."""
    seeds = {(one.task, one.clients): one for one in cells if one.contestant == SEED.name}
    for cell in cells:
        if cell.contestant != SEED.name:
            yield cell, seeds[cell.task, cell.clients]


def table_of(cells: Sequence[Cell]) -> Table:
    """Return a row for each task and dialect, with its ratio to the seed's."""
    ratios = {
        id(cell): spread(ratio(cell.rate, seed.rate), ".3f") for cell, seed in beside_seed(cells)
    }
    heads = ("", "clients", "dialect", "a second", "p50", "p99", f"/ {SEED.name}", "errors")
    rows = [
        (
            *(cell.task, str(cell.clients), cell.contestant, spread(cell.rate, ",.0f")),
            *(ms(cell.p50_ms), ms(cell.p99_ms), ratios.get(id(cell), "")),
            str(cell.errors or ""),
        )
        for cell in cells
    ]
    return heads, rows


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when less is reached than is asked."""
    options = _read(arguments)
    cells = []
    with (
        tempfile.TemporaryDirectory(prefix="bazaar-dialects-") as folder,
        running(prepared(Path(folder) / "cluster")) as cluster,
    ):
        load = Load(cluster.base_url, options.seconds)
        trading.run(trading.Spec(url=load.url, clients=8, seconds=FIRST_ORDERS_S))
        for clients in options.clients:
            for task in options.only:
                turns = [(task, name) for name in CLIENT_DIALECTS]
                cells += take_turns(clients, options.rounds, turns, load.once)
    verdicts = list(judge(cells))
    words = [(one.what, one.target, one.measured, one.word) for one in verdicts]
    for table in (table_of(cells), (("", "target", "measured", "verdict"), words)):
        sys.stdout.write("\n".join(plain(table)) + "\n\n")
    return 0 if all(one.is_reached for one in verdicts) else 1


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.dialects", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--only", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--clients", type=int, nargs="+", default=[MOST_CLIENTS])
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
