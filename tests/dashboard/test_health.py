"""The dashboard and `cluster status` judge one cluster alike, whatever its processes report."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bazaar.cluster.snapshot import ProcessState, ProcessView, Snapshot
from bazaar.cluster.tables import describe_health
from bazaar.core.replica import ReplicaState
from bazaar.protocol.cluster_report import Health
from bazaar.protocol.statuses import Status
from bazaar.topology import local, role_of
from dashboard.cluster_view import ClusterView, PollResult
from dashboard.serializers import show_health
from tests.dashboard.statuses import catalog, front_end, replica

NODES = dict(local(3).nodes())
TERMS = st.integers(2, 3)


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Status | None]:
    """Return what each process reports; None: it is dead or paused."""
    found: dict[str, Status | None] = {
        "catalog": replace(
            catalog(term=draw(TERMS)),
            position=draw(st.integers(8, 10)),
            not_deciding=draw(st.sampled_from(["", "The catalog waits."])),
        ),
        "frontend-1": front_end(term=draw(TERMS)),
    }
    for number in (1, 2, 3):
        found[f"order-{number}"] = replace(
            replica(number, term=draw(TERMS)),
            state=draw(st.sampled_from([ReplicaState.LEADING, ReplicaState.FOLLOWING])),
            position=draw(st.integers(8, 10)),
            in_sync=draw(st.sampled_from([(), (1, 2, 3), (2,), (1, 3)])),
        )
    for name, status in found.items():
        if status and not draw(st.booleans()):
            found[name] = draw(st.sampled_from([None, replace(status, is_ready=False)]))
    return found


def take_snapshot(reported: dict[str, Status | None]) -> Snapshot:
    """Return what `cluster status` sees."""
    running = ProcessState.RUNNING
    views = [
        ProcessView(name, node, running, 1, status=reported.get(name))
        for name, node in NODES.items()
    ]
    return Snapshot(tuple(views))


def poll(reported: dict[str, Status | None]) -> ClusterView:
    """Return what the dashboard sees, with a worker that only it knows."""
    results = [
        PollResult(name, role_of(name), node, reported[name])
        for name, node in NODES.items()
        if name in reported
    ]
    worker = PollResult("worker-40123", "worker", NODES["frontend-1"], front_end(term=9))
    return ClusterView([*results, worker], 1.0)


@given(reported=statuses())
def test_both_say_the_same(reported: dict[str, Status | None]) -> None:
    snapshot, shown = take_snapshot(reported), show_health(poll(reported))
    line = describe_health(snapshot)
    assert shown["health"] == snapshot.health
    assert line.startswith(f"{shown['health']}: {shown['leads']}")
    assert bool(shown["reasons"]) is (snapshot.health is not Health.HEALTHY)


def test_a_healthy_cluster_has_no_reasons() -> None:
    leading = replace(replica(2), in_sync=(1, 2, 3))
    well = {"order-1": replica(1), "order-2": leading, "order-3": replica(3)}
    reported: dict[str, Status | None] = {"catalog": catalog(), "frontend-1": front_end(), **well}
    assert show_health(poll(reported)) == {
        "health": "healthy",
        "leads": "order-2 leads, term 3",
        "reasons": (),
    }


def test_with_all_replicas_dead_nobody_leads() -> None:
    """Catalog and front end remember the last leader; that one is dead."""
    dead = dict.fromkeys(("order-1", "order-2", "order-3"))
    reported: dict[str, Status | None] = {"catalog": catalog(), "frontend-1": front_end(), **dead}
    shown = show_health(poll(reported))
    assert (shown["health"], shown["leads"]) == ("no leader", "nobody leads, term 3")
    assert shown["reasons"][0] == "Trades wait until a replica leads."
    assert "order-1 does not answer." in shown["reasons"]
