"""The short form of `python -m tests.cluster.conformance`."""

from pathlib import Path

import pytest

from tests.cluster.conformance import try_api
from tests.cluster.conftest import LiveCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_the_running_api_is_as_described(cluster: LiveCluster, tmp_path: Path) -> None:
    """All checks of schemathesis, all dialects; the seed is in the failure."""
    answers = try_api(cluster.base_url, tmp_path, seed=1, examples=1)
    for tag in ("seed", "course", "seed, course", "v1", "about"):
        assert answers[tag, "2xx"] > 0, tag
