"""The databases of a new cluster: made once where they are the same."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from bazaar.cluster import databases, ledger_guard
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.init import InitOptions, make_files
from bazaar.topology import Topology

FAILED = "no room"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.make()
    return made


@pytest.fixture
def found(data: DataDir) -> Topology:
    return make_files(InitOptions(data), {})


@dataclass
class FakeManage:
    """Runs no command: each makes a file with the name of its process in it."""

    data: DataDir
    commands: list[str] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)
    """Processes whose commands fail."""

    def __call__(self, name: str, arguments: tuple[str, ...], _: object) -> str:
        self.commands.append(f"{name}: {' '.join(arguments)}")
        path = self.data.database(name)
        assert path is not None
        if name in self.fails:
            raise ClusterError(FAILED)
        path.write_text(name)
        return "done"


@pytest.fixture
def manage(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> FakeManage:
    made = FakeManage(data)
    monkeypatch.setattr(databases, "_manage", made)
    monkeypatch.setattr("bazaar.settings.database_file.check", lambda path, *_: path.exists())
    return made


def test_one_empty_log_is_made_and_copied(
    data: DataDir, found: Topology, manage: FakeManage
) -> None:
    lines = list(databases.prepare_all(data, found, "asterix", {}))
    assert sorted(manage.commands) == [
        "catalog: load_stocks asterix --ask-all --migrate",
        "dashboard: make_admin --migrate",
        "order-1: migrate --verbosity 0",
    ]
    for number in (1, 2, 3):
        path = data.root / f"order-{number}.sqlite3"
        assert path.read_text() == "order-1"
        assert f"order-{number}: {path} is ready" in lines
    for number in (2, 3):
        assert (data.root / f"order-{number}.sqlite3").stat().st_mode & 0o077 == 0, "a copy"


@pytest.mark.parametrize("database", [None, "postgresql://h/n"])
@pytest.mark.parametrize(("is_new", "asks"), [(True, False), (False, True)])
def test_only_a_new_cluster_decides_before_all_replicas_have_answered(
    data: DataDir,
    found: Topology,
    manage: FakeManage,
    database: str | None,
    *,
    is_new: bool,
    asks: bool,
) -> None:
    """I3: the ledger that is listed in may be in the place of one that is lost."""
    catalog = msgspec.structs.replace(found.catalog, database=database)
    found = msgspec.structs.replace(found, catalogs=(catalog,))
    list(databases.prepare_all(data, found, "asterix", {}, is_new=is_new))
    (command,) = (one for one in manage.commands if one.startswith("catalog: "))
    assert "asterix" in command
    assert ("--ask-all" in command) is asks


@pytest.mark.usefixtures("manage")
def test_a_log_that_is_there_is_no_pattern(data: DataDir, found: Topology) -> None:
    (data.root / "order-2.sqlite3").write_text("full")
    list(databases.prepare_all(data, found, "asterix", {}))
    kept = [(data.root / f"order-{number}.sqlite3").read_text() for number in (1, 2, 3)]
    assert kept == ["order-1", "full", "order-1"]


def test_where_the_first_log_cannot_be_made_each_is_made_by_itself(
    data: DataDir, found: Topology, manage: FakeManage
) -> None:
    manage.fails.add("order-1")
    lines = list(databases.prepare_all(data, found, "asterix", {}))
    assert FAILED in lines
    assert {"order-2: migrate --verbosity 0", "order-3: migrate --verbosity 0"} <= set(
        manage.commands
    )


@pytest.mark.usefixtures("manage")
@pytest.mark.parametrize(
    ("statements", "asked"),
    [
        ((), 1),
        (("CREATE TABLE catalog_app_stock (name)",), 1),
        (("CREATE TABLE catalog_app_stock (name)", "INSERT INTO catalog_app_stock VALUES (1)"), 0),
    ],
    ids=["new", "without stocks", "with stocks"],
)
def test_the_logs_are_read_only_for_a_catalog_that_lists_nothing(
    data: DataDir,
    found: Topology,
    monkeypatch: pytest.MonkeyPatch,
    statements: tuple[str, ...],
    asked: int,
) -> None:
    asked_for: list[DataDir] = []
    monkeypatch.setattr(ledger_guard, "has_entries", asked_for.append)
    if statements:
        with closing(sqlite3.connect(data.root / "catalog.sqlite3")) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
    databases.prepare(data, "catalog", found.catalog, {})
    assert len(asked_for) == asked
