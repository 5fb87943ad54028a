"""A damaged ledger begins anew, unless it may have what no replica has (I3, I8)."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bazaar.core.types import Position
from bazaar.runtime.anew import Aside
from bazaar.runtime.damage import damage
from bazaar.runtime.metrics import events
from catalog_app.repair import LedgerRepair
from tests.catalog_app.test_recovery import HISTORY, Clock, FakeReplica, fill, prepare
from tests.support.databases import allow_others, execute

TERM = 7


class CopyingReplica(FakeReplica):
    """A leader that takes from the ledger what it is asked to copy."""

    def replicate(self, position: Position) -> None:
        self.memory = FakeReplica(HISTORY[:position]).memory


@dataclass
class Mending:
    """A ledger of six entries in term 7, its repair, and how often it was started again."""

    repair: LedgerRepair
    path: Path
    replicas: tuple[FakeReplica, ...]
    restarts: list[str]

    def read(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as database:
            return list(database.execute(query))


@pytest.fixture(autouse=True)
def _other_databases(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    allow_others(monkeypatch)


@pytest.fixture
def mending(tmp_path: Path) -> Mending:
    """Let two of three replicas have all that the ledger has."""
    fill(HISTORY, term=TERM, in_sync="1,2")
    replicas = (CopyingReplica(HISTORY, TERM), FakeReplica(HISTORY, 6), FakeReplica(HISTORY[:2], 6))
    recovery = prepare(*replicas, clock=Clock())
    path = tmp_path / "catalog.sqlite3"
    path.write_bytes(b"damaged")
    path.with_name(f"{path.name}-wal").write_bytes(b"its wal")
    restarts: list[str] = []
    repair = LedgerRepair(recovery, Aside(path), threading.Lock(), lambda: restarts.append("now"))
    return Mending(repair, path, replicas, restarts)


def test_a_sound_ledger_is_left_alone(mending: Mending) -> None:
    mending.repair.round()
    assert (mending.restarts, mending.path.read_bytes()) == ([], b"damaged")


def test_a_damaged_ledger_begins_anew(mending: Mending) -> None:
    damage.report("order 2")
    mending.repair.round()
    assert mending.restarts == ["now"]
    assert mending.read("SELECT COUNT(*) FROM catalog_app_entry") == [(0,)]
    aside = mending.repair.aside.path
    assert aside == mending.path.parent / "aside" / "catalog.damaged" / "catalog.sqlite3"
    assert aside.read_bytes() == b"damaged"
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"its wal"
    moved = [event for event in events.snapshot() if event.phrase == "ledger moved aside"]
    assert moved[-1].fields["at"] == "order 2"


def test_the_new_one_knows_the_term_and_who_must_answer(mending: Mending) -> None:
    """I3, I6: those that have everything; the others may be away."""
    damage.report("order 2")
    mending.repair.round()
    query = "SELECT term, leader, in_sync FROM catalog_app_leadership"
    assert mending.read(query) == [(TERM, None, "1,2")]


def test_one_that_has_not_recovered_keeps_whom_it_had_to_ask(mending: Mending) -> None:
    """I3: the ledger may lack what one of them had."""
    fill((), term=TERM, in_sync="1,3")
    mending.replicas[0].is_away = True
    mending.repair._recovery.begin()
    damage.report("order 2")
    mending.repair.round()
    assert mending.read("SELECT in_sync FROM catalog_app_leadership") == [("1,2,3",)]


def test_a_term_that_cannot_be_read_is_given_to_nobody_again(mending: Mending) -> None:
    """I6."""
    execute("ALTER TABLE catalog_app_leadership RENAME TO elsewhere")
    damage.report("the leadership")
    try:
        mending.repair.round()
    finally:
        execute("ALTER TABLE elsewhere RENAME TO catalog_app_leadership")
    assert mending.read("SELECT term FROM catalog_app_leadership") == [(TERM + 1,)]


@pytest.mark.parametrize("loss", ["away", "damaged", "shorter", "other"])
def test_a_ledger_that_may_be_the_only_copy_is_kept(mending: Mending, loss: str) -> None:
    """I3: it stays out and says what to do, once."""
    for replica in mending.replicas:
        replica.is_away = loss == "away"
        replica.is_damaged = loss == "damaged"
        if loss == "shorter":
            replica.memory = FakeReplica(HISTORY[:5]).memory
        if loss == "other":
            replica.memory = FakeReplica((*HISTORY[:4], *HISTORY[4:][::-1])).memory
    mending.replicas[0].replicate = lambda position: None  # type: ignore[method-assign]
    damage.report("order 2")
    before = len(_waits())
    for _ in range(3):
        mending.repair.round()
    assert (mending.restarts, mending.path.read_bytes()) == ([], b"damaged")
    assert "has all entries of the ledger, up to 6" in mending.repair.hindrance
    assert "cluster restore FILE" in mending.repair.hindrance
    assert len(_waits()) == before + 1


def _waits() -> list[object]:
    return [event for event in events.snapshot() if event.phrase == "repair waits"]


def test_what_no_log_has_yet_is_copied_first(mending: Mending) -> None:
    """I7: somebody may have read it."""
    for replica in mending.replicas:
        replica.memory = FakeReplica(HISTORY[:5]).memory
    damage.report("order 2")
    mending.repair.round()
    assert mending.restarts == []
    mending.repair.round()
    assert mending.restarts == ["now"]
    assert mending.read("SELECT in_sync FROM catalog_app_leadership") == [("1",)]


def test_a_ledger_that_cannot_be_read_needs_all_that_were_in_sync(mending: Mending) -> None:
    execute("ALTER TABLE catalog_app_entry RENAME TO elsewhere")
    mending.replicas[1].is_away = True
    try:
        damage.report("the file")
        mending.repair.round()
        assert mending.restarts == []
        assert "No sound log answers from replica 2" in mending.repair.hindrance
        mending.replicas[1].is_away = False
        mending.repair.round()
    finally:
        execute("ALTER TABLE elsewhere RENAME TO catalog_app_entry")
    assert mending.restarts == ["now"]


def test_a_damaged_end_says_nothing_about_the_history(mending: Mending) -> None:
    execute("UPDATE catalog_app_entry SET digest = 'f' WHERE order_no = 3")
    damage.report("entry 6")
    mending.repair.round()
    assert mending.restarts == ["now"]
