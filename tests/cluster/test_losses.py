"""The short form of `python -m tests.cluster.losses`: the catalog's files lost under load."""

import random
from collections import Counter
from math import inf
from pathlib import Path

import pytest

from tests.cluster.losses import RESTORED, WIPED, LossRun, make_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
ORDERS = 300
BETWEEN_S = (0.5, 1.0)


def test_a_catalog_lost_under_load_comes_back_with_every_order_and_price(
    tmp_path: Path, prepared: Path
) -> None:
    """I1 to I4, I7, I8, I11: made anew once, put back once; replicas are killed before."""
    cluster = make_cluster(tmp_path, ORDERS, prepared)
    try:
        cluster.heal()
        (backups := tmp_path / "backups").mkdir()
        draw = random.Random(1)
        run = LossRun(
            *(cluster, draw, backups),
            has_killed_replicas=True,
            is_full=False,
            between_s=BETWEEN_S,
            again_max_s=inf,
        )
        run.run(1, 1)
    finally:
        cluster.end()
    assert Counter(loss.kind for loss in run.losses) == {WIPED: 1, RESTORED: 1}
    assert not run.wrong, "\n".join(run.wrong)
