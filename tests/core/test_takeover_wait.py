"""How long a takeover waits for leases of the active before: I7 (docs/adr/0055, 0060)."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.core.activity import PROOF_S, ActivityState
from bazaar.core.coherence import CLOCK_DRIFT_MAX, Lease
from tests.core.activities import LEASE_S, ONE, make_active, make_record, make_standby


@pytest.mark.parametrize(
    ("beat", "counts_from_s"),
    [
        ((57.0, 3), 9.0),
        ((57.49, 4), 9.5),
        ((58.9, 4), 10.1),
        ((56.9, 2), 10.1),
        ((7.0, 4), 10.1),
        ((9e9, 4), 10.1),
    ],
    ids=["seen", "later", "too late", "lost by a failover", "another life", "yet another"],
)
def test_the_wait_counts_from_the_last_proof(beat: tuple[float, int], counts_from_s: float) -> None:
    """
    I7: a proof was sent before anybody saw it, and the next one as much later as its time is.

    What says nothing of the clock that was seen counts from the claim.
    """
    standby = make_standby()
    for now_s, seen in ((8.0, (56.0, 2)), (9.0, (57.0, 3)), (9.9, (57.0, 3))):
        standby.hear(make_record(4, ONE, *seen), now_s)
    standby.claimed(10.0, 10.1, ["silent"], beat)
    over_s = counts_from_s + PROOF_S + LEASE_S
    standby.tick(over_s - 0.001)
    assert standby.unacknowledged == {"silent"}
    standby.tick(over_s + 0.001)
    assert standby.state is ActivityState.ACTIVE


@pytest.mark.parametrize("proved_s", [0.0, 0.7])
def test_a_takeover_waits_exactly_as_long_as_a_lease_on_the_slowest_clock_runs(
    proved_s: float,
) -> None:
    """
    I7, and no longer: what is granted last, by a slow clock, to a slow one, for a fast one.

    proved_s: when the last proof was sent, after the one that was seen.
    """
    slow, fast = 1 - CLOCK_DRIFT_MAX, 1 + CLOCK_DRIFT_MAX
    old, lease, new = make_active(), Lease(LEASE_S), make_standby()
    old.proof.lost()
    old.proved(proved_s * slow)
    new.hear(make_record(4, ONE, 0.0), 0.0)
    granted_s = old.proof.valid_until_s / slow - 1e-9
    old.check_granting(granted_s * slow)
    lease.renewed(granted_s * slow)
    beat = (proved_s * slow,)
    new.claimed(granted_s * fast, (granted_s + 0.1) * fast, ["silent"], beat)
    ends_s = lease.valid_until_s / slow
    states = list[ActivityState]()
    for now_s in (ends_s, ends_s + 0.001):
        new.tick(now_s * fast)
        states.append(new.state)
    assert states == [ActivityState.TAKING_OVER, ActivityState.ACTIVE]


rates = st.floats(1 - CLOCK_DRIFT_MAX, 1 + CLOCK_DRIFT_MAX)
moments_s = st.floats(0, 3)
ways_s = st.floats(0, 1)


@given(
    clocks=st.tuples(rates, rates, rates),
    claimed_s=moments_s,
    answer_s=ways_s,
    proofs=st.lists(st.tuples(moments_s, ways_s), min_size=1, max_size=6),
    looks=st.lists(st.tuples(moments_s, ways_s, ways_s), max_size=6),
    renewals=st.lists(st.tuples(moments_s, ways_s), max_size=8),
)
def test_no_older_lease_runs_when_a_silent_holder_is_waited_for_no_more(
    clocks: tuple[float, float, float],
    claimed_s: float,
    answer_s: float,
    proofs: list[tuple[float, float]],
    looks: list[tuple[float, float, float]],
    renewals: list[tuple[float, float]],
) -> None:
    """
    I7, whatever is how late, and with clocks that drift apart.

    Each proof, look and renewal: when it was sent, how long it took there, and a look back.
    """
    old_rate, holder_rate, new_rate = clocks
    old, lease = make_active(), Lease(LEASE_S)
    old.proof.lost()
    proved = [(sent_s + way_s, False, sent_s) for sent_s, way_s in proofs]
    renewed = [(sent_s + way_s, True, sent_s) for sent_s, way_s in renewals]
    history = [one for one in proved if one[0] < claimed_s] + renewed
    for now_s, is_renewal, sent_s in sorted(history):
        if not is_renewal:
            old.proved(sent_s * old_rate)
        elif old.proof.is_valid(now_s * old_rate):
            lease.renewed(sent_s * holder_rate)
    new = make_standby()
    read_beat = partial(find_beat, [one for one in proved if one[0] < claimed_s], old_rate)
    for sent_s, way_s, back_s in sorted(looks):
        read_s = sent_s + way_s
        if read_s + back_s < claimed_s:
            seen = make_record(4, ONE, read_beat(read_s))
            new.hear(seen, (read_s + back_s) * new_rate)
    claim_s = claimed_s * new_rate
    new.claimed(claim_s, (claimed_s + answer_s) * new_rate, ["silent"], (read_beat(claimed_s),))
    ends_s = lease.valid_until_s / holder_rate
    if ends_s > claimed_s + answer_s:
        new.tick((ends_s - 1e-9) * new_rate)
        assert new.state is ActivityState.TAKING_OVER


def find_beat(proved: list[tuple[float, bool, float]], rate: float, at_s: float) -> float:
    """Return what the head row shows then: when the latest proof in it was sent, by that clock."""
    return max((one[2] for one in proved if one[0] <= at_s), default=-9.0) * rate
