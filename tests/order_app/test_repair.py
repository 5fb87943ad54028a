"""A damaged replica begins anew, unless it may have what nobody else has (I3, I8)."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection

from bazaar.core.failures import Unreachable
from bazaar.core.replica import ReplicaState
from bazaar.runtime.anew import PAUSE_S, Aside
from bazaar.runtime.damage import damage
from bazaar.runtime.metrics import events
from bazaar.runtime.transactions import read
from order_app.repair import Repair
from order_app.replica import ReplicaShell
from order_app.store import OrderLog
from tests.order_app.conftest import FAR, LIMITS, ME, TERM
from tests.order_app.fakes import FakeCatalog
from tests.support.databases import allow_others
from tests.support.histories import make_linked, make_order, make_orders

COUNT = 5


@dataclass
class Mending:
    """A replica of five orders in term 3, its repair, and how often it was started again."""

    shell: ReplicaShell
    repair: Repair
    path: Path
    restarts: list[str]

    def read(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as database:
            return list(database.execute(query))


@pytest.fixture(autouse=True)
def _other_databases(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    allow_others(monkeypatch)


@pytest.fixture
def mending(shell: ReplicaShell, catalog: FakeCatalog, tmp_path: Path) -> Mending:
    """Let the replica follow; its files are copies that may be moved."""
    shell.log.append(make_linked(COUNT))
    shell.log.save_term(TERM, FAR)
    catalog.orders = make_orders(COUNT)
    shell = ReplicaShell(ME, catalog, {}, OrderLog(), LIMITS)
    shell.start()
    path = tmp_path / "order-2.sqlite3"
    path.write_bytes(b"damaged")
    path.with_name(f"{path.name}-wal").write_bytes(b"its wal")
    restarts: list[str] = []
    repair = Repair(shell, Aside(path), lambda: restarts.append("now"))
    return Mending(shell, repair, path, restarts)


def emitted(phrase: str) -> list[dict[str, object]]:
    return [dict(event.fields) for event in events.snapshot() if event.phrase == phrase]


def test_a_sound_replica_is_left_alone(mending: Mending) -> None:
    mending.repair.round()
    assert (mending.restarts, mending.shell.machine.state) == ([], ReplicaState.FOLLOWING)
    assert mending.path.read_bytes() == b"damaged"


def test_a_damaged_replica_drops_out_and_begins_anew(mending: Mending) -> None:
    damage.report("order 3")
    mending.repair.round()
    assert mending.shell.machine.state is ReplicaState.CORRUPT
    assert emitted("log damaged")[-1] == {"at": "order 3"}
    assert mending.restarts == ["now"]
    assert mending.read("SELECT COUNT(*) FROM order_app_logentry") == [(0,)]
    aside = mending.repair.aside.path
    assert aside.read_bytes() == b"damaged"
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"its wal"
    assert not mending.path.with_name(f"{mending.path.name}-wal").exists()
    assert emitted("log moved aside")[-1] == {"aside": str(aside)[:200], "at": "order 3"}


def test_it_remembers_its_term(mending: Mending) -> None:
    """I5, I6: a replica that has heard of a term never follows an older one."""
    damage.report("order 3")
    mending.repair.round()
    assert mending.read("SELECT id, term, leader FROM order_app_heardterm") == [(1, TERM, FAR)]


def test_the_new_database_has_all_migrations(mending: Mending) -> None:
    damage.report("order 3")
    mending.repair.round()
    query = "SELECT app, name FROM django_migrations WHERE app = 'order_app'"
    assert sorted(mending.read(query)) == sorted(read(query))


def _shorten(catalog: FakeCatalog) -> None:
    catalog.orders = catalog.orders[:-1]


def _differ(catalog: FakeCatalog) -> None:
    catalog.orders = [*make_orders(COUNT - 1), make_order(COUNT, quantity=9)]


def _leave(catalog: FakeCatalog) -> None:
    catalog.requests_lost = [Unreachable() for _ in range(9)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_shorten, "only copy"), (_differ, "another history"), (_leave, "cannot be asked")],
)
def test_a_log_that_may_be_the_only_copy_is_kept(
    mending: Mending, catalog: FakeCatalog, change: Callable[[FakeCatalog], None], reason: str
) -> None:
    """I3: it stays out and says why, once."""
    change(catalog)
    damage.report("order 3")
    before = len(emitted("repair waits"))
    for _ in range(3):
        mending.repair.round()
    assert mending.restarts == []
    assert mending.path.read_bytes() == b"damaged"
    assert not mending.repair.aside.path.exists()
    waits = emitted("repair waits")[before:]
    assert len(waits) == 1
    assert reason in str(waits[0]["reason"])


def test_it_is_mended_once_the_ledger_answers(mending: Mending, catalog: FakeCatalog) -> None:
    catalog.requests_lost = [Unreachable()]
    damage.report("order 3")
    mending.repair.round()
    mending.repair.round()
    assert mending.restarts == ["now"]


def test_a_damaged_end_says_nothing_about_the_history(mending: Mending) -> None:
    """The digest at the end, read at the start, is what was damaged."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE order_app_logentry SET digest = 'f' WHERE order_no = {COUNT}")
    shell = ReplicaShell(ME, mending.shell.catalog, {}, OrderLog(), LIMITS)
    repair = Repair(shell, Aside(mending.path), lambda: mending.restarts.append("now"))
    shell.start()
    repair.round()
    assert damage.where == f"order {COUNT}"
    assert mending.restarts == ["now"]


def test_a_disk_that_damages_everything_is_not_given_more(mending: Mending) -> None:
    damage.report("order 3")
    mending.repair.round()
    mending.repair.round()
    assert mending.restarts == ["now"]
    assert f"{PAUSE_S:g} s" in str(emitted("repair waits")[-1]["reason"])


def test_a_repair_that_is_cut_short_is_begun_again(mending: Mending) -> None:
    mending.path.with_name(f"{mending.path.name}.anew").write_bytes(b"half of one")
    damage.report("order 3")
    mending.repair.round()
    assert mending.restarts == ["now"]
    assert mending.read("SELECT COUNT(*) FROM order_app_logentry") == [(0,)]


def test_a_disk_that_is_full_leaves_the_damaged_file(
    mending: Mending, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    damage.report("order 3")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", fail)
        with pytest.raises(OSError, match="No space"):
            mending.repair.round()
    assert (mending.restarts, mending.path.read_bytes()) == ([], b"damaged")
    mending.repair.round()
    assert mending.restarts == ["now"]


def test_a_new_life_says_where_the_old_database_is(shell: ReplicaShell, tmp_path: Path) -> None:
    repair = Repair(shell, Aside(tmp_path / "order-2.sqlite3"), lambda: None)
    before = len(emitted("log begun anew"))
    repair.note_last()
    assert len(emitted("log begun anew")) == before
    repair.aside.path.parent.mkdir(parents=True)
    repair.aside.path.write_bytes(b"damaged")
    repair.note_last()
    assert emitted("log begun anew")[before:] == [{"aside": str(repair.aside.path)[:200]}]
