"""
The databases of a cluster: made, migrated and filled before it serves.

Each takes a process of its own in the settings of its role, side by side, and only when something
is to be done: reading the file is a hundred times cheaper than starting Django. So is a copy: the
empty databases of all replicas are the same.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from bazaar.cluster import hosts, ledger_guard
from bazaar.cluster.data_dir import DataDir, write_whole
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.supervisor_config import cluster_environment, role_environment
from bazaar.settings import database_file, env, private
from bazaar.settings.env import DamagedDatabaseError, SettingsError
from bazaar.settings.typed import FILE_ENDINGS
from bazaar.topology import Node, Role, Topology, role_of

STOCKS = ("asterix", "sp500")
STOCKS_DEFAULT = "sp500"
COMMAND_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Filling:
    """What a catalog is filled with that has no stocks."""

    stocks: str | None = None
    """The set that it lists, if not the default one."""
    is_taking: bool = False
    """Whether it lists none: it will take them from replicas, which may be on other hosts."""
    is_new: bool = False
    """Whether no replica can have any entries. Else all have to answer it before it decides."""

    def lists(self, data: DataDir) -> bool:
        """Tell whether it lists any: no log in this folder has some."""
        return not (self.is_taking or ledger_guard.has_entries(data))

    @property
    def listing(self) -> tuple[str, ...]:
        """The arguments of the command that lists."""
        return (self.stocks or STOCKS_DEFAULT, *(() if self.is_new else ("--ask-all",)))


DEFAULT = Filling()


def prepare_all(
    data: DataDir,
    topology: Topology,
    stocks: str | None,
    environ: Mapping[str, str],
    *,
    is_new: bool = False,
) -> Iterator[str]:
    """
    Prepare every database of this host side by side; yield what was done.

    is_new: nothing of this cluster was there before, so that no replica can have any entries.
    A replica whose database cannot be migrated is only reported, too: the others can do without it.
    Raises ClusterError, SettingsError: the catalog or the dashboard cannot be prepared, or the
    catalog lacks orders that a replica has.
    """
    part = hosts.read_part(data, topology)
    catalogs = [name for name in part if role_of(name) is Role.CATALOG]
    if catalogs and (is_new or not topology.catalog.database):
        _check_ledger(data, topology, part, environ)
    nodes = {name: node for name, node in part.items() if role_of(name).has_database}
    for name in catalogs[1:]:
        del nodes[name]  # they share one
    unmade = [name for name, node in nodes.items() if _is_unmade_replica(data, name, node)]
    jobs: dict[str, Future[list[str]]] = {}
    filling = Filling(stocks, is_new=is_new)
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        for name, node in nodes.items():
            job = partial(prepare, data, name, node, environ, filling)
            if name in unmade[1:]:
                job = partial(_copy_empty, data, name, unmade[0], jobs[unmade[0]], job)
            jobs[name] = pool.submit(job)
        for name, done in jobs.items():
            try:
                yield from done.result()
            except (ClusterError, SettingsError) as error:
                if role_of(name) is not Role.ORDER:
                    raise
                yield str(error)


def _check_ledger(
    data: DataDir, topology: Topology, part: Mapping[str, Node], environ: Mapping[str, str]
) -> None:
    """Look for entries of replicas beside a missing ledger. Raises ClusterError."""
    ledger_guard.check_files(data, topology)
    others = {name: node for name, node in topology.nodes() if name not in part}
    replicas = {name: node for name, node in others.items() if role_of(name) is Role.ORDER}
    ledger_guard.check_answers(data, replicas, cluster_environment(data, environ))


def _is_unmade_replica(data: DataDir, name: str, node: Node) -> bool:
    path = None if node.database else data.database(name)
    return role_of(name) is Role.ORDER and path is not None and not os.path.lexists(path)


def _copy_empty(
    data: DataDir,
    name: str,
    other: str,
    made: Future[list[str]],
    prepare_it: Callable[[], list[str]],
) -> list[str]:
    """Copy the empty database of another replica once it is made; make it anew if that fails."""
    source, path = data.database(other), data.database(name)
    assert source is not None, f"{other} has a database"
    assert path is not None, f"{name} has a database"
    journal = source.with_name(f"{source.name}-wal")
    try:
        made.result()
        if journal.exists() and journal.stat().st_size:
            return prepare_it()
        write_whole(path, source.read_bytes(), private.FILE_MODE)
    except (ClusterError, SettingsError, OSError):
        return prepare_it()
    return [f"{name}: {path} is ready", *prepare_it()]


def prepare(
    data: DataDir, name: str, node: Node, environ: Mapping[str, str], filling: Filling = DEFAULT
) -> list[str]:
    """
    Migrate a database and give it its first rows; return what was done.

    A damaged one of a catalog or a replica is left to its process, which begins anew by itself.
    filling: of an empty catalog. An empty dashboard gets its first user. Raises ClusterError,
    SettingsError.
    """
    if node.database:
        return _prepare_on_server(data, name, node, environ, filling)
    try:
        return _prepare(data, name, node, environ, filling)
    except DamagedDatabaseError:
        path = data.database(name)
        return [f"{name}: {path} is damaged; its process begins anew from the others"]


def _prepare_on_server(
    data: DataDir, name: str, node: Node, environ: Mapping[str, str], filling: Filling
) -> list[str]:
    env.read_database_url({}, name, node)  # what is wrong with it is one sentence
    words = ["prepare", *(("--anew",) if filling.is_taking else ())]
    if role_of(name) is Role.CATALOG and filling.lists(data):
        words += ["--stocks", *filling.listing]
    said = _manage(name, words, role_environment(data, name, node, environ))
    return [f"{name}: {line}" for line in said]


def _prepare(
    data: DataDir, name: str, node: Node, environ: Mapping[str, str], filling: Filling
) -> list[str]:
    path, role = data.database(name), role_of(name)
    assert path is not None, f"{name} has no database"
    variables = role_environment(data, name, node, environ)
    table, command = {
        Role.CATALOG: ("catalog_app_stock", ("load_stocks", *filling.listing)),
        Role.DASHBOARD: ("auth_user", ("make_admin",)),
    }.get(role, ("", ()))
    lines, is_new = list[str](), not path.exists()
    fills = bool(command) and is_new and (role is not Role.CATALOG or filling.lists(data))
    if not database_file.check(path, role, node.id):
        # In one process: each loads Django.
        migrate = (*command, "--migrate") if fills else ("migrate", "--verbosity", "0")
        try:
            said = _manage(name, migrate, variables)[-1:]
        except ClusterError:
            if is_new:  # an empty file, on a full disk: the next try would call it damaged
                for ending in FILE_ENDINGS:
                    path.with_name(path.name + ending).unlink(missing_ok=True)
            raise
        lines.append(f"{name}: {path} is ready")
        if fills:
            return [*lines, *(f"{name}: {line}" for line in said)]
    if command and not database_file.read(path, f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608
        if role is Role.CATALOG and not filling.lists(data):
            return [*lines, f"{name}: it takes stocks and orders from the replicas when it starts"]
        lines += [f"{name}: {line}" for line in _manage(name, command, variables)[-1:]]
    elif filling.stocks and role is Role.CATALOG:
        lines += _describe_stocks(path, filling.stocks)
    return lines


def _describe_stocks(path: Path, stocks: str) -> list[str]:
    """Return what to say when a catalog was to list a set, but lists others already."""
    listed = {name for (name,) in database_file.read(path, "SELECT name FROM catalog_app_stock")}
    fixture = msgspec.json.decode((env.ROOT / "fixtures" / f"{stocks}.json").read_bytes())
    if listed.issuperset(one["fields"]["name"] for one in fixture):
        return []
    count = len(listed)
    return [f"catalog: --stocks {stocks} is for an empty one; this one keeps its {count} stocks."]


def move_aside(data: DataDir, name: str) -> list[str]:
    """
    Move away what is at the place of a database, with its journals.

    Returns where to in words. The files keep their names, so that what is there can be verified and
    put back. Raises ClusterError.
    """
    path = data.database(name)
    if path is None:
        raise ClusterError(f"{name} has no database.")
    files = [path.with_name(path.name + ending) for ending in FILE_ENDINGS]
    found = [file for file in files if file.exists() or file.is_symlink()]
    if not found:
        return []
    (data.root / "aside").mkdir(mode=0o700, exist_ok=True)
    taken = {one.name for one in (data.root / "aside").iterdir()}
    free = next(number for number in itertools.count(1) if f"{name}.{number}" not in taken)
    folder = data.root / "aside" / f"{name}.{free}"
    folder.mkdir(mode=0o700)
    for file in found:
        file.rename(folder / file.name)
    return [f"{name}: {path} is now {folder / path.name}"]


def _manage(name: str, arguments: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Run a management command; return its lines. Raises ClusterError."""
    try:
        done = subprocess.run(
            [sys.executable, str(env.ROOT / "manage.py"), *arguments],
            env=dict(variables),
            cwd=env.ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for the command that runs this one
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{name}: `{arguments[0]}` took longer than {error.timeout:g} s.") from (
            error
        )
    if done.returncode != 0:
        reason = _last_line(done.stderr).removeprefix("CommandError: ")
        raise ClusterError(f"{name}: `{arguments[0]}` failed: {reason}")
    return done.stdout.strip().splitlines()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
