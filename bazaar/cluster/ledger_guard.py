"""
Refuse a catalog whose ledger lacks orders that a replica has (I3).

Such a catalog was made anew, or put back from an older copy. It would give the same numbers to
other orders. Replicas beside it are read from their files; a catalog without any order also asks
those that are elsewhere.
"""

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.core.failures import Failure
from bazaar.protocol.clients import ReplicaClient
from bazaar.settings import database_file
from bazaar.settings.env import SettingsError
from bazaar.settings.typed import make_mend
from bazaar.topology import Node, Role, Topology, process_name

PING_TIMEOUT_S = 0.5
PEERS_WAIT_S = 3.0
"""How long a catalog without orders waits for replicas elsewhere, which may be starting, too."""
_CATALOG = process_name(Role.CATALOG, 1)


def check_files(data: DataDir, topology: Topology) -> None:
    """Compare the ledger with the logs in the same folder. Raises ClusterError."""
    logs = {node.id: _last(data, process_name(Role.ORDER, node.id)) for node in topology.replicas}
    _compare(data, _last(data, _CATALOG), logs)


def check_peers(data: DataDir, topology: Topology, secret: bytes) -> None:
    """Ask replicas elsewhere, if the catalog has no order. Raises ClusterError."""
    elsewhere = [node for node in topology.replicas if not _has_file(data, node)]
    if elsewhere and _last(data, _CATALOG) == 0:
        _compare(data, 0, _ask(elsewhere, secret))


def _has_file(data: DataDir, node: Node) -> bool:
    return (data.root / f"{process_name(Role.ORDER, node.id)}.sqlite3").exists()


def _last(data: DataDir, name: str) -> int:
    """Return the newest order in the database of a process; 0 when it cannot be read."""
    table = "catalog_app_entry" if name == _CATALOG else "order_app_logentry"
    with contextlib.suppress(SettingsError):  # damage is for those who open it for good
        query = f"SELECT MAX(order_no) FROM {table}"  # noqa: S608 - a name of ours
        for (last,) in database_file.read(data.root / f"{name}.sqlite3", query):
            return last if isinstance(last, int) else 0
    return 0


def _ask(nodes: list[Node], secret: bytes) -> Mapping[int, int]:
    """Return the newest orders of the replicas that answer in time."""
    found: dict[int, int] = {}
    clients = {node.id: ReplicaClient.at(node, secret, PING_TIMEOUT_S) for node in nodes}

    def ask(replica_id: int) -> None:
        with contextlib.suppress(Failure):
            found[replica_id] = clients[replica_id].ping(PING_TIMEOUT_S).last

    def have_answered() -> bool:
        list(pool.map(ask, clients.keys() - found.keys()))
        return len(found) == len(clients) or any(found.values())

    with ThreadPoolExecutor(len(nodes)) as pool:
        wait_until(have_answered, PEERS_WAIT_S)
    for client in clients.values():
        client.close()
    return found


def _compare(data: DataDir, ledger: int, logs: Mapping[int, int]) -> None:
    replica_id = max(logs, key=lambda one: logs[one], default=0)
    if not replica_id or logs[replica_id] <= ledger:
        return
    what = f"ends at order {ledger:,}" if ledger else "is empty"
    raise ClusterError(
        f"{_CATALOG} {what}, but replica {replica_id} has {logs[replica_id]:,} orders. "
        f"{make_mend(Role.CATALOG, 1, data.root)}"
    )
