"""What no hash chain covers is found where it is damaged, and not served (I8)."""

from collections.abc import Callable

import pytest
from django.db import connection

from bazaar.core.failures import Unreachable
from bazaar.runtime import row_copies
from bazaar.runtime.damage import damage
from bazaar.runtime.transactions import read
from bazaar.runtime.verifier import Verifier
from catalog_app import models, selectors
from tests.support.bits import flipped
from tests.support.databases import TURN_S

NAME = "Ünï & Co."
COPIES = 3
"""Of a name: in its row, in the copy of the row, in the index."""

pytestmark = pytest.mark.usefixtures("committed_catalog")


def find() -> str:
    verifier = Verifier(selectors.POINTS, TURN_S)
    for _ in range(2):
        verifier.round()
    return damage.where


@pytest.mark.parametrize("copy", range(COPIES))
def test_a_damaged_stock_is_found(copy: int) -> None:
    assert find() == ""
    with flipped(NAME, copy=copy):
        assert find() == "the table catalog_app_stock"


@pytest.mark.parametrize("copy", range(COPIES))
def test_a_damaged_stock_is_not_read(copy: int) -> None:
    """I7; and it is not called unknown where its index is damaged."""
    stock = selectors.get_stock(stock_name=NAME)
    with flipped(NAME, copy=copy):
        try:
            assert selectors.get_stock(stock_name=NAME) == stock  # the index has the name, too
        except Unreachable:
            assert damage.where


@pytest.mark.parametrize(
    "read_them",
    [
        selectors.list_all_stocks,
        lambda: names(100),
        lambda: selectors.search_stocks(text="", after="", limit=100),
    ],
)
def test_a_damaged_stock_is_in_no_list(read_them: Callable[[], object]) -> None:
    with flipped(f"'{NAME}'"), pytest.raises(Unreachable):
        read_them()


def names(limit: int) -> object:
    return selectors.list_names(after=0, limit=limit)


@pytest.mark.parametrize("read_it", [selectors.get_leadership, selectors.list_in_sync])
def test_a_damaged_leadership_is_not_read(read_it: Callable[[], object]) -> None:
    """I6."""
    models.Leadership.objects.update(in_sync="1,2,33333333")
    assert selectors.list_in_sync() == (1, 2, 33333333)
    with flipped("1,2,33333333"), pytest.raises(Unreachable, match="the leadership"):
        read_it()
    assert find() == "the leadership"


def test_a_table_that_is_renamed_behind_the_process_is_found() -> None:
    verifier = Verifier(selectors.POINTS, TURN_S)
    for _ in range(3):
        verifier.round()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE more (x INTEGER)")
    try:
        for _ in range(3):
            verifier.round()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE more")
    assert damage.where == "the tables"


def test_every_table_that_has_a_copy_is_sound_when_it_is_written() -> None:
    """Rows with characters and numbers of all kinds, empty ones too."""
    models.Leadership.objects.update(leader=None, term=2**62, in_sync="")
    models.Stock.objects.create(name="'|\"", price="0.0001", quantity=0, opening=0, issued=2**62)
    models.HolderRegistration.objects.create(
        holder_id="00000000-0000-0000-0000-000000000001", host="::1", control_port=1
    )
    assert row_copies.find_wrong_table() == ""
    assert read("SELECT COUNT(*) FROM catalog_app_stock WHERE copy = ''") == [(0,)]
