"""`manage.py runserver` runs one role on its own port, or says in one sentence why not."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.ports import free_topology
from bazaar.settings import env
from bazaar.topology import Topology

TIMEOUT_S = 60.0


@pytest.fixture
def found(tmp_path: Path) -> Topology:
    data = DataDir(tmp_path)
    data.make()
    data.write_topology(free_topology())
    make_secret(data.root / "cluster.secret")
    return data.read_topology()


def runserver(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    ours = {"BAZAAR_DATA_DIR": str(data), "BAZAAR_CLUSTER": str(data / "cluster.toml")}
    return subprocess.run(
        [sys.executable, str(env.ROOT / "manage.py"), "runserver", *arguments],
        env={**inherited, **ours},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_without_a_role_it_says_which_settings_to_give(tmp_path: Path, found: Topology) -> None:
    assert found.catalog
    done = runserver(tmp_path)
    assert done.returncode == 2
    assert "--settings bazaar.settings.ROLE" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("reload", [(), ("--noreload",)])
def test_a_taken_port_is_named(tmp_path: Path, found: Topology, reload: tuple[str, ...]) -> None:
    node = found.replica(3)
    with socket.create_server(node.address):
        done = runserver(tmp_path, "--settings", "bazaar.settings.order_3", *reload)
    assert done.returncode == 2
    for word in ("order-3", str(node.port), "BAZAAR_CLUSTER"):
        assert word in done.stderr


def test_a_port_given_by_hand_is_the_one_that_counts(tmp_path: Path, found: Topology) -> None:
    with socket.create_server(found.dashboard.address):
        port = str(found.dashboard.port)
        done = runserver(tmp_path, f"127.0.0.1:{port}", "--settings", "bazaar.settings.catalog")
    assert done.returncode == 2
    assert f"catalog cannot listen on port {port}" in done.stderr


def test_a_wrong_setting_names_the_variable(tmp_path: Path, found: Topology) -> None:
    assert found.catalog
    done = runserver(tmp_path, "--settings", "bazaar.settings.order")
    assert done.returncode == 2
    assert done.stderr.startswith("BAZAAR_REPLICA_ID is not set")
