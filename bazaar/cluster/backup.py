"""
Backups of the catalog's database: made while it serves, verified, put back.

A backup is one file, with a name of its own only once it is complete and verified. What it replaces
is moved aside and never deleted.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bazaar.clock import wait_until
from bazaar.cluster import databases, hosts, ports
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import INCONSISTENT, ClusterError
from bazaar.cluster.locks import hold
from bazaar.cluster.sequence_file import SequenceFile
from bazaar.cluster.supervisor import Supervisor
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.settings import database_file, env
from bazaar.settings.typed import FILE_ENDINGS, manage
from bazaar.topology import Role, process_name

_CATALOG = process_name(Role.CATALOG, 1)
_LEADERSHIP, _IN_SYNC = "catalog_app_leadership", "in_sync"
NOTICE_TIMEOUT_S = 2.0
"""For the supervisor to notice that the catalog has ended."""
_MIB = 1024 * 1024


def make_backup(data: DataDir, target: Path) -> list[str]:
    """
    Copy the catalog's database to a new file.

    Returns the name and head of the copy in words. target: a file; or a folder, in which the file
    is named after its head. Raises ClusterError.
    """
    source = data.root / f"{_CATALOG}.sqlite3"
    _check_file(data)
    if not source.exists():
        raise ClusterError(f"{source} is not there: run this where the catalog's data folder is.")
    folder = target if target.is_dir() else target.parent
    _check_target(source, target, folder)
    with _copy(source, folder) as (part, file):
        head, lines = file.head, file.describe()
        name = f"{_CATALOG}-{head.position:09}-{head.digest[:12]}.sqlite3"
        path = target / name if target.is_dir() else target
        if path.exists():
            raise ClusterError(f"{path} is there already: a backup replaces nothing.")
        _put(part, path)
    return [f"{path} is a backup of {source}:", *lines]


def restore(data: DataDir, environ: Mapping[str, str], source: Path) -> list[str]:
    """
    Put a copy of a backup in the place of the catalog's database.

    The catalog will ask all replicas before it decides (I3). Returns what was done in words. Raises
    ClusterError: the backup is none or damaged, or the catalog runs; nothing was changed.
    """
    data.make()
    _check_file(data)
    is_described = data.topology_path.exists()
    found = data.read_topology() if is_described else env.read_topology(environ)
    if _CATALOG not in hosts.read_part(data, found):
        raise ClusterError(f"{_CATALOG} is on the host {found.catalog.host}: restore it there.")
    supervisor = Supervisor(data)
    is_running = supervisor.is_running()
    with contextlib.nullcontext() if is_running else hold(data):
        ports.check_silent(_CATALOG, found.catalog)
        if is_running:
            _check_stopped(supervisor, data)
        lines = put_back(data, source, [node.id for node in found.replicas])
        if is_described:
            variables = cluster_environment(data, environ)
            lines += databases.prepare(data, _CATALOG, found.catalog, variables)
    words = ("cluster", "start", _CATALOG) if is_running else ("cluster", "up")
    start = manage(*words, data=data.root)
    lines.append(
        f"{_CATALOG}: the backup is in place; `{start}` starts it, and it takes the entries that "
        "it lacks from the replicas."
    )
    return lines


def put_back(data: DataDir, source: Path, replica_ids: Sequence[int]) -> list[str]:
    """
    Put a verified copy of a backup in the place of a catalog's database.

    That is moved aside. Who was in sync when the backup was made may have been dropped since, so
    all replicas have to answer the catalog that starts with it (I3). Returns what was done in
    words. Raises ClusterError.
    """
    with _copy(source, data.root) as (part, file):
        if file.role is not Role.CATALOG:
            raise ClusterError(f"{source} is of an {file.role} replica, no backup of a catalog.")
        lines = [f"{source} is sound:", *file.describe()]
        file.close()
        _note_in_sync(part, replica_ids)
        lines += databases.move_aside(data, _CATALOG)
        _put(part, data.root / f"{_CATALOG}.sqlite3")
    return lines


def _note_in_sync(part: Path, replica_ids: Sequence[int]) -> None:
    """Write into a copy which replicas its catalog has to hear of before it decides."""
    try:
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
            if database_file.has_column(copy, _LEADERSHIP, _IN_SYNC):  # else a migration adds it
                text = ",".join(map(str, replica_ids))
                copy.execute(f"UPDATE {_LEADERSHIP} SET {_IN_SYNC} = ?", [text])  # noqa: S608
    except sqlite3.Error as error:
        raise ClusterError(f"{part} cannot be written ({error}).") from error
    _sync(part)


def _check_file(data: DataDir) -> None:
    """Raise ClusterError when the catalog's database is on a server."""
    if data.topology_path.exists() and data.read_topology().catalog.database:
        raise ClusterError(
            f"The database of {_CATALOG} is on a server: copy it and put it back by the tools of "
            "its engine (docs/OPERATING.md, Databases on servers)."
        )


def _check_stopped(supervisor: Supervisor, data: DataDir) -> None:
    """Raise ClusterError while the supervisor is starting the catalog, or would."""

    def is_stopped() -> bool:
        return supervisor.processes()[_CATALOG].statename in ("STOPPED", "EXITED", "FATAL")

    if not wait_until(is_stopped, NOTICE_TIMEOUT_S):
        stop = manage("cluster", "stop", _CATALOG, data=data.root)
        raise ClusterError(f"{_CATALOG} is being started: `{stop}` stops it.")


def _check_target(source: Path, target: Path, folder: Path) -> None:
    """Raise ClusterError when a backup cannot be written there."""
    if not folder.is_dir():
        raise ClusterError(f"{folder} is no folder: make it, or name another file.")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ClusterError(f"{target} is there already: a backup replaces nothing.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ClusterError(f"{folder} is not writable for this user (uid {os.geteuid()}).")
    needed, free = database_bytes(source), shutil.disk_usage(folder).free
    if needed > free:
        raise ClusterError(
            f"{folder} has room for {free / _MIB:.1f} MiB, and the backup needs "
            f"{needed / _MIB:.1f} MiB."
        )


def database_bytes(path: Path) -> int:
    """Return the size of a database with its journals in bytes."""
    files = (path.with_name(path.name + ending) for ending in FILE_ENDINGS)
    return sum(file.stat().st_size for file in files if file.exists())


@contextlib.contextmanager
def _copy(source: Path, folder: Path) -> Iterator[tuple[Path, SequenceFile]]:
    """
    Yield a copy of a database as of one moment, and the copy opened once it is verified.

    The copy is gone in the end, unless it was moved. Raises ClusterError.
    """
    part = folder / f"{_CATALOG}.{os.getpid()}.part"
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with SequenceFile(source):  # is it a database of ours at all?
            _copy_pages(source, part)
        _sync(part)
        with SequenceFile(part) as file:
            if fault := file.find_fault():
                raise ClusterError(f"{source}: {fault}; it was not copied.", INCONSISTENT)
            yield part, file
    finally:
        for ending in FILE_ENDINGS:
            part.with_name(part.name + ending).unlink(missing_ok=True)


def _copy_pages(source: Path, part: Path) -> None:
    """Copy all pages in one step: in several it would begin anew whenever somebody writes."""
    try:
        with (
            contextlib.closing(database_file.open_snapshot(source)) as one,
            contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy,
        ):
            one.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, none beside it
    except sqlite3.Error as error:
        raise ClusterError(f"{source} cannot be copied to {part.parent} ({error}).") from error


def _put(part: Path, path: Path) -> None:
    """Give a complete file its name, for good."""
    part.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
