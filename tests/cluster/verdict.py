"""From what visitors noted, and the ledger, to a verdict on the history (I7)."""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from bazaar.core.types import TradeType
from bazaar.proof.stock_operations import StockOperation, StockOperationKind, make_opening
from tests.cluster.conftest import LiveCluster
from tests.cluster.proof import assert_acknowledged, read_ledger
from tests.cluster.test_crashes import assert_proof
from tests.cluster.traders import Answer
from tests.cluster.visitors import Notes

_STOCKS = "SELECT name, version, quantity, trade_volume, price FROM catalog_app_stock"
_VERSIONS = "SELECT key, order_no, version FROM catalog_app_entry"


def list_openings(data: Path) -> list[StockOperation]:
    """Return the state of every stock as the catalog's database has it now."""
    return [
        make_opening(name, version, quantity, trade_volume, Decimal(str(price)))
        for name, version, quantity, trade_volume, price in _select(data, _STOCKS)
    ]


def list_trades(data: Path, trades: Sequence[tuple[int, Answer]]) -> Iterator[StockOperation]:
    """
    Yield the trades that the ledger has, with the versions they made; see that nobody else traded.

    A trade that is not in the ledger has not happened: nothing may be under way any more.
    """
    ledger = {UUID(key): (order_no, version) for key, order_no, version in _select(data, _VERSIONS)}
    for visitor, answer in trades:
        if answer.key not in ledger:
            continue
        order_no, version = ledger.pop(answer.key)
        yield StockOperation(
            *(visitor, StockOperationKind.TRADE, answer.stock_name, version, answer.sent_s),
            end_s=answer.done_s if answer.status == 200 else math.inf,
            order_no=order_no,
            trade_type=TradeType(answer.trade_type),
            shares=answer.quantity,
        )
    assert not ledger, f"I2: nobody asked for the orders {sorted(ledger.values())[:5]}"


def prove(
    cluster: LiveCluster, openings: Sequence[StockOperation], notes: Notes
) -> list[StockOperation]:
    """Heal the cluster, hold its databases to the promises, and return the whole history."""
    assert_proof(cluster)
    data = cluster.data.root
    assert_acknowledged(read_ledger(data), [answer for _, answer in notes.trades])
    return [*openings, *notes.reads, *list_trades(data, notes.trades)]


def _select(data: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{data / 'catalog.sqlite3'}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()
