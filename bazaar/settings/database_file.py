"""
A role's database file: what is wrong with it, and which command mends it.

It is asked before any server or command opens the database. Only what is cheap is looked at: the
rows themselves are checked by those who read them.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bazaar.settings import data_folder
from bazaar.settings.env import DamagedDatabaseError, SettingsError, StorageAwayError
from bazaar.settings.typed import ROOT, make_mend
from bazaar.topology import Role, process_name

TIMEOUT_S = 1.0
"""To wait for another process that has it locked."""
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
_APPLIED = "SELECT app, name FROM django_migrations"


def check(path: Path, role: Role, node_id: int) -> bool:
    """
    Return whether the database of a process is ready to be served.

    It is not while it is missing or lacks migrations. Raises SettingsError: it cannot be used, and
    what to do. Raises StorageAwayError: not now. Raises DamagedDatabaseError: its process begins
    anew by itself, if it is started.
    """
    name = process_name(role, node_id)
    mend = make_mend(role, node_id, path.parent)
    fault = find_file_fault(path)
    if fault or not path.exists():
        if fault:
            raise SettingsError(f"BAZAAR_DATA_DIR: {name}: {path} {fault}. {mend}")
        return False
    if not os.access(path, os.R_OK | os.W_OK):
        data_folder.check_writable(path, f"BAZAAR_DATA_DIR: {name}")
        raise SettingsError(
            f"BAZAAR_DATA_DIR: {name}: {path} is not readable and writable for this user "
            f"(uid {os.geteuid()}). Run as its owner, or chown it."
        )
    try:
        tables, applied = _read_migrations(path)
    except sqlite3.OperationalError as error:  # locked, or a disk that fails: no damage
        raise StorageAwayError(
            f"BAZAAR_DATA_DIR: {name}: {path} cannot be used now ({error}). "
            "End what else uses it, and see that its disk is well."
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        kind = DamagedDatabaseError if role in (Role.CATALOG, Role.ORDER) else SettingsError
        raise kind(f"BAZAAR_DATA_DIR: {name}: {path} is damaged ({error}). {mend}") from error
    return _is_ours(f"BAZAAR_DATA_DIR: {name}: {path}", role, tables, applied, mend)


def read(path: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """
    Return the rows of an answer; no rows where there is no such file.

    Raises SettingsError: it cannot be read.
    """
    if not path.exists():
        return []
    try:
        with _open(path) as connection:
            return list(connection.execute(query, values))
    except sqlite3.OperationalError as error:
        raise StorageAwayError(f"BAZAAR_DATA_DIR: {path} cannot be read now ({error}).") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise DamagedDatabaseError(f"BAZAAR_DATA_DIR: {path} cannot be read ({error}).") from error


def open_snapshot(path: Path, timeout_s: float = TIMEOUT_S) -> sqlite3.Connection:
    """
    Return a connection in a read transaction: all that it reads is of one moment.

    Others may write meanwhile. Raises sqlite3.Error.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    journal = path.with_name(f"{path.name}-wal")
    try:
        return _begin(sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None))
    except sqlite3.OperationalError:
        if journal.exists() and journal.stat().st_size:
            raise
    # A folder that may not be written: without a journal the file is all there is.
    return _begin(sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None))


def _begin(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("BEGIN")
        connection.execute(_TABLES).fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def has_column(connection: sqlite3.Connection, table: str, column: str) -> bool:
    """Tell whether a table has a column, which it may have got later. Raises sqlite3.Error."""
    query = "SELECT COUNT(*) FROM pragma_table_info(?) WHERE name = ?"
    return bool(connection.execute(query, (table, column)).fetchone()[0])


def find_file_fault(path: Path) -> str | None:
    """Return why there cannot be a database at a path."""
    if path.is_dir():
        return "is a folder, not a database"
    if path.is_symlink() and not path.exists():
        return f"is a link to {path.readlink()}, which is not there"
    if path.exists() and not path.is_file():
        return "is no file"
    if path.exists() and path.stat().st_size == 0:
        return "is empty, not a database"
    return None


def _read_migrations(path: Path) -> tuple[set[str], set[tuple[str, str]]]:
    """Return the tables, and the migrations that were applied."""
    with _open(path) as connection:
        tables = {name for (name,) in connection.execute(_TABLES)}
        has_applied = "django_migrations" in tables
        return tables, set(connection.execute(_APPLIED)) if has_applied else set()


@contextlib.contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that exists; never make one."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=TIMEOUT_S)) as connection:
        yield connection


def _is_ours(
    subject: str, role: Role, tables: set[str], applied: set[tuple[str, str]], mend: str
) -> bool:
    """Return whether a database has all migrations. Raises SettingsError: another's, or newer."""
    apps = {app for app, _ in applied}
    others = {other.app for other in Role} - {role.app}
    if (tables and not applied and "django_migrations" not in tables) or (
        apps & others and role.app not in apps
    ):
        found = ", ".join(sorted(apps & others or tables)[:3])
        raise SettingsError(f"{subject} is not a database of this role; it has {found}. {mend}")
    known = {file.stem for file in (ROOT / role.app / "migrations").glob("[0-9]*.py")}
    ours = {name for app, name in applied if app == role.app}
    if newer := sorted(ours - known):
        raise SettingsError(
            f"{subject} is of a newer version: it has the migration {role.app}.{newer[0]}, which "
            f"this version does not know. Run that version. {mend}"
        )
    return known <= ours
