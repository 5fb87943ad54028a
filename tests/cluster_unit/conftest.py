"""The databases of a cluster that ended, and a cluster of them that is down."""

import os
from pathlib import Path

import pytest

from bazaar.cluster.data_dir import make_secret
from bazaar.cluster.operations import Cluster
from bazaar.cluster.ports import free_topology
from tests.proof.cluster_files import ClusterFiles


@pytest.fixture
def files(tmp_path: Path) -> ClusterFiles:
    return ClusterFiles(tmp_path / "data")


@pytest.fixture
def cluster(files: ClusterFiles) -> Cluster:
    """Return a cluster of these files, of which no process runs."""
    files.data.make()
    files.data.write_topology(free_topology())
    make_secret(files.data.root / "cluster.secret")
    return Cluster(files.data, {**os.environ, "BAZAAR_DATA_DIR": str(files.data.root)})
