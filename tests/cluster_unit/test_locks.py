"""One cluster per data folder."""

from pathlib import Path

import pytest

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.locks import hold, is_held
from bazaar.settings.env import StorageAwayError
from tests.support.disks import SmallDisk


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    assert not is_held(data)
    with hold(data):
        assert is_held(data)
        with pytest.raises(ClusterError, match="Another `cluster` command"), hold(data):
            pass
    assert not is_held(data)


def test_a_lock_on_a_read_only_disk_can_be_looked_at(tmp_path: Path) -> None:
    """`cluster down` asks it first."""
    with SmallDisk(tmp_path / "disk", 2**20) as disk:
        data = DataDir(disk.path)
        data.make()
        data.lock_path.touch()
        disk.lock()
        assert not is_held(data)
        with pytest.raises(StorageAwayError, match="read-only now"):
            data.make()


def test_two_folders_do_not_know_of_each_other(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with hold(DataDir(tmp_path / "a")), hold(DataDir(tmp_path / "b")):
        assert is_held(DataDir(tmp_path / "a"))
