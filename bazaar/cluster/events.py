"""Events: what changed between two snapshots of a cluster, one line each."""

from collections.abc import Iterator

from bazaar.cluster.snapshot import ProcessState, ProcessView, Snapshot
from bazaar.protocol.statuses import ReplicaStatus
from bazaar.topology import Role, process_name

LAGGING_MS = 1000.0
"""A replica that is further behind than this is called lagging."""


def list_events(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield one line for each event, processes first."""
    for old, new in zip(before.processes, after.processes, strict=True):
        yield from _process_events(old, new)
        yield from _reach_events(old, new)
    yield from _leader_events(before, after)
    yield from _in_sync_events(before, after)
    for old, new in zip(before.replicas, after.replicas, strict=True):
        yield from _log_events(old, new)


def _process_events(old: ProcessView, new: ProcessView) -> Iterator[str]:
    if old.is_up and old.pid != new.pid:
        yield f"{new.name} {_end(new)} (pid {old.pid})"
    if new.is_up and old.pid != new.pid:
        yield f"{new.name} started (pid {new.pid})"
    elif (old.state, new.state) == (ProcessState.RUNNING, ProcessState.PAUSED):
        yield f"{new.name} paused"
    elif (old.state, new.state) == (ProcessState.PAUSED, ProcessState.RUNNING):
        yield f"{new.name} resumed"
    elif (old.state, new.state) == (ProcessState.STOPPING, ProcessState.STOPPED):
        yield f"{new.name} stopped"


def _reach_events(old: ProcessView, new: ProcessView) -> Iterator[str]:
    """Yield what happens to a process that our supervisor has not started."""
    if not new.is_ours and new.status and not old.status:
        yield f"{new.name} answers on {new.node.host} (pid {new.status.pid})"
    elif not old.is_ours and old.status and not new.status:
        yield f"{new.name} on {new.node.host} does not answer"


def _end(view: ProcessView) -> str:
    match view.state:
        case ProcessState.STOPPING:
            return "is being stopped"
        case ProcessState.STOPPED:
            return "stopped"
        case ProcessState.EXITED if view.exit_status != -1:
            return f"exited with status {view.exit_status}"
        case ProcessState.FATAL:
            return "cannot be started"
    return "was killed"


def _leader_events(before: Snapshot, after: Snapshot) -> Iterator[str]:
    old, new = before.leader, after.leader
    if new and (old is None or (old.name, before.term) != (new.name, after.term)):
        yield f"{new.name} leads in term {after.term}"
    elif old and not new:
        yield f"no leader: {old.name} led until now"


def _in_sync_events(before: Snapshot, after: Snapshot) -> Iterator[str]:
    if after.in_sync and set(after.in_sync) != set(before.in_sync):
        names = ", ".join(process_name(Role.ORDER, one) for one in after.in_sync)
        yield f"in sync: {len(after.in_sync)} of {len(after.replicas)} order replicas ({names})"


def _log_events(old: ProcessView, new: ProcessView) -> Iterator[str]:
    if new.is_corrupt and not old.is_corrupt:
        yield f"{new.name} stays out: its log is damaged; `cluster logs {new.name}` says more"
    if is_lagging(new) and not is_lagging(old):
        yield f"{new.name} lags behind"
    elif is_lagging(old) and new.status and not is_lagging(new):
        yield f"{new.name} has caught up (order {new.status.last})"


def is_lagging(view: ProcessView) -> bool:
    """Return whether a replica is notably behind."""
    status = view.status
    return isinstance(status, ReplicaStatus) and bool(
        status.lag_orders and status.lag_ms > LAGGING_MS
    )
