"""What must be true of the databases at any moment of a load, whatever was lost before."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

from bazaar.cluster.only_copy import find_shared
from bazaar.cluster.sequence_file import SequenceFile
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load
from tests.cluster.price_changes import PriceChanges, find_lacking, read_prices

Row = tuple[int | str, ...]
"""Number, stock, side and shares of an order."""
_ORDERS = "SELECT key, order_no, stock_name, trade_type, quantity FROM catalog_app_entry"


def find_lost(cluster: LiveCluster, load: Load, prices: PriceChanges) -> list[str]:
    """
    Read all databases while trades go on; return what is wrong, in words.

    Each acknowledged order is in the ledger once, as it was answered (I1 to I3), each acknowledged
    price too; the ledger follows from itself, and its stocks from it (I4, I11); the logs and the
    ledger are one history (I8).
    """
    orders, changes = load.acknowledged, tuple(prices.acknowledged)  # before the ledger is read
    ledger = cluster.data.root / "catalog.sqlite3"
    rows = read_orders(ledger)
    wrong = [
        f"the ledger lacks an acknowledged order: {done}, it has {has}"
        for done in orders
        if (has := rows.get(UUID(done.key)))
        != (done.order_no, done.stock_name, done.trade_type, done.shares)
    ]
    wrong += find_lacking("the ledger", read_prices(ledger), changes)
    logs = [cluster.data.root / f"order-{node.id}.sqlite3" for node in cluster.topology.replicas]
    with SequenceFile(ledger) as file:
        if fault := file.find_fault():
            wrong.append(f"ledger: {fault}")
        wrong += [fault for log in logs for fault in _find_parted(file, log)]
    return wrong


def read_orders(ledger: Path) -> dict[UUID, Row]:
    """Return the orders of a catalog's database by key."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as database:
        return {UUID(key): tuple(row) for key, *row in database.execute(_ORDERS)}


def _find_parted(ledger: SequenceFile, log: Path) -> Iterator[str]:
    """Yield where a log and the ledger have different entries."""
    with SequenceFile(log) as file:
        shared = find_shared(ledger, file).position
        if shared != min(ledger.head.position, file.head.position):
            yield f"{log.stem} and the ledger part after entry {shared}"
