"""
Clusters with a long history, made by filling their databases in bulk.

Every stock is bought and sold in turns, so quantities end where they began; volumes, versions and
the digest chain are right, and the audit finds nothing.
"""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from bazaar.cluster.data_dir import DataDir
from bazaar.core.digest import extend, extend_by_text, write_order
from bazaar.core.types import START, Head, StockChange, Version
from bazaar.runtime.sequence_rows import make_head
from bazaar.runtime.sequence_store import HEAD_COLUMNS, HEAD_JOINS
from bazaar.topology import Topology

TERM = 1
"""In which all of it was traded."""
KEY_BITS = 128
_RANDOM_BITS = ~(0xF << 76 | 0x3 << 62)
_UUID_4_BITS = 0x4 << 76 | 0x2 << 62
"""What says that a UUID is random."""
CACHE_KB = 1_500_000
"""At most: the index on the keys of ten million orders is in memory."""
_FAST = (
    "PRAGMA ignore_check_constraints=ON",
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    f"PRAGMA cache_size=-{CACHE_KB}",
)
_ENTRY = (
    "INSERT INTO catalog_app_entry"
    " (order_no, key, stock_name, trade_type, quantity, term, digest, version)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_COLUMNS = "order_no, key, stock_name, trade_type, quantity, digest"
_CHANGE_COLUMNS = "position, change_no, stock_name, price, opening, issued, version, digest"
_CHANGE = (
    f"INSERT INTO catalog_app_stockchange ({_CHANGE_COLUMNS})"  # noqa: S608 - names of our own
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_HEAD = f"SELECT {HEAD_COLUMNS} FROM (SELECT 1 AS one) AS single" + HEAD_JOINS.format(  # noqa: S608
    table="catalog_app_entry", changes="catalog_app_stockchange"
)
_STOCK = (
    "INSERT INTO catalog_app_stock"
    " (name, price, quantity, opening, issued, trade_volume, version)"
    " VALUES (?, '10', 1000000, 1000000, 2000000, 0, 1)"
)


def add_orders(data: DataDir, topology: Topology, orders: int) -> None:
    """Fill ledger and logs of migrated databases that have stocks, no orders."""
    catalog = _path(data, "catalog")
    _fill_ledger(catalog, orders)
    first, *others = (_path(data, f"order-{node.id}") for node in topology.replicas)
    _fill_log(first, catalog)
    for other in others:
        shutil.copyfile(first, other)


def _fill_ledger(catalog: Path, orders: int) -> None:
    with closing(sqlite3.connect(catalog, isolation_level=None)) as connection:
        _hurry(connection)
        names = [row[0] for row in connection.execute("SELECT name FROM catalog_app_stock")]
        connection.execute("BEGIN")
        connection.executemany(_ENTRY, rows(names, orders, _head(connection)))
        connection.execute(
            "UPDATE catalog_app_stock SET (version, trade_volume) = (SELECT 1 + COUNT(*),"
            " TOTAL(quantity) FROM catalog_app_entry WHERE stock_name = name)"
        )
        connection.execute("UPDATE catalog_app_leadership SET term = ?", (TERM,))
        _move_head_row(connection, _head(connection))
        connection.execute("COMMIT")


def _fill_log(log: Path, catalog: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        _hurry(connection)
        connection.execute("ATTACH ? AS catalog", (str(catalog),))
        connection.execute(
            f"INSERT INTO order_app_logentry ({_COLUMNS})"  # noqa: S608 - names of our own
            f" SELECT {_COLUMNS} FROM catalog.catalog_app_entry ORDER BY order_no"
        )
        connection.execute(
            f"INSERT INTO order_app_stockchange ({_CHANGE_COLUMNS})"  # noqa: S608
            f" SELECT {_CHANGE_COLUMNS} FROM catalog.catalog_app_stockchange ORDER BY position"
        )


def _head(catalog: sqlite3.Connection) -> Head:
    """Return where a ledger ends."""
    return make_head(catalog.execute(_HEAD).fetchone())


def rows(names: list[str], orders: int, head: Head = START) -> Iterator[tuple[object, ...]]:
    """
    Yield the rows of the ledger: each stock is bought, then sold, by one share.

    head: where the ledger ends before; it has no orders.
    """
    chance = random.Random(orders)  # noqa: S311 - keys of a benchmark
    digest = head.digest
    for at in range(orders):
        name = names[at // 2 % len(names)]
        side = "sell" if at % 2 else "buy"
        key = f"{chance.getrandbits(KEY_BITS) & _RANDOM_BITS | _UUID_4_BITS:032x}"
        dashed = f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"
        # From its fields: to make the order and have it written takes thrice as long.
        digest = extend_by_text(digest, write_order(at + 1, dashed, side, 1, None, name))
        version = 2 + at // 2 // len(names) * 2 + at % 2
        yield at + 1, key, name, side, 1, TERM, digest, version


def cut(data: DataDir, name: str, orders: int) -> None:
    """Take the newest orders out of a replica's log while it is down."""
    with closing(sqlite3.connect(_path(data, name), isolation_level=None)) as connection:
        connection.execute(
            "DELETE FROM order_app_logentry"
            " WHERE order_no > (SELECT MAX(order_no) FROM order_app_logentry) - ?",
            (orders,),
        )


def add_stocks(data: DataDir, names: list[str]) -> None:
    """List more stocks."""
    with closing(sqlite3.connect(_path(data, "catalog"), isolation_level=None)) as connection:
        _hurry(connection)
        connection.execute("BEGIN")
        connection.executemany(_STOCK, ((name,) for name in names))
        head = _head(connection)
        for name in names:
            change = StockChange(name, Decimal("10.00"), 10**6, 2 * 10**6, Version(1))
            head = extend(head, change)
            fields = (name, str(change.price), change.opening, change.issued, change.version)
            numbers = (head.position, head.position - head.order_no)
            connection.execute(_CHANGE, (*numbers, *fields, head.digest))
        _move_head_row(connection, head)
        connection.execute("COMMIT")


def _move_head_row(catalog: sqlite3.Connection, head: Head) -> None:
    """Let the catalog know where its ledger ends."""
    catalog.execute(
        "UPDATE catalog_app_leadership SET position = ?, digest = ?", (head.position, head.digest)
    )


def list_stocks(data: DataDir) -> list[str]:
    """Return the names of all stocks."""
    with closing(sqlite3.connect(_path(data, "catalog"))) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM catalog_app_stock")]


def _path(data: DataDir, name: str) -> Path:
    path = data.database(name)
    assert path is not None, "catalog and replicas have one"
    return path


def _hurry(connection: sqlite3.Connection) -> None:
    """Leave the journal out: a file that was not filled to its end is never used."""
    for line in _FAST:
        connection.execute(line).fetchall()
