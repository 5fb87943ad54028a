"""The short form of `python -m tests.cluster.losses`: the catalog's files lost under load."""

import random
from collections import Counter
from math import inf
from pathlib import Path

import pytest

from tests.cluster.conftest import LiveCluster
from tests.cluster.losses import RESTORED, WIPED, LossRun

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
BETWEEN_S = (0.2, 0.5)


def test_a_catalog_lost_under_load_comes_back_with_every_order_and_price(
    cluster: LiveCluster, tmp_path: Path
) -> None:
    """I1 to I4, I7, I8, I11: made anew once, put back once; replicas are killed before."""
    (backups := tmp_path / "backups").mkdir()
    run = LossRun(
        *(cluster, random.Random(1), backups),
        has_killed_replicas=True,
        is_full=False,
        between_s=BETWEEN_S,
        again_max_s=inf,
    )
    run.run(1, 1)
    assert Counter(loss.kind for loss in run.losses) == {WIPED: 1, RESTORED: 1}
    assert not run.wrong, "\n".join(run.wrong)
