"""A transaction with plain statements: all or nothing, and Django's errors."""

import pytest
from django.db import IntegrityError, connection, transaction

from bazaar.core.failures import StorageFailed
from bazaar.runtime.transactions import write_transaction
from catalog_app.models import Stock
from tests.support.databases import is_in_transaction
from tests.support.waits import WAIT_S, in_thread

pytestmark = pytest.mark.django_db(transaction=True)

INSERT = (
    "INSERT INTO catalog_app_stock (name, price, quantity, opening, issued, trade_volume, version)"
    " VALUES (?, 1, 1, 1, 1, 0, 1)"
)


def names() -> list[str]:
    """Return what anybody else sees, over a connection of its own."""
    found = in_thread(lambda: list(Stock.objects.values_list("name", flat=True)))
    return sorted(found.result(WAIT_S))


def insert_and_break(name: str) -> None:
    with write_transaction() as database:
        database.execute(INSERT, (name,))
        raise ZeroDivisionError


def test_all_of_it_is_seen_after_the_end_and_nothing_before() -> None:
    with write_transaction() as database:
        database.executemany(INSERT, [("A",), ("B",)])
        assert names() == []
    assert names() == ["A", "B"]
    assert not is_in_transaction()


def test_a_block_that_raises_changes_nothing() -> None:
    with pytest.raises(ZeroDivisionError):
        insert_and_break("A")
    assert names() == []
    with write_transaction() as database:
        database.execute(INSERT, ("B",))
    assert names() == ["B"]


def test_what_the_database_refuses_is_djangos_error_and_changes_nothing() -> None:
    with pytest.raises(IntegrityError), write_transaction() as database:
        database.executemany(INSERT, [("A",), ("A",)])
    assert names() == []


@pytest.mark.sqlite
def test_a_locked_database_may_be_tried_again() -> None:
    with transaction.atomic():
        Stock.objects.exists()

        def write() -> None:
            with write_transaction() as database:
                database.execute("PRAGMA busy_timeout")

        def try_to_write() -> None:
            connection.ensure_connection()
            connection.connection.execute("PRAGMA busy_timeout = 1")
            write()

        with pytest.raises(StorageFailed, match="locked"):
            in_thread(try_to_write).result(WAIT_S)


def test_inside_a_transaction_of_djangos_it_is_a_part_of_that() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        insert_and_break("A")
    assert names() == []
