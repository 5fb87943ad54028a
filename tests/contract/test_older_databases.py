"""Databases of the version before, whose orders have no names, go on as they are (I1, I8)."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from bazaar.core.digest import link
from bazaar.core.types import START, Linked, OrderNo, Position
from bazaar.runtime.transactions import write_transaction
from catalog_app import head_row, selectors
from order_app.store import OrderLog
from tests.support.histories import STOCK, make_linked, make_order, make_page

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def version_before(app: str, migration: str) -> Iterator[None]:
    """Have the tables as they were, and migrate them at the end."""
    MigrationExecutor(connection).migrate([(app, migration)])
    try:
        yield
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())


def insert(table: str, columns: str, linked: Linked) -> None:
    """Store an order as that version did; its stock is STOCK."""
    order, head = linked
    number = head.order_no
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (order_no, key, stock_name, trade_type, quantity, {columns})"
            " VALUES (%s, %s, %s, 'buy', 1, %s" + (", 1, 1)" if "term" in columns else ")"),
            [number, make_order(number).key.hex, order.stock_name, head.digest],
        )


def with_names() -> tuple[Linked, ...]:
    """Return three orders; the last one has a name."""
    return tuple(link(START, [make_order(1), make_order(2), make_order(3, placed_by="bob")]))


def test_a_log_goes_on() -> None:
    with version_before("order_app", "0003_identity"):
        for one in make_linked(2):
            insert("order_app_logentry", "digest", one)
    log = OrderLog()
    assert log.find_fault() == ""
    assert log.page(Position(0), 10) == make_page(2)
    log.append(with_names()[2:])
    assert log.get(OrderNo(3)) == make_order(3, placed_by="bob")
    assert log.find_fault() == ""


def test_a_ledger_goes_on() -> None:
    with version_before("catalog_app", "0005_identity"):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO catalog_app_stock (name, price, quantity, opening, issued,"
                " trade_volume, version) VALUES (%s, 1, 998, 1000, 2000, 2, 3)",
                [STOCK.name],
            )
            cursor.execute("DELETE FROM catalog_app_leadership")
            cursor.execute(
                "INSERT INTO catalog_app_leadership (id, term, in_sync) VALUES (1, 3, '')"
            )
        for one in make_linked(2):
            insert("catalog_app_entry", "digest, term, version", one)
    assert selectors.LEDGER.page(Position(0), 10) == make_page(2)
    with write_transaction() as database:
        row, head = head_row.read(database)
        assert (head, row.term, row.epoch) == (make_linked(2)[-1][1], 3, 0)
        selectors.LEDGER.insert(database, with_names()[2:], [(1, 4, 7)])
    assert selectors.LEDGER.get(OrderNo(3)) == make_order(3, placed_by="bob")
    assert selectors.LEDGER.find_fault() == ""


def test_a_point_of_a_ledger_without_times_is_made_anew() -> None:
    """I8: its digest of all columns would be another one, and a sound ledger count as damaged."""
    before = version_before("catalog_app", "0007_orders_remember_who_placed_them")
    with before, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_app_verifiedpoint (position, order_no, digest, content)"
            " VALUES (1000, 1000, 'd', 'of fewer columns')"
        )
    assert selectors.POINTS.last() == START
