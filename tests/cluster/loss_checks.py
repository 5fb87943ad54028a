"""What must be true of the databases at any moment of a load, whatever was lost before."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from bazaar.cluster.only_copy import find_shared
from bazaar.cluster.sequence_file import SequenceFile, UnreadableFile
from bazaar.proof.records import Done
from tests.cluster.price_changes import PriceChange, find_lacking, read_prices

Row = tuple[int | str, ...]
"""Number, stock, side and shares of an order."""
_ORDERS = "SELECT key, order_no, stock_name, trade_type, quantity FROM catalog_app_entry"
_UNBALANCED = """
    SELECT name, quantity, trade_volume, bought, sold FROM catalog_app_stock
    LEFT JOIN (
        SELECT stock_name, SUM(IIF(trade_type = 'buy', quantity, 0)) AS bought,
            SUM(IIF(trade_type = 'sell', quantity, 0)) AS sold
        FROM catalog_app_entry GROUP BY stock_name
    ) ON stock_name = name
    WHERE quantity != opening - IFNULL(bought - sold, 0) OR quantity > issued OR quantity < 0
        OR trade_volume != IFNULL(bought + sold, 0)
"""


class LossChecks:
    """
    Reads all databases while trades go on.

    Each acknowledged order is in the ledger once, as it was answered (I1 to I3), each acknowledged
    price too; shares are conserved (I4); the ledger follows from itself and is what it was (I11);
    the logs and the ledger are one history (I8).
    """

    def __init__(self, root: Path) -> None:
        """Take the ledger for right as it is now; root: the folder of the databases."""
        self._root, self._ledger = root, root / "catalog.sqlite3"
        with SequenceFile(self._ledger) as file:
            self._checked = file.head

    def find_wrong(self, orders: Sequence[Done], prices: Sequence[PriceChange]) -> list[str]:
        """Return what is wrong now, in words; orders, prices: acknowledged before."""
        rows = read_orders(self._ledger)
        wrong = [
            f"the ledger lacks an acknowledged order: {done}, it has {has}"
            for done in orders
            if (has := rows.get(UUID(done.key)))
            != (done.order_no, done.stock_name, done.trade_type, done.shares)
        ]
        wrong += find_lacking("the ledger", read_prices(self._ledger), prices)
        wrong += [f"shares are not conserved: {row}" for row in _read(self._ledger, _UNBALANCED)]
        try:
            wrong += self._find_other_history()
        except UnreadableFile as error:
            wrong.append(str(error))
        return wrong

    def _find_other_history(self) -> Iterator[str]:
        with SequenceFile(self._ledger) as file:
            before = self._checked
            if file.head.position < before.position or file.head_at(before.position) != before:
                yield f"the ledger is not what it was up to {before}"
                return
            if (end := file.find_sound_end(before)) != file.head:
                yield f"the ledger is wrong after {end}"
            self._checked = file.head
            for log in sorted(self._root.glob("order-*.sqlite3")):
                yield from _find_parted(file, log)


def read_orders(ledger: Path) -> dict[UUID, Row]:
    """Return the orders of a catalog's database by key."""
    return {UUID(key): tuple(row) for key, *row in _read(ledger, _ORDERS)}


def _read(ledger: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def _find_parted(ledger: SequenceFile, log: Path) -> Iterator[str]:
    """Yield where a log and the ledger have different entries."""
    with SequenceFile(log) as file:
        shared = find_shared(ledger, file).position
        if shared != min(ledger.head.position, file.head.position):
            yield f"{log.stem} and the ledger part after entry {shared}"
