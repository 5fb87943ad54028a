"""
Refuse to begin without a catalog's database where replicas have orders (I3).

A new one would have nothing of what they have. It is made from them by a command of its own, so
that nobody begins anew by mistake. An older database may start: it takes what it lacks from the
replicas (`catalog_app/recovery.py`).
"""

import contextlib
from collections.abc import Mapping

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.core.failures import Failure
from bazaar.protocol.clients import ReplicaClient
from bazaar.settings import database_file, env
from bazaar.settings.env import DamagedDatabaseError, SettingsError
from bazaar.settings.typed import manage
from bazaar.topology import Node, Role, Topology, process_name

_HAS_LEDGER = "SELECT 1 FROM sqlite_master WHERE name = 'catalog_app_entry'"
_CATALOG = process_name(Role.CATALOG, 1)
ASK_TIMEOUT_S = 0.5
"""For a replica of another host to say how much it has."""


def check_files(data: DataDir, topology: Topology) -> None:
    """Look for orders beside a missing ledger. Raises ClusterError."""
    if _has_ledger(data):
        return
    logs = {node.id: _last(data, process_name(Role.ORDER, node.id)) for node in topology.replicas}
    replica_id = max(logs, key=lambda one: logs[one], default=0)
    if replica_id and logs[replica_id]:
        raise _refuse(data, f"replica {replica_id} has {logs[replica_id]:,} orders")


def check_answers(data: DataDir, nodes: Mapping[str, Node], environ: Mapping[str, str]) -> None:
    """
    Ask replicas of other hosts for entries beside a missing ledger. Raises ClusterError.

    nodes: by name. What does not answer has none: nothing of a new cluster does.
    """
    if _has_ledger(data):
        return
    secret = env.read_secret(environ)
    for name, node in nodes.items():
        client = ReplicaClient.at(node, secret, ASK_TIMEOUT_S)
        with contextlib.closing(client), contextlib.suppress(Failure):
            status = client.status()
            if status.position:
                what = f"{name} on {node.host} has {status.position:,} entries"
                raise _refuse(data, what)


def _has_ledger(data: DataDir) -> bool:
    """Tell whether a database is there; a file without tables is made by whoever opens it."""
    try:
        return bool(database_file.read(data.root / f"{_CATALOG}.sqlite3", _HAS_LEDGER))
    except DamagedDatabaseError:
        return True  # it begins anew by itself


def _refuse(data: DataDir, what: str) -> ClusterError:
    rebuild = manage("cluster", "rebuild", "catalog", data=data.root)
    return ClusterError(
        f"{_CATALOG} has no database, but {what}: put a copy of {data.root}/{_CATALOG}.sqlite3 "
        f"back, or `{rebuild}` makes it anew from the replicas."
    )


def has_entries(data: DataDir) -> bool:
    """Tell whether a log in this folder has anything that a new catalog would lack."""
    return any(_count(data, path.stem) for path in data.root.glob("order-*.sqlite3"))


def _last(data: DataDir, name: str) -> int:
    """Return the newest order of a log; 0 when it cannot be read."""
    return _read(data, name, "SELECT MAX(order_no) FROM order_app_logentry")


def _count(data: DataDir, name: str) -> int:
    """Return a number above 0 when a log has entries that can be read."""
    changes = _read(data, name, "SELECT MAX(position) FROM order_app_stockchange")
    return changes or _last(data, name)


def _read(data: DataDir, name: str, query: str) -> int:
    with contextlib.suppress(SettingsError):  # damage is for those who open it for good
        for (last,) in database_file.read(data.root / f"{name}.sqlite3", query):
            return last if isinstance(last, int) else 0
    return 0
