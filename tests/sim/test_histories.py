"""The simulator itself: the same seed is the same history, and storms do what they say."""

from collections import Counter

import pytest

from tests.sim.cluster import SimCluster, run_seed
from tests.sim.test_storms import TRACED_SEEDS

SEEDS = (*range(TRACED_SEEDS), 80, 305)  # the last two depose a leader while it trades
HAPPENINGS = (
    " crashes",
    " pauses",
    " resumes",
    " is wiped",
    "cut [",
    " dies at a write",
    "KeyReused",
    "InsufficientQuantity",
    "Overstock",
    "UnknownStock",
    "UnknownOrder",
    "GapFound",
    "StaleTerm",
    "Deposed",
    "DamagedPage",
    "TooFewInSync",
    "NotServing",
    "LeaderAlive",
    "silence",
    "'refused'",
    "'reset'",
    "ReadPeerLog",
    "An earlier attempt may still be under way",
)
"""What has to be seen in a few storms, or they are too weak to find anything."""


@pytest.fixture(scope="module", name="histories")
def _histories() -> list[list[str]]:
    histories: list[list[str]] = [[] for _ in SEEDS]
    for seed, trace in zip(SEEDS, histories, strict=True):
        run_seed(seed, trace=trace)
    return histories


@pytest.mark.parametrize("seed", [0, 7, 31])
def test_a_seed_is_a_history(seed: int) -> None:
    """What failed once fails again: no real clock, no order of sets, no hidden chance."""
    first, again = SimCluster(seed, has_trace=True), SimCluster(seed, has_trace=True)
    first.run()
    again.run()
    assert first.trace == again.trace


def test_watching_does_not_change_what_happens() -> None:
    """A failing seed is replayed with its history written down."""
    watched = SimCluster(5, has_trace=True)
    watched.run()
    unwatched = run_seed(5)
    assert unwatched.checks.history == watched.checks.history
    assert unwatched.events.now_s == watched.events.now_s


def test_a_failing_seed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimCluster, "check_end", lambda _: pytest.fail("broken"))
    with pytest.raises(pytest.fail.Exception) as failure:
        run_seed(3)
    assert "seed 3 fails" in "".join(failure.value.__notes__)


@pytest.mark.xdist_group("histories")
def test_storms_bring_about_all_that_can_happen(histories: list[list[str]]) -> None:
    """A simulation in which nothing goes wrong proves nothing."""
    lines = [line for history in histories for line in history]
    assert [one for one in HAPPENINGS if not any(one in line for line in lines)] == []


@pytest.mark.xdist_group("histories")
def test_most_storms_change_the_leader(histories: list[list[str]]) -> None:
    leaderships = Counter(
        min(3, sum(" leads term " in line for line in history)) for history in histories
    )
    assert leaderships[2] + leaderships[3] > len(histories) / 3
    assert leaderships[3] > len(histories) / 10


@pytest.mark.xdist_group("histories")
def test_most_storms_place_orders_while_they_last(histories: list[list[str]]) -> None:
    """Trades that all wait for the storm to end would test little."""
    busy = [
        history
        for history in histories
        if sum("the ledger has" in line and line < "  2.5" for line in history) >= 3
    ]
    assert len(busy) > len(histories) / 3
