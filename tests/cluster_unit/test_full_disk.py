"""What commands leave behind when the disk is full: nothing that they would call damaged."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazaar.cluster import databases
from bazaar.cluster.data_dir import DataDir, make_secret, write_whole
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.init import InitOptions
from bazaar.cluster.ports import free_topology
from bazaar.cluster.up import ClusterRun
from tests.support.disks import SmallDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk", 2**20) as made:
        yield made


def test_a_file_that_cannot_be_written_stays_as_it_was(disk: SmallDisk) -> None:
    path = disk.path / "cluster.toml"
    path.write_text("old")
    disk.fill()
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(path, "new" * 9999)
    assert caught.value.filename == str(path)
    assert sorted(os.listdir(disk.path)) == ["cluster.toml", "filling"]  # noqa: PTH208
    assert path.read_text() == "old"


def test_a_database_that_found_no_room_can_be_made_later(disk: SmallDisk) -> None:
    data, found = DataDir(disk.path), free_topology()
    data.make()
    data.write_topology(found)
    make_secret(data.root / "cluster.secret")
    disk.fill()
    with pytest.raises(ClusterError, match=r"order-1: `migrate` failed: .*full"):
        databases.prepare(data, "order-1", found.replica(1), dict(os.environ))
    assert not list(disk.path.glob("order-1*"))
    disk.clear()
    lines = databases.prepare(data, "order-1", found.replica(1), dict(os.environ))
    assert lines == [f"order-1: {disk.path / 'order-1.sqlite3'} is ready"]


def test_an_output_that_takes_nothing_ends_no_cluster(tmp_path: Path) -> None:
    """`cluster up > FILE` on a full disk: what it reports is lost."""
    options = InitOptions(DataDir(tmp_path))
    with Path("/dev/full").open("w", buffering=1) as full:
        run = ClusterRun(options, {}, full, threading.Event())
        run.report("order-1 was killed")
        run.end()
        with contextlib.suppress(OSError):
            full.close()
