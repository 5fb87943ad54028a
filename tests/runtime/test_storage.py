"""Which errors of a database pass by themselves, and what waits for them."""

import sqlite3

import pymysql
import pytest
from django.db import DatabaseError, OperationalError, connection

from bazaar.core.failures import StorageFailed
from bazaar.runtime.backends.mariadb.engine import ENGINE as MARIADB
from bazaar.runtime.storage import await_storage, find_failure, storage
from bazaar.runtime.transactions import read, write_transaction
from catalog_app.models import Stock
from tests.support.disks import refuse_writes

INSERT = (
    "INSERT INTO catalog_app_stock (name, price, quantity, opening, issued, trade_volume, version)"
    " VALUES (?, 1, 1, 1, 1, 0, 1)"
)
PASSING = [
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
]
DAMAGE = [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR]


def make_error(code: int) -> DatabaseError:
    cause = sqlite3.OperationalError("it failed")
    cause.sqlite_errorcode = code
    error = DatabaseError("it failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("code", PASSING)
def test_an_error_that_passes_may_be_tried_again(code: int) -> None:
    failure = find_failure(make_error(code))
    assert failure is not None
    assert failure.message == "frontend-1 cannot use its database now (it failed); try again."
    assert not failure.is_definite


@pytest.mark.parametrize("code", DAMAGE)
def test_damage_stays_the_databases_error(code: int) -> None:
    error = make_error(code)
    assert find_failure(error) is None
    with pytest.raises(DatabaseError) as caught, storage:
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("number", "text", "is_passing", "is_damage"),
    [
        (1180, "Not connected to Primary Component", True, False),
        (1034, "Index for table '/tmp/#sql-temptable-9-4-0.MAI' is corrupt", True, False),
        (1034, "Index for table 'catalog_app_entry' is corrupt", False, True),
        (3, "Error writing file '/tmp/MLfd=4' (Errcode: 28)", True, False),
        (1877, "Table bazaar/catalog_app_entry is corrupted", False, True),
        (1146, "Table 'bazaar.catalog_app_entry' doesn't exist", False, False),
    ],
)
def test_what_passes_and_what_is_damage_of_mariadb(
    number: int, text: str, *, is_passing: bool, is_damage: bool
) -> None:
    error = pymysql.InternalError(number, text)
    assert (MARIADB.is_passing(error), MARIADB.is_damage(error)) == (is_passing, is_damage)


def test_an_error_without_a_code_of_sqlites_is_no_passing_one() -> None:
    assert find_failure(OperationalError("disk full")) is None


@pytest.mark.django_db(transaction=True)
def test_a_full_database_changes_nothing_and_goes_on_when_there_is_room() -> None:
    connection.ensure_connection()
    pages = connection.connection.execute("PRAGMA page_count").fetchone()[0]
    connection.connection.execute(f"PRAGMA max_page_count = {pages}")
    rows = [("x" * 900 + str(number),) for number in range(999)]
    with pytest.raises(StorageFailed, match="full"), write_transaction() as database:
        database.executemany(INSERT, rows)
    assert read("SELECT COUNT(*) FROM catalog_app_stock") == [(0,)]
    connection.connection.execute("PRAGMA max_page_count = 1000000")
    with write_transaction() as database:
        database.executemany(INSERT, rows)
    assert Stock.objects.count() == 999


@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_be_written_can_be_read() -> None:
    with refuse_writes():
        with pytest.raises(StorageFailed, match="readonly"), write_transaction() as database:
            database.execute(INSERT, ("A",))
        assert read("SELECT COUNT(*) FROM catalog_app_stock") == [(0,)]
    with write_transaction() as database:
        database.execute(INSERT, ("A",))


def test_what_cannot_begin_without_its_database_waits_for_it() -> None:
    left, pauses = [make_error(sqlite3.SQLITE_IOERR), StorageFailed("still")], list[float]()

    def begin() -> str:
        if left:
            raise left.pop(0)
        return "begun"

    assert await_storage(begin, pauses.append) == "begun"
    assert len(pauses) == 2


def test_it_does_not_wait_for_damage_to_pass() -> None:
    def begin() -> None:
        raise make_error(sqlite3.SQLITE_CORRUPT)

    with pytest.raises(DatabaseError, match="it failed"):
        await_storage(begin, lambda _: pytest.fail("it waits"))
