"""An operator who changes prices under load, and what must be true of them in the end."""

import itertools
import sqlite3
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.protocol.clients import CatalogClient
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import STOCKS, Load

PAUSE_S = 0.1
TIMEOUT_S = 10.0
CENT = Decimal("0.01")
Prices = Mapping[str, Mapping[int, Decimal]]
"""The price of each version that changed it, by stock."""
_CHANGES = "SELECT stock_name, version, price FROM {table}"


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One acknowledged change."""

    stock_name: str
    version: int
    price: Decimal
    done_s: float
    """On the monotonic clock."""


class PriceChanges:
    """Changes one price after the other for as long as a `with` block runs, each a new one."""

    def __init__(self, cluster: LiveCluster) -> None:
        """Change nothing yet."""
        self._node, self._secret = cluster.topology.catalog, cluster.secret
        self.acknowledged: list[PriceChange] = []
        self.uncertain: list[tuple[str, Decimal]] = []
        """Those that may have happened."""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "PriceChanges":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join(2 * TIMEOUT_S)
        assert not self._thread.is_alive(), "a price change does not end"

    def _run(self) -> None:
        with closing(CatalogClient.at(self._node, self._secret, TIMEOUT_S)) as client:
            for number, name in enumerate(itertools.cycle(STOCKS), start=1):
                if self._is_over.wait(PAUSE_S):
                    return
                price = number * CENT
                try:
                    stock = client.change_price(name, price)
                except Failure:
                    self.uncertain.append((name, price))
                else:
                    change = PriceChange(name, stock.version, price, clock.monotonic_s())
                    self.acknowledged.append(change)

    def find_wrong(self, cluster: LiveCluster, load: Load) -> list[str]:
        """Return what is wrong with prices in databases and reads, in words (I3, I7)."""
        names = ["catalog", *(f"order-{node.id}" for node in cluster.topology.replicas)]
        found = {name: read_prices(cluster.data.root / f"{name}.sqlite3") for name in names}
        wrong = [one for name in names for one in self._find_lost(name, found[name])]
        wrong += self._find_wrong_reads(load, found["catalog"])
        return wrong

    def _find_lost(self, where: str, prices: Prices) -> Iterator[str]:
        """Yield what a database lacks, and what was not last acknowledged."""
        yield from find_lacking(where, prices, self.acknowledged)
        last = {change.stock_name: change for change in self.acknowledged}
        for name, change in last.items():
            newest = max(prices[name])
            is_uncertain = (name, prices[name][newest]) in self.uncertain
            if newest != change.version and not (newest > change.version and is_uncertain):
                yield f"{where} has another price than the last acknowledged one: {change}"

    def _find_wrong_reads(self, load: Load, prices: Prices) -> Iterator[str]:
        """Yield reads that show an older version, or another price than their version had."""
        by_stock = defaultdict[str, list[PriceChange]](list)
        for change in self.acknowledged:
            by_stock[change.stock_name].append(change)
        for done in load.done:
            if done.kind != "query" or done.outcome != "ok" or done.is_stale:
                continue
            assert done.stock_name is not None
            assert done.version is not None
            changes = by_stock[done.stock_name]
            before = _last_before(changes, load.origin_s + done.sent_s)
            if before and done.version < before.version:
                yield f"{done} is older than {before}"
            if Decimal(done.price or 0) != _price_at(prices[done.stock_name], done.version):
                yield f"{done} shows a price that its version never had"


def find_lacking(where: str, prices: Prices, acknowledged: Iterable[PriceChange]) -> Iterator[str]:
    """Yield the acknowledged prices that a database lacks, in words."""
    for change in acknowledged:
        has = prices[change.stock_name].get(change.version)
        if has != change.price:
            yield f"{where} lacks an acknowledged price: {change}, it has {has}"


def read_prices(path: Path) -> Prices:
    """Return all prices in a catalog's or a replica's database."""
    table = f"{'catalog' if path.stem == 'catalog' else 'order'}_app_stockchange"
    prices = defaultdict[str, dict[int, Decimal]](dict)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for name, version, price in database.execute(_CHANGES.format(table=table)):
            prices[name][version] = Decimal(price)
    return prices


def _last_before(changes: Sequence[PriceChange], at_s: float) -> PriceChange | None:
    """Return the last change that was acknowledged before a moment."""
    place = bisect_right(changes, at_s, key=lambda one: one.done_s)
    return changes[place - 1] if place else None


def _price_at(prices: Mapping[int, Decimal], version: int) -> Decimal:
    """Return what a stock cost in a version."""
    return prices[max(one for one in prices if one <= version)]
