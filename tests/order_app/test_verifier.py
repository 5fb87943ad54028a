"""The check in the background: it reads the file itself, all of it, again and again (I8)."""

import sqlite3
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from bazaar.core.types import OrderNo
from bazaar.runtime.damage import damage, is_damage
from bazaar.runtime.transactions import read
from bazaar.runtime.verifier import REST_FACTOR, SLICE_ENTRIES, TURN_S, Verifier
from order_app.store import OrderLog
from tests.support.histories import make_linked, make_order

ROUNDS_MAX = 10


@pytest.fixture
def log(transactional_db: None) -> OrderLog:
    """Make a log of two slices and a half, all of it in the file."""
    log = OrderLog()
    log.append(make_linked(SLICE_ENTRIES * 2 + SLICE_ENTRIES // 2))
    read("PRAGMA wal_checkpoint(TRUNCATE)")
    return log


def flip(text: str, *, copy: int = 0) -> None:
    """Flip one bit of one of the places where the database's file has a text."""
    path = Path(connection.settings_dict["NAME"])
    whole = path.read_bytes()
    at = -1
    for _ in range(copy + 1):
        at = whole.index(text.encode(), at + 1)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([whole[at] ^ 1]))


def find(verifier: Verifier) -> str:
    for _ in range(ROUNDS_MAX):
        verifier.round()
        if damage.where:
            break
    return damage.where


def test_a_sound_log_is_gone_through_for_ever(log: OrderLog) -> None:
    verifier, ends = Verifier(log), []
    for _ in range(ROUNDS_MAX):
        assert verifier.round() >= TURN_S * SLICE_ENTRIES / log.head.position
        ends.append(verifier._at.position)
    assert ends[:5] == [SLICE_ENTRIES, 2 * SLICE_ENTRIES, 0, SLICE_ENTRIES, 2 * SLICE_ENTRIES]
    assert damage.where == ""


@pytest.mark.parametrize("number", [1, SLICE_ENTRIES, 2 * SLICE_ENTRIES + 3])
def test_a_bit_that_flips_behind_memory_is_found(log: OrderLog, number: int) -> None:
    verifier = Verifier(log)
    for _ in range(4):
        verifier.round()
    flip(make_linked(number)[-1][1].digest)
    assert find(verifier) == f"order {number}"


@pytest.mark.parametrize("copy", [0, 1])
def test_a_bit_that_flips_in_table_or_index_is_found(log: OrderLog, copy: int) -> None:
    """I2: with a damaged index a key would not be found, and its trade be placed again."""
    flip(make_order(450).key.hex, copy=copy)
    assert find(Verifier(log)) == "order 450"


def test_what_comes_while_it_goes_on_is_no_damage(log: OrderLog) -> None:
    verifier = Verifier(log)
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


def test_the_check_takes_less_than_a_fiftieth_of_a_core() -> None:
    assert 1 / (1 + REST_FACTOR) < 0.02
