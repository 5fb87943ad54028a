"""The hand behind the dashboard's fault buttons; what it does to processes is tests/cluster's."""

from pathlib import Path

import pytest

from bazaar import topology
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.fault_injection import SIGNAL_NAMES, Striker
from dashboard.faults import SELF_VERBS, VERBS, NotStruck


def test_every_button_is_understood() -> None:
    assert {*SIGNAL_NAMES, *SELF_VERBS} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_cluster_it_says_so(tmp_path: Path, verb: str) -> None:
    with pytest.raises(NotStruck, match=f"There is no cluster in {tmp_path}"):
        Striker(tmp_path).strike(verb, "order-3")


@pytest.mark.parametrize("verb", VERBS)
def test_a_cluster_that_is_down_is_reported_in_one_line(tmp_path: Path, verb: str) -> None:
    data = DataDir(tmp_path)
    data.write_topology(topology.local(3))
    make_secret(tmp_path / "cluster.secret")
    with pytest.raises(NotStruck, match="is not running") as refused:
        Striker(tmp_path).strike(verb, "order-3")
    assert "\n" not in str(refused.value)


def test_a_cluster_without_its_secret_is_reported_too(tmp_path: Path) -> None:
    DataDir(tmp_path).write_topology(topology.local(3))
    with pytest.raises(NotStruck, match="BAZAAR_SECRET_FILE"):
        Striker(tmp_path).strike("kill", "order-3")
