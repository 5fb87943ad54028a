"""
Hundreds of storms over whole clusters, every invariant checked at every step.

I1-I6, I8, I9 (`checks.py` says where), and after each storm everything heals, settles and is level.
A seed that failed once is kept in `KEPT`.
"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.cluster import Shape, run_seed

TRACED_SEEDS = 60
"""The first seeds are run by `test_histories`, which also looks at what has happened."""
SEEDS = 120
CHUNK = 20
REPLAYED_SEEDS = 40
FAILING_SEEDS = 60
REPLAYED = {
    *("Append", "AskLeader", "Notice", "ClaimLeadership"),
    *("PlaceBatch", "SendTrades", "PingReplica"),
}
KEPT = (619, 1275, 380)
"""
Seeds outside the range that found bugs we had: a leader did not ship what it took from a peer; a
refusal was called definite while an attempt was under way; a front end heard of a newer term only
in an answer that it does not read. A change of the simulator makes other histories of them, as it
did of the first two: plant the bug again and keep a seed that finds it.
"""


@pytest.mark.parametrize("begin", range(TRACED_SEEDS, SEEDS, CHUNK))
def test_every_invariant_holds_through_a_storm(begin: int) -> None:
    """I1-I6, I8, I9: messages late, lost, repeated, cut; crash, restart, pause, wiped disk."""
    for seed in range(begin, begin + CHUNK):
        run_seed(seed)


@pytest.mark.parametrize("seed", KEPT)
def test_a_storm_that_did_damage_once_does_no_more(seed: int) -> None:
    run_seed(seed)


@pytest.mark.parametrize("begin", range(0, REPLAYED_SEEDS, CHUNK))
def test_every_invariant_holds_while_somebody_sends_old_messages_again(begin: int) -> None:
    """I1-I6, I8, I9: whatever docs/PROTOCOL.md lets come twice comes late and out of order too."""
    replayed = Counter[str]()
    for seed in range(begin, begin + CHUNK):
        replayed += run_seed(seed, has_replays=True).replayed
    assert replayed.keys() >= REPLAYED, "a kind of message was never sent again"


@pytest.mark.parametrize("begin", range(0, FAILING_SEEDS, CHUNK))
def test_every_invariant_holds_while_disks_fail(begin: int) -> None:
    """I1-I6, I8, I9: nothing is acknowledged that a disk did not take; none is called damaged."""
    for seed in range(begin, begin + CHUNK):
        run_seed(seed, has_failing_disks=True)


def test_a_claim_whose_answer_is_lost_is_heard_of() -> None:
    """The front end that won it knew the leader before, who was alive again."""
    run_seed(12385615, Shape(replicas=2, frontends=1, clients=1, trades=1, deadline_s=1.0))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.builds(
        Shape,
        replicas=st.integers(2, 5),
        frontends=st.integers(1, 3),
        clients=st.integers(1, 4),
        trades=st.integers(1, 5),
        in_sync_min=st.integers(1, 2),
        deadline_s=st.sampled_from((0.3, 1.0, 10.0)),
    ),
)
def test_every_invariant_holds_for_a_cluster_of_any_shape(seed: int, shape: Shape) -> None:
    """I1-I6, I8, I9; hypothesis looks for the smallest cluster that fails."""
    run_seed(seed, shape)
