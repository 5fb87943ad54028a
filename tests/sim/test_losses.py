"""
Storms in which catalogs are lost, put back and damaged, logs are damaged, and disks fail.

I1-I9, I11 (`stored_checks.py` says where) hold at every step, and after each storm everything
heals by itself or by the commands of docs/OPERATING.md, and is level. All that recovers, mends and
backs up is the product's own code, on database files.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.sim.disk import make_template
from tests.sim.stored_cluster import run_seed

pytestmark = pytest.mark.usefixtures("_unblocked")

SEEDS = 40
CHUNK = 10


@pytest.fixture(name="_unblocked")
def _unblock(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the processes use their databases, which are none of pytest's."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module", name="template")
def _template(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Path:
    with django_db_blocker.unblock():
        return make_template(tmp_path_factory.mktemp("template"))


@pytest.mark.parametrize("begin", range(0, SEEDS, CHUNK))
def test_every_invariant_holds_while_databases_are_lost(begin: int, template: Path) -> None:
    """I1-I9, I11: nothing acknowledged is lost, doubled or renumbered, and no old price is read."""
    happened = Counter[str]()
    for seed in range(begin, begin + CHUNK):
        cluster = run_seed(seed, template)
        happened.update(cluster.losses.happened)
        assert cluster.checks.reads > 0
    assert all(happened.values()), f"something never happened: {happened}"
