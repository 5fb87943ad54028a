"""Hostile requests at every port of a real cluster, in short; `tests.cluster.hostile` does more."""

import secrets
import shutil
from pathlib import Path

import pytest

from tests.cluster.hostile import LOG_BYTES_MAX, HostileRun, hostile_cluster

pytestmark = pytest.mark.cluster

REQUESTS = 1500


def test_every_port_answers_hostile_requests_and_nothing_changes(
    tmp_path: Path, prepared: Path
) -> None:
    """I9, I10, I12: 5xx only as an honest 503, no traceback, only what was asked for."""
    shutil.copytree(prepared / "data", tmp_path / "data")
    with hostile_cluster(tmp_path) as cluster:
        run = HostileRun(cluster, secrets.randbits(31), is_short=True)
        run.run(REQUESTS)
    found = "\n".join(run.sentences)
    assert not found, f"`python -m tests.cluster.hostile --seed {run.seed}`, {found}"
    assert sum(tally.requests for tally in run.tallies.values()) >= REQUESTS
    assert all(tally.answers for tally in run.tallies.values()), "every port has answered"
    assert run.log_bytes < LOG_BYTES_MAX // 4, "most of it comes in the first seconds"
