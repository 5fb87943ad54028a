"""Each role's settings in a process of their own: clean with good ones, one sentence otherwise."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from bazaar.settings.base import database
from bazaar.settings.env import ROOT
from bazaar.topology import Node, Role

MIGRATE, RUNSERVER = "migrate --verbosity 0", "runserver --noreload 127.0.0.1:1"
DATABASE_ENDINGS = ("", "-wal", "-shm")
"""Of files that are there already."""


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Keep the umask of the tests: a role's settings change it."""
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    secret = tmp_path / "cluster.secret"
    secret.write_text("s" * 32)
    secret.chmod(0o600)
    return tmp_path


def manage(
    command: str, role: str, data_dir: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a role."""
    return manage_with(command, role, data_dir, environ)


def manage_with(
    command: str, role: str, data_dir: Path, environ: dict[str, str], umask: int = -1
) -> subprocess.CompletedProcess[str]:
    """Run a command in a role under a umask."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BAZAAR_")}
    return subprocess.run(
        [sys.executable, "manage.py", *command.split(), "--settings", f"bazaar.settings.{role}"],
        cwd=ROOT,
        env={**kept, "BAZAAR_DATA_DIR": str(data_dir), "BAZAAR_REPLICA_ID": "1", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        umask=umask,
    )


@pytest.mark.parametrize(
    ("command", "role", "endings"),
    [
        (MIGRATE, "catalog", ()),
        (MIGRATE, "order_1", DATABASE_ENDINGS),
        (RUNSERVER, "dashboard", ()),
        (RUNSERVER, "catalog", DATABASE_ENDINGS),
    ],
)
def test_whatever_a_command_writes_is_for_its_owner_only(
    command: str, role: str, endings: tuple[str, ...], data_dir: Path
) -> None:
    """Also in a folder that was open, with an open database and its logs, and no umask."""
    name = role.replace("_", "-")
    for ending in endings:
        path = data_dir / f"{name}.sqlite3{ending}"
        path.touch()
        path.chmod(0o666)
    data_dir.chmod(0o777)
    done = manage_with(command, role, data_dir, {}, umask=0)
    assert "Traceback" not in done.stderr
    is_made = (data_dir / f"{name}.sqlite3").exists()
    assert is_made or "runserver" in command
    modes = {path.name: path.stat().st_mode & 0o777 for path in data_dir.iterdir()}
    assert set(modes.values()) == {0o600}
    assert data_dir.stat().st_mode & 0o777 == 0o700


def test_a_command_in_a_folder_of_everybody_is_refused_in_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    secret = tmp_path / "cluster.secret"
    secret.write_text("s" * 32)
    secret.chmod(0o600)
    done = manage("migrate", "catalog", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"BAZAAR_DATA_DIR: {tmp_path} is everybody's")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_replica_of_the_default_cluster_has_settings(number: int, data_dir: Path) -> None:
    script = f"from bazaar.settings import order_{number}; print(order_{number}.BAZAAR_NODE.port)"
    environ = {**os.environ, "BAZAAR_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=ROOT, capture_output=True, check=True
    )
    assert int(done.stdout) == 20_000 + number


@pytest.mark.parametrize("role", Role)
def test_every_roles_check_runs_clean(role: str, data_dir: Path) -> None:
    done = manage("check", role, data_dir)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("role", "environ", "start"),
    [
        ("catalog", {"BAZAAR_LEASE_S": "0.1"}, "BAZAAR_LEASE_S (0.1) must be greater"),
        ("order", {"BAZAAR_REPLICA_ID": "9"}, "BAZAAR_REPLICA_ID: no order replica has the id 9"),
        ("frontend", {"BAZAAR_SECRET_FILE": "/nowhere"}, "BAZAAR_SECRET_FILE: /nowhere"),
        ("dashboard", {"BAZAAR_CLUSTER": "/nowhere"}, "BAZAAR_CLUSTER: /nowhere cannot be read"),
    ],
)
def test_a_wrong_variable_is_one_sentence_and_exit_status_2(
    role: str, environ: dict[str, str], start: str, data_dir: Path
) -> None:
    done = manage("check", role, data_dir, **environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(start)
    assert done.stderr.count("\n") == 1


@pytest.fixture
def role_database(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BaseDatabaseWrapper]:
    """Open a database as a role does."""
    monkeypatch.setattr("bazaar.settings.base.BAZAAR_DATA_DIR", tmp_path)
    connection = ConnectionHandler(database(Role.CATALOG, Node(port=1)))["default"]
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        *(("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1)),
        *(("journal_size_limit", 16 * 1024 * 1024), ("wal_autocheckpoint", 16 * 1024)),
    ],
)
def test_a_roles_database_survives_a_power_cut(
    role_database: BaseDatabaseWrapper, pragma: str, value: object
) -> None:
    """I3: nothing is acknowledged before it is on the disk."""
    with role_database.cursor() as cursor:
        cursor.execute(f"PRAGMA {pragma}")
        assert cursor.fetchone()[0] == value


def test_a_transaction_takes_the_writers_lock_when_it_begins(
    role_database: BaseDatabaseWrapper, tmp_path: Path
) -> None:
    """One that reads first must not fail to write because another one wrote meanwhile."""
    role_database.ensure_connection()
    role_database.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite3", timeout=0)) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        role_database.rollback()
        role_database.set_autocommit(True)
        other.execute("BEGIN IMMEDIATE")


def test_the_dashboard_is_fit_for_production_behind_https(data_dir: Path) -> None:
    done = manage("check --deploy --fail-level WARNING", "dashboard", data_dir, BAZAAR_HTTPS="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues (0 silenced)" in done.stdout


def test_a_misspelt_variable_stops_every_command(data_dir: Path) -> None:
    done = manage("check", "base", data_dir, BAZAAR_LEASES_S="2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("BAZAAR_LEASES_S is no variable of the bazaar.")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("load_stocks asterix", "no such table: catalog_app_stock"),
        ("migrate", "Unable to create the django_migrations table (database is locked)"),
    ],
)
def test_a_database_that_refuses_a_command_is_one_sentence(
    command: str, reason: str, data_dir: Path
) -> None:
    with closing(sqlite3.connect(data_dir / "catalog.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("PRAGMA user_version=1")
        if command == "migrate":
            other.execute("BEGIN IMMEDIATE")
        done = manage(command, "catalog", data_dir)
    assert done.returncode == 1
    assert done.stderr == f"BAZAAR_DATA_DIR: the database cannot be used now: {reason}.\n"
