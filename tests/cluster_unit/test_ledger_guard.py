"""No catalog begins anew by mistake where replicas have orders."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.cluster import ledger_guard
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.topology import local

FOUND = local(3)


def write(data: DataDir, number: int, orders: int, changes: int = 0) -> None:
    """Make what the guard reads of a replica's database."""
    with closing(sqlite3.connect(data.root / f"order-{number}.sqlite3")) as connection:
        connection.execute("CREATE TABLE order_app_logentry (order_no INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE order_app_stockchange (position INTEGER PRIMARY KEY)")
        for table, count in (("logentry", orders), ("stockchange", changes)):
            numbers = [(number + 1,) for number in range(count)]
            connection.executemany(f"INSERT INTO order_app_{table} VALUES (?)", numbers)
        connection.commit()


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path)


def test_a_missing_ledger_beside_orders_is_refused(data: DataDir) -> None:
    write(data, 1, 0)
    write(data, 2, 1234)
    with pytest.raises(ClusterError) as caught:
        ledger_guard.check_files(data, FOUND)
    sentence = str(caught.value)
    assert sentence.startswith("catalog has no database, but replica 2 has 1,234 orders: ")
    assert "cluster rebuild catalog" in sentence
    assert str(data.root) in sentence
    assert "\n" not in sentence


def test_an_older_ledger_may_start(data: DataDir) -> None:
    """It takes what it lacks from the replicas."""
    write(data, 1, 9)
    with closing(sqlite3.connect(data.root / "catalog.sqlite3")) as connection:
        connection.execute("CREATE TABLE catalog_app_entry (order_no INTEGER PRIMARY KEY)")
    ledger_guard.check_files(data, FOUND)


def test_a_file_without_tables_is_no_ledger(data: DataDir) -> None:
    write(data, 1, 9)
    with closing(sqlite3.connect(data.root / "catalog.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(ClusterError, match="has no database"):
        ledger_guard.check_files(data, FOUND)


@pytest.mark.parametrize("logs", [(), (0,), (0, 0, 0)])
def test_a_new_cluster_may_start(data: DataDir, logs: tuple[int, ...]) -> None:
    for number, orders in enumerate(logs, start=1):
        write(data, number, orders)
    ledger_guard.check_files(data, FOUND)


def test_a_damaged_log_is_no_reason_against_a_new_catalog(data: DataDir) -> None:
    (data.root / "order-1.sqlite3").write_bytes(b"garbage" * 999)
    ledger_guard.check_files(data, FOUND)


@pytest.mark.parametrize(
    ("orders", "changes", "expected"), [(0, 0, False), (3, 0, True), (0, 3, True)]
)
def test_logs_with_entries_are_what_a_new_catalog_begins_with(
    data: DataDir, orders: int, changes: int, *, expected: bool
) -> None:
    assert not ledger_guard.has_entries(data)
    write(data, 2, orders, changes)
    assert ledger_guard.has_entries(data) is expected
