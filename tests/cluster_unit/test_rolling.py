"""A rolling restart says why it does not begin, or go on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from bazaar.cluster.data_dir import make_secret
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.operations import Cluster
from bazaar.cluster.rolling import RollingRestart
from bazaar.cluster.snapshot import ProcessState, ProcessView, Snapshot
from bazaar.core.replica import ReplicaState
from bazaar.protocol.statuses import ReplicaStatus
from bazaar.topology import Node
from tests.support.servers import ScriptedServer, answer

READY = b'{"status":"ready","reasons":[]}'


@dataclass
class FakeCluster:
    """A cluster that is as it is; its supervisor runs."""

    environ: dict[str, str]
    snapshot: Snapshot

    @property
    def supervisor(self) -> Any:
        return self

    def pid(self) -> int:
        return 1

    def take_snapshot(self) -> Snapshot:
        return self.snapshot


def view(number: int, node: Node, in_sync: tuple[int, ...] = ()) -> ProcessView:
    status = ReplicaStatus(
        role="order",
        id=number,
        pid=number,
        up_since_s=0.0,
        is_ready=True,
        term=1,
        leader=1,
        state=ReplicaState.LEADING if number == 1 else ReplicaState.FOLLOWING,
        lag_orders=0,
        lag_ms=0.0,
        in_sync=in_sync,
    )
    return ProcessView(f"order-{number}", node, ProcessState.RUNNING, number, status=status)


def test_a_replica_that_is_ready_and_not_in_sync_is_named(tmp_path: Path) -> None:
    server = ScriptedServer([answer(READY), answer(READY)])
    host, port = server.address
    node = Node(host=host, port=port, control_port=port)
    make_secret(tmp_path / "cluster.secret")
    snapshot = Snapshot((view(1, node, in_sync=(1,)), view(2, node)))
    fake = FakeCluster({"BAZAAR_DATA_DIR": str(tmp_path)}, snapshot)
    try:
        with pytest.raises(ClusterError) as caught:
            list(RollingRestart(cast("Cluster", fake)).run())
    finally:
        server.close()
    assert str(caught.value).startswith(
        "The cluster is degraded: order-2 is not in sync: trades do not wait for its copy. "
        "A rolling restart begins with a healthy one"
    )
