"""The check in the background: it reads the file itself, all of it, again and again (I8)."""

import re
import sqlite3
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from bazaar.core.types import OrderNo
from bazaar.runtime.damage import damage, is_damage
from bazaar.runtime.verified_points import POINT_ENTRIES
from bazaar.runtime.verifier import REST_FACTOR, SLICE_ENTRIES, Verifier
from order_app.store import OrderLog
from tests.support.bits import flipped
from tests.support.databases import TURN_S
from tests.support.histories import make_linked, make_order

COUNT = 2 * POINT_ENTRIES + 2 * SLICE_ENTRIES + 50
ROUNDS_MAX = 40


@pytest.fixture
def log(transactional_db: None) -> OrderLog:
    """Make a log of two points and some more, all of it in the file."""
    log = OrderLog()
    log.append(make_linked(COUNT))
    return log


def find(verifier: Verifier) -> str:
    for _ in range(ROUNDS_MAX):
        verifier.round()
        if damage.where:
            break
    return damage.where


def test_a_sound_log_is_gone_through_for_ever(log: OrderLog) -> None:
    verifier = Verifier(log.points, TURN_S)
    for _ in range(ROUNDS_MAX):
        assert 0 < verifier.round() <= TURN_S
    assert log.points.last() == make_linked(2 * POINT_ENTRIES)[-1][1]
    assert damage.where == ""


@pytest.mark.parametrize("number", [1, POINT_ENTRIES - 1, POINT_ENTRIES + 1, COUNT])
def test_a_bit_that_flips_behind_memory_is_found(log: OrderLog, number: int) -> None:
    verifier = Verifier(log.points, TURN_S)
    for _ in range(ROUNDS_MAX):
        verifier.round()
    with flipped(make_linked(number)[-1][1].digest, keeps_memory=True):
        assert find(verifier) == f"order {number}"


@pytest.mark.parametrize("number", [1, POINT_ENTRIES + 1, COUNT])
def test_all_is_looked_at_at_once(log: OrderLog, number: int) -> None:
    """Whatever was looked at before is looked at again."""
    verifier = Verifier(log.points, TURN_S)
    assert verifier.check_all() == ""
    assert log.points.last() == make_linked(2 * POINT_ENTRIES)[-1][1]
    verifier.round()
    with flipped(make_linked(number)[-1][1].digest):
        assert verifier.check_all() == f"order {number}"
    assert verifier.check_all() == ""


def test_a_row_that_flips_beside_a_checkpoint_of_another_process_is_found(log: OrderLog) -> None:
    """A wrong page whose change is not understood makes it look at all rows at once."""
    verifier = Verifier(log.points, TURN_S, Path(connection.settings_dict["NAME"]))
    try:
        verifier._check_pages()
        log.append(make_linked(COUNT + 5)[COUNT:])
        with flipped(make_linked(COUNT)[-1][1].digest):
            verifier._check_pages()
            assert re.fullmatch(rf"page \d+ of the file: order {COUNT}", damage.where)
    finally:
        if verifier._pages:
            verifier._pages.close()


@pytest.mark.parametrize("copy", [0, 1])
def test_a_bit_that_flips_in_table_or_index_is_found(log: OrderLog, copy: int) -> None:
    """I2: with a damaged index a key would not be found, and its trade be placed again."""
    with flipped(make_order(450).key.hex, copy=copy):
        assert find(Verifier(log.points, TURN_S)) in ("order 450", "entries 1 to 1000")


def test_what_comes_while_it_goes_on_is_no_damage(log: OrderLog) -> None:
    verifier = Verifier(log.points, TURN_S)
    count = log.head.position
    for number in range(count + 1, count + 6):
        verifier.round()
        log.append(make_linked(number)[-1:])
    assert find(verifier) == ""
    assert log.get(OrderNo(count + 5)) is not None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_IOERR_READ, False),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_CANTOPEN, False),
    ],
)
def test_what_passes_is_no_damage(code: int, expected: bool) -> None:  # noqa: FBT001
    cause = sqlite3.OperationalError("it failed")
    cause.sqlite_errorcode = code
    error = OperationalError("it failed")
    error.__cause__ = cause
    assert is_damage(error) is expected


def test_the_check_takes_less_than_a_hundredth_of_a_core() -> None:
    assert 1 / (1 + REST_FACTOR) < 0.01
