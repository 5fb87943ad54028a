"""Databases that kept every promise, anew for each test."""

from pathlib import Path

import pytest

from tests.proof.cluster_files import ClusterFiles


@pytest.fixture
def files(tmp_path: Path) -> ClusterFiles:
    return ClusterFiles(tmp_path / "data")
