"""The hand behind the dashboard's fault buttons; what it does to processes is tests/cluster's."""

from pathlib import Path

import pytest

from bazaar import topology
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.fault_injection import SIGNAL_NAMES, FaultInjector
from dashboard.actions import FAULT_VERBS, SELF_FAULT_VERBS, FaultRefused


def test_every_button_is_understood() -> None:
    assert {*SIGNAL_NAMES, *SELF_FAULT_VERBS} == set(FAULT_VERBS)


@pytest.mark.parametrize("verb", FAULT_VERBS)
def test_without_a_cluster_it_says_so(tmp_path: Path, verb: str) -> None:
    with pytest.raises(FaultRefused, match=f"There is no cluster in {tmp_path}"):
        FaultInjector(tmp_path).inject(verb, "order-3")


@pytest.mark.parametrize("verb", FAULT_VERBS)
def test_a_cluster_that_is_down_is_reported_in_one_line(tmp_path: Path, verb: str) -> None:
    data = DataDir(tmp_path)
    data.write_topology(topology.local(3))
    make_secret(tmp_path / "cluster.secret")
    with pytest.raises(FaultRefused, match="is not running") as refused:
        FaultInjector(tmp_path).inject(verb, "order-3")
    assert "\n" not in str(refused.value)


def test_a_cluster_without_its_secret_is_reported_too(tmp_path: Path) -> None:
    DataDir(tmp_path).write_topology(topology.local(3))
    with pytest.raises(FaultRefused, match="BAZAAR_SECRET_FILE"):
        FaultInjector(tmp_path).inject("kill", "order-3")
