"""
Damage to a replica or the catalog: found, never served, mended without a command (I8).

Single flipped bits are in `test_flips`.
"""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.clock import wait_until
from bazaar.cluster.snapshot import Snapshot
from bazaar.protocol.statuses import CatalogStatus
from tests.cluster.conftest import LiveCluster
from tests.cluster.damage import aside_of, forget_repairs
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof
from tests.cluster.requests import buy, look_up

NOT_FOUND = 404
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

DAMAGED_NO = 3
PAGE_BYTES = 4096
MEND_TIMEOUT_S = 90.0
GONE_TIMEOUT_S = 10.0
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


def find_place(path: Path, table: str = "order_app_logentry") -> int:
    """Return where the main file has the digest of an order."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        query = f"SELECT digest FROM {table} WHERE order_no = ?"
        ((digest,),) = database.execute(query, [DAMAGED_NO])
    return path.read_bytes().index(digest.encode())


def is_mended(cluster: LiveCluster, name: str) -> bool:
    """Return whether the damaged file is kept, and its process serves without it."""
    return aside_of(cluster, name).exists() and cluster.view(name).is_well


def await_mended(cluster: LiveCluster, name: str) -> None:
    cluster.wait_for(lambda _: is_mended(cluster, name), MEND_TIMEOUT_S)


@pytest.mark.parametrize(("harm", "role"), [(blank_page, "follower"), (cut_file, "leader")])
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
        aside = aside_of(cluster, name)
        pid = cluster.view(name).pid
        harm(path, find_place(path))

        node_id = cluster.view(name).node.id
        cluster.wait_for(
            lambda snapshot: is_mended(cluster, name) and node_id in snapshot.in_sync,
            MEND_TIMEOUT_S,
        )
        load.await_progress()
    assert load.errors == []
    assert cluster.view(name).pid == pid, "its server is the same process"
    log = cluster.data.log_path(name).read_text()
    assert "log damaged at=" in log
    assert f"log moved aside aside={aside}" in log
    assert_proof(cluster, load)


def find_copy(path: Path) -> int:
    """Return where the main file has the copy of a stock."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        query = "SELECT copy FROM catalog_app_stock ORDER BY id DESC LIMIT 1"
        ((copy,),) = database.execute(query)
    return path.read_bytes().index(copy.encode())


def test_a_damaged_stock_mends_itself(cluster: LiveCluster) -> None:
    """It is found without a load, too; under one its page is soon written anew."""
    forget_repairs(cluster)
    order_no = buy(cluster, "GameStart").body["order_no"]
    path = cluster.data.root / "catalog.sqlite3"
    flip_bit(path, find_copy(path))
    await_mended(cluster, "catalog")
    assert look_up(cluster, order_no).status == 200
    assert_proof(cluster)


def test_a_damaged_ledger_mends_itself(cluster: LiveCluster) -> None:
    """I3, I8: it stops deciding, and begins anew from the replicas."""
    forget_repairs(cluster)
    aside = aside_of(cluster, "catalog")
    with Load([cluster.base_url]) as load:
        load.await_progress(ORDERS)
        pid = cluster.view("catalog").pid
        path = cluster.data.root / "catalog.sqlite3"
        cut_file(path, find_place(path, "catalog_app_entry"))
        await_mended(cluster, "catalog")
        load.await_progress()
    given_up = [one for one in load.errors if one.outcome != "ok" and one.status != NOT_FOUND]
    assert given_up == [], "each was repeated until it was placed or refused"
    assert cluster.view("catalog").pid == pid, "its server is the same process"
    log = cluster.data.log_path("catalog").read_text()
    assert "ledger damaged at=" in log
    assert f"ledger moved aside aside={aside}" in log
    assert_proof(cluster, load)


def halve(path: Path) -> None:
    """Lose half of a file, and what is beside it."""
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    os.truncate(path, path.stat().st_size // 2)


def break_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"no database")


def test_a_broken_file_is_begun_anew_at_the_start(cluster: LiveCluster) -> None:
    """Of a replica, then of the catalog; what has begun anew ends with its supervisor."""
    forget_repairs(cluster)
    with Load([cluster.base_url]) as load:
        load.await_progress(ORDERS)
    for name, harm in (("order-1", break_header), ("catalog", halve)):
        cluster.stop(name)
        harm(cluster.data.root / f"{name}.sqlite3")
        cluster.cluster.supervisor.start(name)  # `cluster start` would not wait for the repair
        await_mended(cluster, name)
    assert buy(cluster, "GameStart").status == 200
    assert_proof(cluster, load)
    end_with_supervisor(cluster)
    come_up_with_a_broken_catalog(cluster, load)


def end_with_supervisor(cluster: LiveCluster) -> None:
    """Kill the supervisor, and see that all that it has started ends."""
    up, supervisor_pid = cluster.process, cluster.cluster.supervisor.pid()
    assert up is not None
    up.send_signal(signal.SIGSTOP)  # or it would end what the supervisor leaves behind
    try:
        os.kill(supervisor_pid, signal.SIGKILL)
        wait_until(lambda: [one.pid for one in cluster.members()] == [up.pid], GONE_TIMEOUT_S)
        assert [one.pid for one in cluster.members()] == [up.pid]
    finally:
        up.kill()
        up.wait()


def come_up_with_a_broken_catalog(cluster: LiveCluster, load: Load) -> None:
    """`cluster up` leaves a broken file to its process."""
    forget_repairs(cluster)
    halve(cluster.data.root / "catalog.sqlite3")
    cluster.up()
    cluster.heal()
    assert aside_of(cluster, "catalog").exists()
    assert_proof(cluster, load)


def test_a_ledger_that_no_replica_has_is_kept(cluster: LiveCluster) -> None:
    """I3: it says what to do, and goes on when the replicas are back."""
    forget_repairs(cluster)
    with Load([cluster.base_url]) as load:
        load.await_progress(ORDERS)
    replicas = [view.name for view in cluster.look().replicas]
    for name in replicas:
        cluster.stop(name)
    path = cluster.data.root / "catalog.sqlite3"
    flip_bit(path, find_place(path, "catalog_app_entry"))

    def waits(snapshot: Snapshot) -> bool:
        status = cluster.view("catalog").status
        return isinstance(status, CatalogStatus) and "cluster restore" in status.not_deciding

    cluster.wait_for(waits, MEND_TIMEOUT_S)
    assert not aside_of(cluster, "catalog").exists()
    for name in replicas:
        cluster.start(name)
    cluster.heal()
    assert aside_of(cluster, "catalog").exists()
    assert_proof(cluster, load)
