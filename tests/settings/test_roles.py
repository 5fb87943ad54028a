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

from bazaar.settings.base import sqlite
from bazaar.settings.env import ROOT
from bazaar.topology import Node, Role

ROLES = ("catalog", "order_1", "frontend", "dashboard")


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
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BAZAAR_")}
    return subprocess.run(
        [sys.executable, "manage.py", *command.split(), "--settings", f"bazaar.settings.{role}"],
        cwd=ROOT,
        env={**kept, "BAZAAR_DATA_DIR": str(data_dir), "BAZAAR_REPLICA_ID": "1", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_replica_of_the_default_cluster_has_settings(number: int, data_dir: Path) -> None:
    script = f"from bazaar.settings import order_{number}; print(order_{number}.BAZAAR_NODE.port)"
    environ = {**os.environ, "BAZAAR_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=ROOT, capture_output=True, check=True
    )
    assert int(done.stdout) == 20_000 + number


@pytest.mark.parametrize("role", ROLES)
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
    connection = ConnectionHandler(sqlite(Role.CATALOG, Node(port=1)))["default"]
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        *(("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1)),
        ("journal_size_limit", 16 * 1024 * 1024),
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
