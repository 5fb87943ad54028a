"""`cluster verify`: what a database file is, and the first thing that is wrong with it."""

import os
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from bazaar.cluster.exits import INCONSISTENT, USAGE
from bazaar.cluster.sequence_file import SequenceFile, UnreadableFile, verify
from bazaar.core.types import Position
from bazaar.topology import Role
from tests.proof.cluster_files import ORDERS, TERM, ClusterFiles


@pytest.fixture
def files(tmp_path: Path) -> ClusterFiles:
    files = ClusterFiles(tmp_path / "data")
    files.reprice("MenhirCo", Decimal("9.99"))
    return files


def test_a_sound_file_says_what_it_is(
    files: ClusterFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("cluster", "verify", str(files.path("catalog")))
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"{files.path('catalog')} is sound:"
    assert "role        catalog" in rest
    assert f"position    {ORDERS + 4}" in rest, "three listings and a price"
    assert f"last order  {ORDERS}" in rest
    assert f"term        {TERM}" in rest
    with SequenceFile(files.path("catalog")) as file:
        assert f"digest      {file.head.digest}" in rest


def test_a_replicas_file_is_one_too_and_has_the_same_history(files: ClusterFiles) -> None:
    with SequenceFile(files.path("order-2")) as log, SequenceFile(files.path("catalog")) as ledger:
        assert (log.role, ledger.role) == (Role.ORDER, Role.CATALOG)
        assert (log.find_fault(), ledger.find_fault()) == ("", "")
        assert log.head == ledger.head_at(log.head.position)
        assert log.head_at(Position(7)) == ledger.head_at(Position(7))
        assert log.head_at(Position(7)).order_no == 4


def test_a_file_from_before_orders_had_names_is_read(tmp_path: Path) -> None:
    """A backup of the version before can be verified and put back."""
    files = ClusterFiles(tmp_path / "data", client=None)
    for name, table in (("catalog", "catalog_app_entry"), ("order-1", "order_app_logentry")):
        files.damage(name, f"ALTER TABLE {table} DROP COLUMN placed_by")
        assert f"last order  {ORDERS}" in verify(files.path(name))
        with SequenceFile(files.path(name)) as file:
            assert file.head_at(Position(7)).order_no == 4


def test_the_cluster_is_named_where_the_file_knows_it(files: ClusterFiles) -> None:
    cluster_id = UUID(int=7)
    files.damage(
        "order-1",
        "CREATE TABLE order_app_identity (cluster_id)",
        f"INSERT INTO order_app_identity VALUES ('{cluster_id.hex}')",
    )
    assert f"cluster     {cluster_id}" in verify(files.path("order-1"))


@pytest.mark.parametrize(
    ("name", "statement", "sentence"),
    [
        (
            "catalog",
            "UPDATE catalog_app_entry SET quantity = 99 WHERE order_no = 17",
            "order 17 is",
        ),
        ("catalog", "DELETE FROM catalog_app_entry WHERE order_no = 17", "order 17 is wrong"),
        ("catalog", "UPDATE catalog_app_stockchange SET price = '1' WHERE position = 2", "entry 2"),
        ("catalog", "UPDATE catalog_app_stock SET quantity = 1 WHERE id = 2", "stock MenhirCo is"),
        ("catalog", "UPDATE catalog_app_stock SET price = '1' WHERE id = 2", "stock MenhirCo is"),
        ("catalog", "DELETE FROM catalog_app_stock WHERE id = 2", "stock MenhirCo is missing"),
        (
            "catalog",
            "UPDATE catalog_app_stock SET name = 'X' WHERE id = 2",
            "stock X is in no entry",
        ),
        ("catalog", "UPDATE catalog_app_stock SET price = 'X' WHERE id = 2", "it is damaged"),
        (
            "order-1",
            "UPDATE order_app_logentry SET key = 'x' WHERE order_no = 3",
            "order 3 is wrong",
        ),
        ("order-1", "UPDATE order_app_logentry SET digest = 1 WHERE order_no = 40", "order 40 is"),
    ],
)
def test_the_first_wrong_entry_is_named(
    files: ClusterFiles, name: str, statement: str, sentence: str
) -> None:
    files.damage(name, statement)
    with pytest.raises(CommandError) as caught:
        call_command("cluster", "verify", str(files.path(name)))
    assert caught.value.returncode == INCONSISTENT
    assert f"{files.path(name)}: {sentence}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_page_is_found(files: ClusterFiles) -> None:
    path = files.path("order-1")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE INDEX other ON order_app_logentry (quantity)")
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'other'"
        (page,) = database.execute(query).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))
    with SequenceFile(path) as log:
        assert "it is damaged: " in log.find_fault()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "is not there"),
        (b"", "is empty, not a database"),
        (b"x" * 5000, "cannot be read (file is not a database)"),
        ("folder", "is a folder, not a database"),
        ("other", "is no database of a catalog or an order replica"),
        ("older", "is of an older version"),
    ],
)
def test_what_is_no_such_database_is_said(
    tmp_path: Path, content: bytes | str | None, sentence: str
) -> None:
    path = tmp_path / "file"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        table = "auth_user" if content == "other" else "order_app_logentry"
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"CREATE TABLE {table} (order_no INTEGER)")
    with pytest.raises(UnreadableFile, match=r"^[^\n]*$") as caught:
        verify(path)
    assert str(caught.value).startswith(f"{path} {sentence}")
    assert caught.value.status == USAGE
