"""
The databases of a cluster: made, migrated and filled before any role serves.

Each is done by a process of its own in the settings of its role, side by side, and not at all
where nothing is to be done: a look into the file is a hundred times cheaper than a Django start.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.errors import ClusterError
from bazaar.cluster.supervisor_config import role_environment, role_of
from bazaar.settings import env
from bazaar.topology import Node, Topology

STOCKS = ("asterix", "sp500")
COMMAND_TIMEOUT_S = 120.0
_APPS = {"catalog": "catalog_app", "dashboard": "dashboard", "order": "order_app"}


def prepare(
    data: DataDir, topology: Topology, stocks: str, environ: Mapping[str, str]
) -> Iterator[str]:
    """
    Migrate every database, fill the catalog's, and yield what was done and what failed.

    A replica whose database cannot be migrated is only reported: the others can do without it.
    Raises ClusterError: the catalog or the dashboard cannot be prepared.
    """
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        catalog = pool.submit(prepare_catalog, data, topology.catalog, stocks, environ)
        replicas = [
            (node, pool.submit(prepare_replica, data, node, environ)) for node in topology.replicas
        ]
        dashboard = pool.submit(prepare_dashboard, data, topology.dashboard, environ)
        yield from catalog.result()
        for node, replica in replicas:
            try:
                yield from replica.result()
            except ClusterError as error:
                yield f"{error} `manage.py cluster rebuild {node.id}` makes it anew."
        yield from dashboard.result()


def prepare_catalog(
    data: DataDir, node: Node, stocks: str, environ: Mapping[str, str]
) -> list[str]:
    """Migrate the catalog's database and load stocks into an empty one. Raises ClusterError."""
    lines = _migrate(data, "catalog", node, environ)
    if not lines and _has_rows(data.database("catalog"), "catalog_app_stock"):
        return lines
    variables = role_environment(data, "catalog", node, environ)
    return [*lines, f"catalog: {_manage('catalog', ('load_stocks', stocks), variables)}"]


def prepare_dashboard(data: DataDir, node: Node, environ: Mapping[str, str]) -> list[str]:
    """Migrate the dashboard's database and make the first user of one. Raises ClusterError."""
    lines = _migrate(data, "dashboard", node, environ)
    if not lines and _has_rows(data.database("dashboard"), "auth_user"):
        return lines
    variables = role_environment(data, "dashboard", node, environ)
    return [*lines, f"dashboard: {_manage('dashboard', ('make_admin',), variables)}"]


def prepare_replica(data: DataDir, node: Node, environ: Mapping[str, str]) -> list[str]:
    """Migrate a replica's database. Raises ClusterError."""
    return _migrate(data, f"order-{node.id}", node, environ)


def delete(data: DataDir, name: str) -> None:
    """Delete a database with its journals. Raises ClusterError."""
    path = data.database(name)
    if path is None:
        raise ClusterError(f"{name} has no database.")
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _migrate(data: DataDir, name: str, node: Node, environ: Mapping[str, str]) -> list[str]:
    path = data.database(name)
    if path is None or _is_migrated(path, _APPS[role_of(name)]):
        return []
    _manage(name, ("migrate", "--verbosity", "0"), role_environment(data, name, node, environ))
    return [f"{name}: {path} is ready"]


def _is_migrated(path: Path, app: str) -> bool:
    known = {file.stem for file in (env.ROOT / app / "migrations").glob("[0-9]*.py")}
    applied = _read(path, "SELECT name FROM django_migrations WHERE app = ?", app)
    return bool(known) and known <= applied


def _has_rows(path: Path | None, table: str) -> bool:
    query = f"SELECT 1 FROM {table} LIMIT 1"  # noqa: S608 - a name of our own
    return path is not None and bool(_read(path, query))


def _read(path: Path, query: str, *values: str) -> set[object]:
    """Return the first column of an answer; nothing when there is no such table or no database."""
    if not path.exists():
        return set()
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1.0)) as connection:
            return {row[0] for row in connection.execute(query, values)}
    except sqlite3.Error:
        return set()


def _manage(name: str, arguments: tuple[str, ...], variables: Mapping[str, str]) -> str:
    """Run a management command and return the last line it printed. Raises ClusterError."""
    try:
        done = subprocess.run(
            [sys.executable, str(env.ROOT / "manage.py"), *arguments],
            env=dict(variables),
            cwd=env.ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for the command that runs us
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{name}: `{arguments[0]}` took longer than {error.timeout:g} s.") from (
            error
        )
    if done.returncode != 0:
        raise ClusterError(f"{name}: `{arguments[0]}` failed: {_last_line(done.stderr)}")
    return _last_line(done.stdout)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
