"""Damage under a running replica: found, never served, mended without a command (I8)."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.cluster.snapshot import Snapshot
from tests.cluster.conftest import LiveCluster
from tests.cluster.damage import forget_repairs
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

DAMAGED_NO = 3
PAGE_BYTES = 4096
MEND_TIMEOUT_S = 90.0
ORDERS = 100
"""So many that the page of the damaged order is full, and not written any more."""


def flip_bit(path: Path, at: int) -> None:
    """Flip one bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def blank_page(path: Path, at: int) -> None:
    """Overwrite the page of a place with zeros, as a torn write does."""
    with path.open("r+b") as file:
        file.seek(at // PAGE_BYTES * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))


def cut_file(path: Path, at: int) -> None:
    """Lose the end of a file from the page of a place on."""
    with path.open("r+b") as file:
        file.truncate(at // PAGE_BYTES * PAGE_BYTES)


def find_place(path: Path) -> int:
    """Return where the main file has the digest of an order."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        query = "SELECT digest FROM order_app_logentry WHERE order_no = ?"
        ((digest,),) = database.execute(query, [DAMAGED_NO])
    return path.read_bytes().index(digest.encode())


@pytest.mark.parametrize("role", ["follower", "leader"])
@pytest.mark.parametrize("harm", [flip_bit, blank_page, cut_file])
def test_a_damaged_replica_mends_itself(
    cluster: LiveCluster, harm: Callable[[Path, int], None], role: str
) -> None:
    forget_repairs(cluster)
    with Load([cluster.base_url]) as load:
        load.await_progress(ORDERS)
        leader = cluster.leader()
        others = [view.name for view in cluster.look().replicas if view.name != leader]
        name = leader if role == "leader" else others[0]
        path = cluster.data.root / f"{name}.sqlite3"
        aside = path.with_name(f"{path.name}.damaged")
        pid = cluster.view(name).pid
        harm(path, find_place(path))

        def is_mended(snapshot: Snapshot) -> bool:
            view = next(one for one in snapshot.replicas if one.name == name)
            return aside.exists() and view.is_well and view.node.id in snapshot.in_sync

        cluster.wait_for(is_mended, MEND_TIMEOUT_S)
        load.await_progress()
    assert load.errors == []
    assert cluster.view(name).pid == pid, "its server is the same process"
    log = cluster.data.log_path(name).read_text()
    assert "log damaged at=" in log
    assert f"log moved aside aside={aside}" in log
    assert_proof(cluster, load)
