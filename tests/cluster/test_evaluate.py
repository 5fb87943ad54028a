"""One step of an evaluation on a real cluster, which is gone afterwards."""

import os

import psutil
import pytest

from bazaar.cluster.temporary import run_healthy
from bazaar.loadtest.evaluate.runner import Runner
from bazaar.loadtest.evaluate.steps import SMALL_CACHE, Effort, list_steps
from bazaar.loadtest.profiles import read_profile

pytestmark = pytest.mark.cluster

EFFORT = Effort(seconds=1.0, rate=1000, clients=8)


def test_a_small_cache_is_seen_to_replace_and_its_cluster_to_go() -> None:
    environ = {**os.environ, "BAZAAR_CACHE_STOCKS_MAX": str(SMALL_CACHE)}
    (small,) = (step for step in list_steps(EFFORT) if step.is_small)
    with run_healthy(environ, "--stocks", "sp500") as cluster:
        root = cluster.data.root
        outcome = Runner(cluster, read_profile("sp500")).measure(small)
    assert outcome.summary.error_count == 0
    assert outcome.by_cache["hit"].count > 0
    assert outcome.by_cache["miss"].count > 0
    last = outcome.looks[-1]
    assert last.evictions > 0
    assert max(len(look.ranks) for look in outcome.looks) == SMALL_CACHE
    assert not root.exists()
    left = [one for one in psutil.process_iter() if _data_of(one) == str(root)]
    assert left == []


def _data_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("BAZAAR_DATA_DIR")
    except psutil.Error:
        return None
