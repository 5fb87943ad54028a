"""
What the databases say after the fact: read directly from the files, by no code of the roles.

Holds the real cluster to I1 (dense, equal), I2 (once), I3 (nothing lost), I4 (conservation) and I8
(prefix, digests).
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tests.cluster.traders import Answer

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Row:
    """One order as a database has it."""

    order_no: int
    key: str
    stock_name: str
    trade_type: str
    quantity: int
    digest: str


def read_log(path: Path, table: str) -> list[Row]:
    """Return every order of a ledger or log, by number."""
    query = (
        "SELECT order_no, key, stock_name, trade_type, quantity, digest"
        f" FROM {table} ORDER BY order_no"
    )
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = [Row(*row) for row in connection.execute(query)]
    connection.close()
    return rows


def read_ledger(data: Path) -> list[Row]:
    """Return the catalog's ledger."""
    return read_log(data / "catalog.sqlite3", "catalog_app_entry")


def read_order_log(data: Path, replica_id: int) -> list[Row]:
    """Return one replica's order log."""
    return read_log(data / f"order-{replica_id}.sqlite3", "order_app_logentry")


def assert_history(data: Path, replica_ids: Sequence[int], answers: Sequence[Answer]) -> None:
    """Assert everything that must hold once the cluster is level again."""
    ledger = read_ledger(data)
    assert_dense_and_chained(ledger)
    for replica_id in replica_ids:
        assert read_order_log(data, replica_id) == ledger, f"replica {replica_id} differs (I1, I8)"
    assert_acknowledged(ledger, answers)
    assert_conservation(data, ledger)


def assert_dense_and_chained(ledger: Sequence[Row]) -> None:
    """I1: dense from 1, each key once; the digest chain recomputed from scratch."""
    assert [row.order_no for row in ledger] == list(range(1, len(ledger) + 1)), "I1: not dense"
    keys = [row.key for row in ledger]
    assert len(set(keys)) == len(keys), "I2: a key was executed twice"
    digest = GENESIS
    for row in ledger:
        body = f"{row.order_no}|{UUID(row.key)}|{row.trade_type}|{row.quantity}|{row.stock_name}"
        digest = hashlib.sha256(f"{digest}|{body}".encode()).hexdigest()
        assert digest == row.digest, f"the digest of order {row.order_no} does not fit"


def assert_acknowledged(ledger: Sequence[Row], answers: Sequence[Answer]) -> None:
    """I2, I3: what was acknowledged is there, once, under its number; what was refused is not."""
    by_key = {UUID(row.key): row for row in ledger}
    for answer in answers:
        row = by_key.get(answer.key)
        if answer.status == 200:
            assert row is not None, f"I3: order {answer.order_no} is lost"
            wanted = (answer.order_no, answer.stock_name, answer.trade_type, answer.quantity)
            assert (row.order_no, row.stock_name, row.trade_type, row.quantity) == wanted
        elif answer.status == 404:
            assert row is None, f"I9: {answer.key} was refused and happened all the same"


def assert_conservation(data: Path, ledger: Sequence[Row]) -> None:
    """I4: every stock's numbers follow from the ledger."""
    bought: dict[str, int] = {}
    sold: dict[str, int] = {}
    for row in ledger:
        side = bought if row.trade_type == "buy" else sold
        side[row.stock_name] = side.get(row.stock_name, 0) + row.quantity
    query = "SELECT name, quantity, opening, issued, trade_volume FROM catalog_app_stock"
    with sqlite3.connect(f"file:{data / 'catalog.sqlite3'}?mode=ro", uri=True) as connection:
        stocks = connection.execute(query).fetchall()
    connection.close()
    for name, quantity, opening, issued, trade_volume in stocks:
        assert 0 <= quantity <= issued, name
        assert quantity == opening - bought.get(name, 0) + sold.get(name, 0), name
        assert trade_volume == bought.get(name, 0) + sold.get(name, 0), name
