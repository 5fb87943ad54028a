"""Bits that flip anywhere in a file, under a load: the short form of `tests.cluster.flips` (I8)."""

import pytest

from tests.cluster import flips
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_flipped_bits_are_found_and_mended(cluster: LiveCluster) -> None:
    done = flips.run(cluster, Load([cluster.base_url]), (1, 1), seed=5)
    assert [one for one in done if one.is_late] == []
    assert sum(one.mended_s is not None for one in done) == 2
