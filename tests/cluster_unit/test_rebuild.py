"""`cluster rebuild catalog` while nothing runs: what it refuses, and what it makes."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.cluster.exits import ClusterError
from bazaar.cluster.operations import Cluster
from bazaar.cluster.sequence_file import SequenceFile
from tests.proof.cluster_files import ORDERS, ClusterFiles

LOG = "order-2"


def test_the_only_ledger_is_kept_and_a_new_one_lists_nothing_by_itself(
    files: ClusterFiles, cluster: Cluster
) -> None:
    """I3, I11: replicas may be on other hosts, so their stocks are not guessed."""
    for number in (1, 2, 3):
        files.path(f"order-{number}").unlink()
    with pytest.raises(ClusterError, match=rf"orders 1 to {ORDERS} that every replica lacks"):
        cluster.rebuild("catalog")
    assert not (files.data.root / "aside").exists()
    moved, *lines = cluster.rebuild("catalog", lose=ORDERS + 3)
    aside = files.data.root / "aside" / "catalog.1" / "catalog.sqlite3"
    assert moved == f"catalog: {files.path('catalog')} is now {aside}"
    assert "takes stocks and orders from the replicas" in lines[-1]
    with SequenceFile(aside) as old, SequenceFile(files.path("catalog")) as new:
        assert (old.head.order_no, new.head.position) == (ORDERS, 0)
    with closing(sqlite3.connect(files.path("catalog"))) as database:
        assert database.execute("SELECT COUNT(*) FROM catalog_app_stock").fetchone() == (0,)


def put_nothing(path: Path) -> None:
    path.unlink()


def put_empty_file(path: Path) -> None:
    path.write_bytes(b"")


def put_folder(path: Path) -> None:
    path.unlink()
    (path / "what somebody keeps here").mkdir(parents=True)


def put_dead_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("name", "put"),
    [
        ("catalog", put_nothing),
        ("catalog", put_folder),
        (LOG, put_empty_file),
        (LOG, put_dead_link),
    ],
)
def test_whatever_is_in_the_place_of_a_database_it_is_made_anew(
    files: ClusterFiles, cluster: Cluster, name: str, put: Callable[[Path], None]
) -> None:
    """I11: and what was there is kept."""
    path = files.path(name)
    put(path)
    was_there = path.exists() or path.is_symlink()
    cluster.rebuild(name)
    with SequenceFile(path) as new:
        assert new.head.position == 0
    aside = files.data.root / "aside" / f"{name}.1" / path.name
    assert (aside.exists() or aside.is_symlink()) is was_there
    assert aside.is_dir() is (put is put_folder)


def test_the_other_databases_may_be_anything_too(files: ClusterFiles, cluster: Cluster) -> None:
    """I3: what cannot be read is no copy, and does not keep anybody from the sound one."""
    put_folder(files.path("order-1"))
    put_empty_file(files.path("order-2"))
    cluster.rebuild("catalog")
    files.path("catalog").unlink()
    files.path("catalog").mkdir()
    with pytest.raises(ClusterError, match=rf"order-3 has orders 1 to {ORDERS} that the ledger"):
        cluster.rebuild("order-3")
