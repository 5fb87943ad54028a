"""Which cluster is wished: by number, by file, or as last time."""

from pathlib import Path

import pytest

from bazaar import topology
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.init import InitOptions, choose_topology, make_files
from bazaar.cluster.ports import free_topology
from bazaar.settings import env
from bazaar.settings.env import SettingsError


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.make()
    return made


def test_no_option_gives_three_replicas(data: DataDir) -> None:
    assert choose_topology(InitOptions(data), {}) == topology.local(3)


def test_a_number_gives_that_many_replicas(data: DataDir) -> None:
    data.write_topology(free_topology())
    assert choose_topology(InitOptions(data, replicas=5), {}) == topology.local(5)


def test_last_time_is_taken_again(data: DataDir) -> None:
    found = free_topology(replicas=2)
    data.write_topology(found)
    assert choose_topology(InitOptions(data), {}) == found


def test_a_file_that_the_environment_names_is_copied(data: DataDir, tmp_path: Path) -> None:
    found = free_topology(replicas=4)
    (tmp_path / "mine.toml").write_text(topology.dump(found))
    environ = {"BAZAAR_CLUSTER": str(tmp_path / "mine.toml")}
    assert make_files(InitOptions(data), environ) == found
    assert data.read_topology() == found
    with pytest.raises(ClusterError, match="BAZAAR_CLUSTER, or --replicas"):
        choose_topology(InitOptions(data, replicas=4), environ)


def test_a_secret_is_made_and_kept(data: DataDir) -> None:
    environ = {"BAZAAR_DATA_DIR": str(data.root)}
    make_files(InitOptions(data), {})
    secret = env.read_secret(environ)
    make_files(InitOptions(data), {})
    assert env.read_secret(environ) == secret


def test_a_secret_that_is_too_short_stops_everything(data: DataDir) -> None:
    (data.root / "cluster.secret").write_text("short")
    with pytest.raises(SettingsError, match="BAZAAR_SECRET_FILE"):
        make_files(InitOptions(data), {})


def test_more_in_sync_than_there_are_replicas_is_refused(data: DataDir) -> None:
    with pytest.raises(SettingsError, match="BAZAAR_MIN_IN_SYNC"):
        make_files(InitOptions(data, replicas=2), {"BAZAAR_MIN_IN_SYNC": "3"})
