"""
Storms in which catalogs are lost, put back and damaged, logs are damaged, and disks fail.

I1-I9, I11 (`stored_checks.py` says where) hold at every step, and after each storm everything
heals by itself or by the commands of docs/OPERATING.md, and is level. All that recovers, mends and
backs up is the product's own code, on database files.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from bazaar.core.failures import StorageFailed
from bazaar.core.types import Linked
from catalog_app.recovery import LedgerRecovery
from tests.sim.disk import make_template
from tests.sim.stored_cluster import run_seed
from tests.sim.stored_replica import StoredLog

pytestmark = pytest.mark.usefixtures("_unblocked")

LOSSES = ("restored", "wiped", "damaged", "log damaged")
SEEDS = 16
CHUNK = 4
PLANTED_SEEDS = 30
"""So many seeds are enough to find a fault."""


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
        happened.update(cluster.losses.happened, read=cluster.checks.reads)
    assert happened["read"] > 0, "nothing was read"
    assert sum(happened[one] for one in LOSSES) > 1, "the storms are too weak to find anything"


def serve_a_shorter_ledger(patch: pytest.MonkeyPatch) -> None:
    """Let a catalog go on without the entries that only replicas have."""
    patch.setattr(LedgerRecovery, "_take", lambda *_: None)


def keep_an_old_term(patch: pytest.MonkeyPatch) -> None:
    """Let a catalog go on below the highest term known."""
    patch.setattr("catalog_app.store.raise_term", lambda *_: None)


def ask_nobody(patch: pytest.MonkeyPatch) -> None:
    """Let a catalog decide as soon as it starts."""
    patch.setattr(LedgerRecovery, "_attempt", lambda *_: "")


def acknowledge_what_is_not_stored(patch: pytest.MonkeyPatch) -> None:
    """Let an append that the disk did not take pass for stored."""
    append = StoredLog.append

    def swallow(log: StoredLog, entries: Sequence[Linked]) -> None:
        with suppress(StorageFailed):
            append(log, entries)

    patch.setattr(StoredLog, "append", swallow)


@pytest.mark.parametrize(
    ("plant", "begin"),
    [
        (serve_a_shorter_ledger, 0),
        (keep_an_old_term, 0),
        (ask_nobody, 0),
        (acknowledge_what_is_not_stored, 3),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    begin: int,
    monkeypatch: pytest.MonkeyPatch,
    template: Path,
) -> None:
    """
    A simulation that misses a fault it was made for proves nothing.

    begin: a seed that finds it, or one shortly before, so that it is soon found.
    """
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=r"I\d|liveness"):
        _run_seeds(range(begin, begin + PLANTED_SEEDS), template)


def _run_seeds(seeds: Iterable[int], template: Path) -> None:
    for seed in seeds:
        run_seed(seed, template)
