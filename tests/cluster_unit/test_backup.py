"""`cluster backup` and `restore`: one verified file, and nothing is deleted."""

import shutil
import socket
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from bazaar import topology
from bazaar.cluster import backup
from bazaar.cluster.backup import make_backup, restore
from bazaar.cluster.exits import INCONSISTENT, ClusterError
from bazaar.cluster.ports import free_topology
from bazaar.cluster.sequence_file import SequenceFile
from bazaar.cluster.supervisor import ProcessInfo, Supervisor
from bazaar.core.types import Head
from bazaar.topology import Topology
from tests.proof.cluster_files import ORDERS, ClusterFiles


@pytest.fixture
def files(tmp_path: Path) -> ClusterFiles:
    """Make the files of a cluster, whose catalog has its newest rows in a write-ahead log."""
    files = ClusterFiles(tmp_path / "data")
    files.damage("catalog", "PRAGMA journal_mode = WAL")
    return files


@pytest.fixture
def found(tmp_path: Path) -> Topology:
    return free_topology()


@pytest.fixture
def environ(tmp_path: Path, found: Topology) -> Mapping[str, str]:
    path = tmp_path / "nodes.toml"
    path.write_text(topology.dump(found))
    return {"BAZAAR_CLUSTER": str(path)}


def head_of(path: Path) -> Head:
    with SequenceFile(path) as file:
        return file.head


def read_in_sync(path: Path) -> str:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        ((found,),) = database.execute("SELECT in_sync FROM catalog_app_leadership")
    return str(found)


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_backup_is_one_file_for_its_owner_and_says_its_head(
    files: ClusterFiles, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    first, *lines = make_backup(files.data, folder / "one")
    assert first == f"{folder / 'one'} is a backup of {files.path('catalog')}:"
    assert f"last order  {ORDERS}" in lines
    assert names(folder) == ["one"]
    assert (folder / "one").stat().st_mode & 0o777 == 0o600
    assert (folder / "one").read_bytes()[18:20] == b"\1\1", "no write-ahead log belongs to it"
    assert head_of(folder / "one") == head_of(files.path("catalog"))
    assert names(folder) == ["one"], "reading it leaves nothing beside it"


def test_in_a_folder_it_is_named_after_its_head(files: ClusterFiles, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    make_backup(files.data, folder)
    head = head_of(files.path("catalog"))
    assert names(folder) == [f"catalog-{head.position:09}-{head.digest[:12]}.sqlite3"]
    with pytest.raises(ClusterError, match="is there already: a backup replaces nothing"):
        make_backup(files.data, folder)
    assert len(names(folder)) == 1


def test_rows_of_the_write_ahead_log_are_in_it_and_later_ones_are_not(
    files: ClusterFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "INSERT INTO catalog_app_holderregistration VALUES (1)"
    with closing(sqlite3.connect(files.path("catalog"), isolation_level=None)) as writer:
        writer.execute("CREATE TABLE catalog_app_holderregistration (no)")
        writer.execute(row)
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute(row)
        monkeypatch.setattr(backup, "_sync", lambda _: writer.execute(row))  # while it is made
        make_backup(files.data, tmp_path / "one")
    with closing(sqlite3.connect(tmp_path / "one")) as copy:
        query = "SELECT COUNT(*) FROM catalog_app_holderregistration"
        assert copy.execute(query).fetchone() == (2,)


def test_it_is_consistent_while_others_write(files: ClusterFiles, tmp_path: Path) -> None:
    is_over, folder = threading.Event(), tmp_path / "backups"
    folder.mkdir()

    def write() -> None:
        path = files.path("catalog")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as database:
            while not is_over.is_set():  # two rows that only fit together
                database.execute("BEGIN IMMEDIATE")
                for change in ("quantity = quantity - 1", "quantity = quantity + 1"):
                    database.execute(f"UPDATE catalog_app_stock SET {change}")
                database.execute("COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            make_backup(files.data, folder / str(number))
    finally:
        is_over.set()
        thread.join()
    assert names(folder) == ["0", "1", "2", "3", "4"]


def test_a_damaged_database_makes_no_backup(files: ClusterFiles, tmp_path: Path) -> None:
    files.damage("catalog", "UPDATE catalog_app_entry SET quantity = 99 WHERE order_no = 17")
    (tmp_path / "backups").mkdir()
    with pytest.raises(ClusterError, match=r"order 17 is wrong: .*; it was not copied") as caught:
        make_backup(files.data, tmp_path / "backups")
    assert caught.value.status == INCONSISTENT
    assert names(tmp_path / "backups") == []


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("nowhere/one", "nowhere is no folder"),
        ("there", "there is there already"),
        ("link", "link is there already"),
    ],
)
def test_a_target_that_cannot_be_written_is_named(
    files: ClusterFiles, tmp_path: Path, target: str, sentence: str
) -> None:
    (tmp_path / "there").write_text("of somebody")
    (tmp_path / "link").symlink_to("elsewhere")
    before = names(tmp_path)
    with pytest.raises(ClusterError, match=sentence):
        make_backup(files.data, tmp_path / target)
    assert names(tmp_path) == before


def test_a_lack_of_room_is_said_before(
    files: ClusterFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        ClusterError, match=r"has room for 0\.0 MiB, and the backup needs 0\.\d MiB"
    ):
        make_backup(files.data, tmp_path / "one")


def test_without_a_catalog_there_is_nothing_to_copy(files: ClusterFiles, tmp_path: Path) -> None:
    files.path("catalog").unlink()
    with pytest.raises(ClusterError, match="is not there: run this where the catalog's"):
        make_backup(files.data, tmp_path / "one")


def test_a_restored_backup_is_the_database_and_the_old_one_is_kept(
    files: ClusterFiles, tmp_path: Path, environ: Mapping[str, str]
) -> None:
    files.damage("catalog", "UPDATE catalog_app_leadership SET in_sync = '3'")
    make_backup(files.data, tmp_path / "one")
    head = head_of(files.path("catalog"))
    files.reprice("MenhirCo", Decimal("9.99"))
    newer = head_of(files.path("catalog"))
    first, *_, moved, last = restore(files.data, environ, tmp_path / "one")
    aside = files.data.root / "aside" / "catalog.1" / "catalog.sqlite3"
    assert first == f"{tmp_path / 'one'} is sound:"
    assert moved == f"catalog: {files.path('catalog')} is now {aside}"
    assert "cluster up --data" in last
    assert head_of(files.path("catalog")) == head
    assert read_in_sync(files.path("catalog")) == "1,2,3", "the catalog asks all of them (I3)"
    assert read_in_sync(aside) == read_in_sync(tmp_path / "one") == "3"
    assert head_of(aside) == newer != head
    assert not files.path("catalog").with_name("catalog.sqlite3-wal").exists()
    assert files.path("catalog").stat().st_mode & 0o777 == 0o600
    restore(files.data, environ, aside)
    assert head_of(files.path("catalog")) == newer
    assert names(files.data.root / "aside") == ["catalog.1", "catalog.2"]
    assert [name for name in names(files.data.root) if "part" in name] == []


def test_a_restored_catalog_waits_for_every_replica(
    files: ClusterFiles, tmp_path: Path, environ: Mapping[str, str], found: Topology
) -> None:
    """I3: who was in sync when the backup was made may have been dropped since."""
    files.damage("catalog", "UPDATE catalog_app_leadership SET in_sync = '1'")
    make_backup(files.data, tmp_path / "one")
    restore(files.data, environ, tmp_path / "one")
    with closing(sqlite3.connect(files.path("catalog"))) as database:
        ((in_sync,),) = database.execute("SELECT in_sync FROM catalog_app_leadership")
    assert in_sync == ",".join(str(node.id) for node in found.replicas)


def test_a_backup_of_before_is_restored(
    files: ClusterFiles, tmp_path: Path, environ: Mapping[str, str]
) -> None:
    """It does not say who was in sync, and is migrated when it is started."""
    files.damage("catalog", "ALTER TABLE catalog_app_leadership DROP COLUMN in_sync")
    make_backup(files.data, tmp_path / "one")
    restore(files.data, environ, tmp_path / "one")
    assert head_of(files.path("catalog")) == head_of(tmp_path / "one")


def test_a_backup_is_restored_into_an_empty_folder(
    files: ClusterFiles, tmp_path: Path, environ: Mapping[str, str]
) -> None:
    make_backup(files.data, tmp_path / "one")
    data = type(files.data)(tmp_path / "new")
    lines = restore(data, environ, tmp_path / "one")
    assert not [line for line in lines if "is now" in line]
    assert head_of(data.root / "catalog.sqlite3") == head_of(tmp_path / "one")


@pytest.mark.parametrize("is_control", [False, True])
def test_nothing_is_restored_while_the_catalog_answers(
    files: ClusterFiles,
    tmp_path: Path,
    environ: Mapping[str, str],
    found: Topology,
    is_control: bool,  # noqa: FBT001
) -> None:
    make_backup(files.data, tmp_path / "one")
    before = names(files.data.root)
    node = found.catalog
    address = node.control_address if is_control else node.address
    with (
        socket.create_server(address),
        pytest.raises(ClusterError, match=r"catalog answers at 127\.0\.0\.1:.* stop it first"),
    ):
        restore(files.data, environ, tmp_path / "one")
    assert "aside" not in names(files.data.root)
    assert set(names(files.data.root)) >= set(before)


@pytest.mark.parametrize(
    ("statename", "is_refused"), [("STARTING", True), ("BACKOFF", True), ("EXITED", False)]
)
def test_nothing_is_restored_while_the_supervisor_starts_the_catalog(
    files: ClusterFiles,
    environ: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    statename: str,
    is_refused: bool,  # noqa: FBT001
) -> None:
    info = ProcessInfo("catalog", statename, 0, 0)
    monkeypatch.setattr(Supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(Supervisor, "processes", lambda _: {"catalog": info})
    monkeypatch.setattr(backup, "NOTICE_TIMEOUT_S", 0.1)
    make_backup(files.data, source := files.data.root / "one")
    if not is_refused:
        assert "cluster start catalog --data" in restore(files.data, environ, source)[-1]
        return
    with pytest.raises(ClusterError, match=r"catalog is being started: `.* cluster stop catalog"):
        restore(files.data, environ, source)
    assert "aside" not in names(files.data.root)


@pytest.mark.parametrize("name", ["order-1", "damaged", "garbage", "missing"])
def test_what_is_no_sound_backup_changes_nothing(
    files: ClusterFiles, tmp_path: Path, environ: Mapping[str, str], name: str
) -> None:
    source = files.path("order-1") if name == "order-1" else tmp_path / name
    if name == "garbage":
        source.write_bytes(b"x" * 9999)
    if name == "damaged":
        make_backup(files.data, source)
        with closing(sqlite3.connect(source)) as database, database:
            database.execute("UPDATE catalog_app_entry SET quantity = 99 WHERE order_no = 17")
    head = head_of(files.path("catalog"))
    sentences = {
        "order-1": "is of an order replica, no backup of a catalog",
        "damaged": "order 17 is wrong",
        "garbage": "not a database",
        "missing": "is not there",
    }
    with pytest.raises(ClusterError, match=sentences[name]):
        restore(files.data, environ, source)
    assert head_of(files.path("catalog")) == head
    assert [one for one in names(files.data.root) if "part" in one or one == "aside"] == []
