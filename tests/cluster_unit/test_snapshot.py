"""Health and events are judged from plain facts."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bazaar.cluster.events import list_events
from bazaar.cluster.snapshot import ProcessState, ProcessView, Snapshot
from bazaar.cluster.tables import as_json, describe, make_status_table
from bazaar.core.replica import ReplicaState
from bazaar.protocol.cluster_report import Health
from bazaar.protocol.statuses import CatalogStatus, FrontEndStatus, ReplicaStatus, Status
from bazaar.topology import local

TOPOLOGY = local(3)


def status_of(name: str, leader: int | None, term: int) -> Status | None:
    base: dict[str, Any] = {"id": 1, "pid": 1, "up_since_s": 0.0, "is_ready": True}
    base |= {"term": term, "leader": leader}
    role, _, number = name.partition("-")
    match role:
        case "catalog":
            return CatalogStatus(role=role, stocks=10, **base)
        case "frontend":
            return FrontEndStatus(role=role, lease_left_s=1.0, **base)
        case "order":
            is_leading = int(number) == leader
            state = ReplicaState.LEADING if is_leading else ReplicaState.FOLLOWING
            in_sync = (1, 2, 3) if is_leading else ()
            return ReplicaStatus(
                role=role, state=state, lag_orders=0, lag_ms=0.0, in_sync=in_sync, **base
            )
    return None


def healthy(leader: int | None = 3, term: int = 1) -> Snapshot:
    return Snapshot(
        tuple(
            ProcessView(
                name, node, ProcessState.RUNNING, 100 + n, 1.0, 0, status_of(name, leader, term)
            )
            for n, (name, node) in enumerate(TOPOLOGY.nodes())
        )
    )


def change(snapshot: Snapshot, name: str, **facts: object) -> Snapshot:
    return replace(
        snapshot,
        processes=tuple(
            replace(view, **facts) if view.name == name else view  # type: ignore[arg-type]
            for view in snapshot.processes
        ),
    )


def tell(snapshot: Snapshot, name: str, **facts: object) -> Snapshot:
    """Change what a process tells of itself."""
    status = next(view.status for view in snapshot.processes if view.name == name)
    assert status is not None
    told = {field: getattr(status, field) for field in status.__struct_fields__}
    return change(snapshot, name, status=type(status)(**{**told, **facts}))


def end(snapshot: Snapshot, name: str, **facts: object) -> Snapshot:
    gone: dict[str, object] = {
        "state": ProcessState.EXITED,
        "pid": 0,
        "exit_status": -1,
        "status": None,
    }
    return change(snapshot, name, **{**gone, **facts})


def test_all_well_is_healthy() -> None:
    assert healthy().health is Health.HEALTHY
    assert healthy().leader is not None


@pytest.mark.parametrize("name", ["catalog", "order-1", "frontend-1", "dashboard"])
@pytest.mark.parametrize(
    "state", [ProcessState.PAUSED, ProcessState.EXITED, ProcessState.STOPPED, ProcessState.FATAL]
)
def test_any_process_down_or_paused_is_degraded(name: str, state: ProcessState) -> None:
    assert change(healthy(), name, state=state, status=None).health is Health.DEGRADED


def test_a_follower_out_of_sync_is_degraded() -> None:
    assert tell(healthy(), "order-3", in_sync=(2, 3)).health is Health.DEGRADED


def test_a_silent_process_is_degraded() -> None:
    assert change(healthy(), "frontend-1", status=None).health is Health.DEGRADED


def test_without_its_leader_the_cluster_has_none() -> None:
    assert end(healthy(), "order-3").health is Health.NO_LEADER
    assert end(healthy(), "order-3").leader is None


def test_a_leader_of_an_older_term_is_none() -> None:
    assert tell(healthy(), "catalog", term=2, leader=2).health is Health.NO_LEADER


def test_without_a_supervisor_the_cluster_is_down() -> None:
    silent = healthy()
    for view in silent.processes:
        silent = change(silent, view.name, status=None)
    assert replace(silent, is_supervised=False).health is Health.DOWN


def test_a_cluster_that_something_else_started_is_healthy_when_it_answers() -> None:
    assert replace(healthy(), is_supervised=False).health is Health.HEALTHY


def with_standby(first: str, second: str) -> Snapshot:
    """Return a cluster with two catalogs, and what each of them is."""
    snapshot = tell(healthy(), "catalog", activity=first, epoch=3)
    one = snapshot.processes[0]
    node = msgspec.structs.replace(one.node, id=2)
    other = replace(one, name="catalog-2", node=node)
    both = replace(snapshot, processes=(one, other, *snapshot.processes[1:]))
    return tell(both, "catalog-2", activity=second)


def test_the_active_one_of_several_catalogs_speaks_for_the_ledger() -> None:
    snapshot = with_standby("standby", "active")
    assert snapshot.health is Health.HEALTHY
    assert snapshot.report.catalog == "catalog-2"
    waits = tell(snapshot, "catalog-2", not_deciding="It waits.")
    assert waits.report.disagreement == "It waits."
    assert tell(snapshot, "catalog", not_deciding="It waits.").report.disagreement == ""


def test_without_an_active_catalog_the_cluster_is_degraded() -> None:
    snapshot = with_standby("standby", "ended")
    assert snapshot.report.catalog is None
    assert snapshot.health is Health.DEGRADED
    assert "no catalog is active." in snapshot.report.reasons


def test_status_says_what_each_of_several_catalogs_is() -> None:
    def names(snapshot: Snapshot) -> list[str]:
        return list(map(str, make_status_table(snapshot).columns[0].cells))

    assert names(with_standby("active", "standby"))[:2] == [
        "catalog (active)",
        "catalog-2 (standby)",
    ]
    assert names(healthy())[0] == "catalog"


def test_nothing_happened() -> None:
    assert list(list_events(healthy(), healthy())) == []


def test_a_failover_is_reported() -> None:
    lines = list(list_events(healthy(3, 1), end(healthy(2, 2), "order-3")))
    assert lines[:2] == ["order-3 was killed (pid 103)", "order-2 leads in term 2"]


def test_a_killed_leader_without_successor_is_reported() -> None:
    lines = list(list_events(healthy(), end(healthy(), "order-3")))
    assert "no leader: order-3 led until now" in lines


def test_an_exit_status_is_reported() -> None:
    lines = list(list_events(healthy(), end(healthy(), "dashboard", exit_status=2)))
    assert lines == ["dashboard exited with status 2 (pid 105)"]


def test_pause_resume_and_restart_are_reported() -> None:
    paused = change(healthy(), "order-1", state=ProcessState.PAUSED, status=None)
    assert list(list_events(healthy(), paused)) == ["order-1 paused"]
    assert list(list_events(paused, healthy())) == ["order-1 resumed"]
    another = change(healthy(), "order-1", pid=999)
    assert list(list_events(healthy(), another))[-1] == "order-1 started (pid 999)"


def test_the_in_sync_set_is_reported_when_it_changes() -> None:
    behind = tell(healthy(), "order-3", in_sync=(2, 3))
    assert list(list_events(healthy(), behind)) == [
        "in sync: 2 of 3 order replicas (order-2, order-3)"
    ]
    alone = tell(healthy(), "order-3", in_sync=(3,))
    assert list(list_events(healthy(), alone)) == ["in sync: 1 of 3 order replicas (order-3)"]


def test_lagging_and_catching_up_are_reported() -> None:
    behind = tell(healthy(), "order-1", lag_orders=500, lag_ms=2500.0)
    assert list(list_events(healthy(), behind)) == ["order-1 lags behind"]
    assert list(list_events(behind, healthy())) == ["order-1 has caught up (order 0)"]
    hardly = tell(healthy(), "order-1", lag_orders=3, lag_ms=20.0)
    assert list(list_events(healthy(), hardly)) == []


def test_a_damaged_log_is_reported() -> None:
    damaged = tell(healthy(), "order-1", state=ReplicaState.CORRUPT, is_ready=False)
    assert "order-1 stays out: its log is damaged; `cluster logs order-1` says more" in list(
        list_events(healthy(), damaged)
    )


def test_json_shows_who_leads_and_who_is_in_sync() -> None:
    snapshot = tell(healthy(), "order-3", in_sync=(2, 3))
    told = {view.name: describe(view, snapshot) for view in snapshot.processes}
    assert told["order-3"]["is_leader"] is True
    assert told["order-1"]["is_in_sync"] is False
    assert told["catalog"]["is_leader"] is None
    assert '"leader": 3' in as_json(snapshot)
