"""
Refuse to begin without a catalog's database where replicas have orders (I3).

A new one would have nothing of what they have. It is made from them by a command of its own, so
that nobody begins anew by mistake. An older database may start: it takes what it lacks from the
replicas (`catalog_app/recovery.py`).
"""

import contextlib

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.settings import database_file
from bazaar.settings.env import DamagedDatabaseError, SettingsError
from bazaar.settings.typed import manage
from bazaar.topology import Role, Topology, process_name

_HAS_LEDGER = "SELECT 1 FROM sqlite_master WHERE name = 'catalog_app_entry'"
_CATALOG = process_name(Role.CATALOG, 1)


def check_files(data: DataDir, topology: Topology) -> None:
    """Look for orders beside a missing ledger. Raises ClusterError."""
    path = data.root / f"{_CATALOG}.sqlite3"
    try:
        found = database_file.read(path, _HAS_LEDGER)
    except DamagedDatabaseError:
        return  # it begins anew by itself
    if found:
        return  # a file without tables is made by whoever opens it
    logs = {node.id: _last(data, process_name(Role.ORDER, node.id)) for node in topology.replicas}
    replica_id = max(logs, key=lambda one: logs[one], default=0)
    if replica_id and logs[replica_id]:
        rebuild = manage("cluster", "rebuild", "catalog", data=data.root)
        raise ClusterError(
            f"{_CATALOG} has no database, but replica {replica_id} has {logs[replica_id]:,} "
            f"orders: put a copy of {path} back, or `{rebuild}` makes it anew from the replicas."
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
