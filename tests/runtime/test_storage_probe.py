"""A process whose disk is well again finds out by itself (docs/adr/0039)."""

from collections.abc import Iterator

import pytest
from django.db import connection

from bazaar.core.failures import StorageFailed
from bazaar.runtime.health import check_storage
from bazaar.runtime.storage import storage
from bazaar.runtime.storage_probe import probe_storage
from bazaar.runtime.transactions import write_transaction

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


@pytest.fixture(autouse=True)
def well() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 0")
    storage.problem = ""


def break_disk(*, is_broken: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA query_only = {int(is_broken)}")


def write() -> None:
    with write_transaction() as database:
        database.execute("PRAGMA user_version = 0")


def test_a_write_that_fails_is_a_problem_until_one_succeeds() -> None:
    assert check_storage().is_ok
    break_disk(is_broken=True)
    with pytest.raises(StorageFailed):
        write()
    assert "cannot be written" in check_storage().problem
    break_disk(is_broken=False)
    write()
    assert check_storage().is_ok


def test_the_probe_notices_when_it_is_over() -> None:
    break_disk(is_broken=True)
    with pytest.raises(StorageFailed):
        write()
    probe_storage()
    assert not check_storage().is_ok
    break_disk(is_broken=False)
    probe_storage()
    assert check_storage().is_ok


def test_the_probe_writes_nothing_while_all_is_well() -> None:
    break_disk(is_broken=True)
    probe_storage()
    assert check_storage().is_ok
